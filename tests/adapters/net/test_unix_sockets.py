"""Listening on UNIX sockets: their permissions, and whose file it is."""

from __future__ import annotations

import signal
import socket
import stat
from pathlib import Path

import pytest

from sharedstate_anyio import serve
from sharedstate_anyio.config.listeners import Listen
from sharedstate_anyio.net.listening import ListenError, open_listeners
from tests.support.peer import ClosedError, open_client, works
from tests.support.services.command import started
from tests.support.services.servers import listening


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
        await works(path)


async def test_the_socket_of_a_living_server_is_left_alone(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    async with serve(listening({"unix": path})):
        with pytest.raises(ListenError, match="in use"):
            open_listeners(Listen(unix=path))
        await works(path)


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_text("precious")
    with pytest.raises(ListenError, match="not a socket has this path; choose another"):
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


async def test_a_unix_socket_by_option(tmp_path: Path, anyio_backend_name: str) -> None:
    path = str(tmp_path / "socket")
    with started("--unix", path, "--loop", anyio_backend_name, folder=tmp_path) as command:
        command.says("Ctrl-C")
        assert f"listens on {path}\n" in command.output
        async with open_client(path) as client:
            await client.get("/")
            command.send(signal.SIGTERM)
            with pytest.raises(ClosedError) as caught:
                await client.message()
            assert caught.value.code == 1001
        assert await command.finished() == 0
    assert not Path(path).exists()
