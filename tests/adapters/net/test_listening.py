"""Where the server listens: several addresses, IPv6, sockets that a program brings; and what cannot be listened on."""

from __future__ import annotations

import errno
import json
import os
import socket
import struct
import sys
from pathlib import Path

import pytest

from sharedstate_anyio import parse_config, serve
from sharedstate_anyio.config.listeners import Listen
from sharedstate_anyio.net.listening import ListenError, open_listeners
from tests.support.peer import works
from tests.support.services.command import started
from tests.support.services.servers import document, listening

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
            await works(address)
        await works(path)
    assert not Path(path).exists()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells it only on Linux")
def test_a_crowd_may_wait_to_be_accepted() -> None:
    """As many as the kernel lets: it cuts the number down to its own limit."""
    (listener,) = open_listeners(Listen("127.0.0.1", 0))
    told = listener.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 32)
    listener.close()
    (allowed,) = struct.unpack("8x6I", told)[-1:]  # `tcpi_sacked`: of a listener, its backlog
    assert allowed == min(4096, int(Path("/proc/sys/net/core/somaxconn").read_text()))


@pytest.mark.skipif(not IPV6, reason="this machine has no IPv6")
async def test_ipv6(caplog: pytest.LogCaptureFixture) -> None:
    async with serve(listening({"host": "::1", "port": 0})) as server:
        assert server.url == f"http://[::1]:{server.port}/"
        await works(("::1", server.port))
    async with serve(listening({"host": "0.0.0.0", "port": 0})) as server:
        port = server.port
        async with serve(listening({"host": "::", "port": port})) as other:
            assert other.url == f"http://localhost:{port}/"
            await works(("::1", port))
            await works(("127.0.0.1", port))
    caplog.clear()  # anybody may come in


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


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--unix", "no/such/folder"], "cannot listen on no/such/folder: No such file"),
        (["--unix", "x" * 108], "--unix: a path of a UNIX socket has at most"),
        (["--host", "no.such.host.invalid"], "cannot listen on no.such.host.invalid port 9000: "),
        (["--host", "192.0.2.1"], "cannot listen on 192.0.2.1 port 9000: Cannot assign"),
        (
            ["--unix", "s", "--port", "1"],
            "--unix replaces --host and --port: give one or the other",
        ),
    ],
)
def test_what_cannot_be_listened_on(arguments: list[str], expected: str, tmp_path: Path) -> None:
    with started(*arguments, folder=tmp_path) as command:
        assert command.finish() in {1, 2}
    assert expected in command.errors.splitlines()[-1]
    assert "Traceback" not in command.errors
    assert command.output == ""


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        error = f"cannot listen on 127.0.0.1 port {port}: Address already in use"
        (tmp_path / "config.json").write_text(json.dumps(document()))
        for before, hint in ([], "; choose another with --port"), (["config.json"], ""):
            with started(*before, "--port", str(port), folder=tmp_path) as command:
                assert command.finish() == 1
            assert command.errors.splitlines()[-1].endswith(error + hint)


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


async def test_a_library_user_may_bring_sockets() -> None:
    """As Python makes them, blocking."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        async with serve(parse_config(document()), sockets=[sock]) as server:
            assert not sock.getblocking(), "`accept` would keep the whole program waiting"
            assert server.addresses == [sock.getsockname()]
            await works(server.port)
