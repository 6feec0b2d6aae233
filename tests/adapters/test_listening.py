"""Where the server listens: several addresses, IPv6, UNIX sockets, sockets that a service manager opened."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_anyio import parse_config, serve
from sharedstate_anyio.listeners import Listen, override
from sharedstate_anyio.listening import ListenError, open_listeners
from sharedstate_anyio.systemd import inherited_sockets, notify
from sharedstate_backends import ConfigurationError
from tests.support.command import INSTALLED, started
from tests.support.frames import FrameReader
from tests.support.peer import Client, ClosedError, Peer, open_client
from tests.support.servers import document

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sharedstate_anyio import Config


def listening(*listen: dict[str, object]) -> Config:
    return parse_config({**document(), "service": {"listen": list(listen)}})


class LocalPeer(Peer):
    """A peer over any kind of socket."""

    def __init__(self, family: socket.AddressFamily, address: Any) -> None:
        self._sock = socket.socket(family)
        self._sock.connect(address)
        self._sock.setblocking(False)
        self._frames = FrameReader()


async def works(family: socket.AddressFamily, address: object) -> None:
    peer = LocalPeer(family, address)
    try:
        await peer.upgrade()
        assert await Client(peer).get("/") == ["items"]
    finally:
        peer.close()


IPV6 = (
    socket.has_ipv6
    and Path("/proc/net/if_inet6").exists()
    and bool(Path("/proc/net/if_inet6").read_text().strip())
)


async def test_several_listeners(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    config = listening(
        {"host": "127.0.0.1", "port": 0}, {"host": "127.0.0.2", "port": 0}, {"unix": path}
    )
    async with serve(config) as server:
        assert [host for host, _ in server.addresses] == ["127.0.0.1", "127.0.0.2"]
        assert server.paths == [path]
        for address in server.addresses:
            await works(socket.AF_INET, address)
        await works(socket.AF_UNIX, path)
    assert not Path(path).exists()


@pytest.mark.skipif(not IPV6, reason="this machine has no IPv6")
async def test_ipv6() -> None:
    async with serve(listening({"host": "::1", "port": 0})) as server:
        assert server.url == f"http://[::1]:{server.port}/"
        await works(socket.AF_INET6, ("::1", server.port))
    async with serve(listening({"host": "0.0.0.0", "port": 0})) as server:
        port = server.port
        async with serve(listening({"host": "::", "port": port})) as other:
            assert other.url == f"http://localhost:{port}/"
            await works(socket.AF_INET6, ("::1", port))
            await works(socket.AF_INET, ("127.0.0.1", port))


def test_an_address_that_this_machine_lacks_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`localhost` may name ::1 where there is no IPv6."""
    lacking = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))
    there = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [lacking, there])
    (listener,) = open_listeners(Listen("localhost", 0))
    assert listener.address[0] == "127.0.0.1"
    listener.close()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [lacking])
    with pytest.raises(ListenError, match=r"^cannot listen on localhost port 0: Cannot assign"):
        open_listeners(Listen("localhost", 0))


# UNIX sockets


async def test_the_permissions_of_a_unix_socket(tmp_path: Path) -> None:
    for mode, bits in ((None, 0o600), ("660", 0o660), ("0666", 0o666)):
        path = tmp_path / "socket"
        listen: dict[str, object] = {"unix": str(path)}
        async with serve(listening(listen | ({"mode": mode} if mode else {}))) as server:
            assert stat.S_IMODE(path.stat().st_mode) == bits
            assert server.addresses == []
            assert server.url == ""


async def test_the_socket_of_a_dead_server_is_replaced(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
        dead.listen()
    async with serve(listening({"unix": path})):
        await works(socket.AF_UNIX, path)


async def test_the_socket_of_a_living_server_is_left_alone(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    async with serve(listening({"unix": path})):
        with pytest.raises(ListenError, match="in use"):
            open_listeners(Listen(unix=path))
        await works(socket.AF_UNIX, path)


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_text("precious")
    with pytest.raises(ListenError, match="no socket"):
        open_listeners(Listen(unix=str(path)))
    assert path.read_text() == "precious"
    with pytest.raises(ListenError, match="No such file"):
        open_listeners(Listen(unix=str(tmp_path / "no" / "folder")))


def test_a_path_that_another_server_took_over_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    (first,) = open_listeners(Listen(unix=str(path)))
    path.unlink()
    (second,) = open_listeners(Listen(unix=str(path)))
    first.close()
    assert path.exists()
    second.close()
    assert not path.exists()
    second.close()


# Configuration


def where(service: object) -> tuple[Listen, ...]:
    return parse_config({**document(), "service": service}).listen


def test_the_forms_of_a_listener() -> None:
    assert where({}) == (Listen(),)
    assert where({"listen": [{}]}) == (Listen(),)
    assert where({"unix": "s"}) == (Listen(unix="s"),)
    assert where({"unix": "s", "mode": "640"}) == (Listen(unix="s", mode=0o640),)
    assert where({"listen": [{"port": 1}, {"unix": "s"}]}) == (Listen(port=1), Listen(unix="s"))


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ({"listen": []}, "service.listen: expected a list of at least one listener"),
        ({"listen": {}}, "service.listen: expected a list of at least one listener"),
        ({"listen": [{}], "port": 1}, 'service.port: stands beside "listen"'),
        ({"listen": [{"port": "1"}]}, "service.listen[0].port: expected a whole number"),
        ({"listen": [{}, {"listen": []}]}, "service.listen[1].listen: unknown key"),
        ({"listen": [3]}, "service.listen[0]: expected an object"),
        ({"unix": "s", "port": 1}, 'service.port: stands beside "unix"'),
        ({"unix": "s", "host": "a"}, 'service.host: stands beside "unix"'),
        ({"unix": ""}, "service.unix: expected the path"),
        ({"unix": 3}, "service.unix: expected the path"),
        ({"unix": "a\0b"}, "service.unix: expected the path"),
        ({"unix": "x" * 108}, "service.unix: a path of a UNIX socket has at most 107 bytes"),
        ({"mode": "660"}, "service.mode: belongs to a UNIX socket"),
        ({"unix": "s", "mode": 660}, "service.mode: expected permissions"),
        ({"unix": "s", "mode": "668"}, "service.mode: expected permissions"),
        ({"unix": "s", "mode": "rw"}, "service.mode: expected permissions"),
    ],
)
def test_faults(service: object, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        where(service)
    assert str(caught.value).startswith(expected)
    assert str(caught.value).isprintable()


def test_the_command_line_stands_above_the_file() -> None:
    one = (Listen("a", 1),)
    assert override(one, None, None, None) == one
    assert override(one, "b", None, None) == (Listen("b", 1),)
    assert override(one, None, 0, None) == (Listen("a", 0),)
    assert override(one, None, None, "s") == (Listen(unix="s"),)
    assert override((Listen(unix="s"),), None, 5, None) == (Listen(port=5),)
    two = (*one, *one)
    assert override(two, None, None, None) == two
    for host, port in (("b", None), (None, 1)):
        with pytest.raises(ConfigurationError, match="several listeners"):
            override(two, host, port, None)


# As a command


def one_line(errors: str) -> str:
    (line,) = errors.splitlines()
    assert line.startswith("sharedstate-anyio: ")
    return line


async def test_a_unix_socket_by_option(tmp_path: Path, anyio_backend_name: str) -> None:
    path = str(tmp_path / "socket")
    with started("--unix", path, "--loop", anyio_backend_name, folder=tmp_path) as command:
        command.says("Ctrl-C")
        assert f"listens on {path}\n" in command.output
        peer = LocalPeer(socket.AF_UNIX, path)
        try:
            await peer.upgrade()
            client = Client(peer)
            await client.get("/")
            command.send(signal.SIGTERM)
            with pytest.raises(ClosedError) as caught:
                await client.message()
            assert caught.value.code == 1001
        finally:
            peer.close()
        assert await command.finished() == 0
    assert not Path(path).exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--unix", "no/such/folder"], "cannot listen on no/such/folder: No such file"),
        (["--unix", "x" * 108], "--unix: a path of a UNIX socket has at most"),
        (["--host", "no.such.host.invalid"], "cannot listen on no.such.host.invalid port 9000: "),
        (["--host", "192.0.2.1"], "cannot listen on 192.0.2.1 port 9000: Cannot assign"),
        (["--unix", "s", "--port", "1"], "--unix stands instead of --host and --port"),
    ],
)
def test_what_cannot_be_listened_on(arguments: list[str], expected: str, tmp_path: Path) -> None:
    with started(*arguments, folder=tmp_path) as command:
        assert command.finish() in {1, 2}
    assert expected in command.errors.splitlines()[-1]
    assert "Traceback" not in command.errors
    assert command.output == ""


def test_a_missing_privilege_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root has them all, so the refusal is made here."""

    class Guarded(socket.socket):
        def bind(self, *_: object) -> None:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(socket, "socket", Guarded)
    with pytest.raises(ListenError) as caught:
        open_listeners(Listen("127.0.0.1", 80))
    assert str(caught.value) == (
        "cannot listen on 127.0.0.1 port 80: Permission denied; "
        "ports below 1024 and others' folders need a privilege"
    )


# With a service manager

ACTIVATE = """
import os, sys
sockets = [int(number) for number in sys.argv[1].split(",")]
for place, number in enumerate(sockets, 3):
    os.dup2(number, place + 100, inheritable=True)
for place in range(3, 3 + len(sockets)):
    os.dup2(place + 100, place, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(sockets)))
os.execv(sys.argv[2], sys.argv[2:])
"""


def activated(sockets: list[socket.socket], *arguments: str, **environment: str) -> Any:
    numbers = [sock.fileno() for sock in sockets]
    return subprocess.Popen(
        [sys.executable, "-c", ACTIVATE, ",".join(map(str, numbers)), str(INSTALLED), *arguments],
        pass_fds=numbers,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(20)
        yield sock


async def test_socket_activation(
    tmp_path: Path, heard: socket.socket, anyio_backend_name: str
) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(document()))
    path = str(tmp_path / "socket")
    with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as unix:
        tcp.bind(("127.0.0.1", 0))
        unix.bind(path)
        for sock in (tcp, unix):
            sock.listen()
        options = [str(file), "--loop", anyio_backend_name]
        process = activated([tcp, unix], *options, NOTIFY_SOCKET=str(tmp_path / "notify"))
        try:
            assert heard.recv(1000) == b"READY=1"
            await works(socket.AF_INET, tcp.getsockname())
            await works(socket.AF_UNIX, path)
            process.send_signal(signal.SIGHUP)
            first, second = heard.recv(1000).split(b"\n")
            assert first == b"RELOADING=1"
            assert second.startswith(b"MONOTONIC_USEC=")
            assert heard.recv(1000) == b"READY=1"
            process.send_signal(signal.SIGTERM)
            assert heard.recv(1000) == b"STOPPING=1"
            output, errors = process.communicate(timeout=20)
        finally:
            process.kill()
            process.wait()
        assert process.returncode == 0
        assert errors.endswith("configuration reloaded: nothing has changed\n")
        assert errors.count("\n") == 1
        assert f"listens on 127.0.0.1 port {tcp.getsockname()[1]}\n" in output
        assert Path(path).exists(), "it belongs to the service manager"


def test_what_is_handed_over_and_cannot_be_used(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    two = {**document(), "service": {"listen": [{"port": 0}, {"port": 0}]}}
    file.write_text(json.dumps(two))
    with (
        socket.socket() as deaf,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagram,
        socket.socket() as good,
    ):
        good.bind(("127.0.0.1", 0))
        good.listen()
        for sockets, expected in [
            ([deaf], "LISTEN_FDS: file 3 is no listening stream socket"),
            ([good, datagram], "LISTEN_FDS: file 4 is no listening stream socket"),
            ([good, good, good], "service.listen: has 2 listeners, but 3 sockets"),
        ]:
            process = activated(sockets, str(file))
            output, errors = process.communicate(timeout=20)
            assert (process.returncode, output) == (2, "")
            assert expected in one_line(errors)


def test_the_environment_of_others_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_PID", "1")
    monkeypatch.setenv("LISTEN_FDS", "1")
    assert inherited_sockets() == []
    assert "LISTEN_FDS" not in os.environ, "children do not inherit it"
    for wrong in ("", "0", "-1", "x", "9999999"):
        monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
        monkeypatch.setenv("LISTEN_FDS", wrong)
        with pytest.raises(ConfigurationError, match="LISTEN_FDS"):
            inherited_sockets()


def test_notifications(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        name = f"sharedstate-test-{os.getpid()}"
        sock.bind(f"\0{name}")
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        notify("READY=1", "STATUS=well")
        assert sock.recv(100) == b"READY=1\nSTATUS=well"
    assert not caplog.records
    notify("READY=1")
    assert "was not told READY=1" in caplog.text
    caplog.clear()


async def test_a_library_user_may_bring_sockets() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        sock.setblocking(False)
        async with serve(parse_config(document()), sockets=[sock]) as server:
            assert server.addresses == [sock.getsockname()]
            async with open_client(server.port) as client:
                assert await client.get("/") == ["items"]
