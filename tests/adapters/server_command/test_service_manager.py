"""With a service manager: sockets that it opened, and what it is told."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_anyio.server_command.systemd import inherited_sockets, notify
from sharedstate_backends import ConfigurationError
from tests.support.peer import works
from tests.support.services.command import INSTALLED, one_line, without_root
from tests.support.services.servers import document

if TYPE_CHECKING:
    from collections.abc import Iterator


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
            await works(tcp.getsockname())
            await works(path)
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
        errors = without_root(errors)
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
            ([deaf], "LISTEN_FDS: file 3 is not a listening stream socket"),
            ([good, datagram], "LISTEN_FDS: file 4 is not a listening stream socket"),
            ([good, good, good], "service.listen: has 2 listeners, but 3 sockets"),
        ]:
            process = activated(sockets, str(file))
            output, errors = process.communicate(timeout=20)
            assert (process.returncode, output) == (2, "")
            assert expected in one_line(without_root(errors))


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
    assert "could not be notified of READY=1" in caplog.text
    caplog.clear()
