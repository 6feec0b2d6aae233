"""The command's end when something is in its way: a start that waits, storage that is stuck, more signals."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import sys
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest

from sharedstate_anyio import parse_config, serve, server
from tests.support.peer import ClosedError, Peer, open_client, open_peer
from tests.support.services.command import started
from tests.support.services.servers import document, until, write_config

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.services.servers import Service

C = "/app/items/c"

HURRIED = """
#!%s
from sharedstate_anyio import server
from sharedstate_anyio.server_command import main as cli
from sharedstate_anyio.server_command import signals
server.FINISH_SECONDS = 0.2
signals.LATEST_SECONDS = 1.0
cli.main()
"""


def configured(folder: Path, **config: object) -> str:
    service: Service = {"name": "items", "module": "items_service", "config": config}
    return write_config(folder, document(service))


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold a database's lock for writing, as another program may."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@pytest.mark.parametrize("loop", ["asyncio", "uvloop", "trio"])
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_start_that_waits_ends_at_once(signum: signal.Signals, loop: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        port = silent.getsockname()[1]
        database = {"db_type": "mysql", "db_name": "x", "db_user": "u", "db_host": "127.0.0.1"}
        file = configured(tmp_path, **database, db_port=port, db_timeout=600)
        with started(file, "--loop", loop, folder=tmp_path) as command:
            connection, _ = silent.accept()
            with connection:
                command.send(signal.SIGHUP)  # there is nothing yet to read again
                command.send(signum)
                assert command.finish() == 0
    (line,) = command.errors.splitlines()
    assert line.endswith(f" INFO {signum.name}: the start was aborted")


async def test_storage_that_never_answers_does_not_keep_the_process(
    tmp_path: Path, anyio_backend_name: str
) -> None:
    """The client is told; what was acknowledged is there, what was given up is not."""
    program = tmp_path / "hurried"
    program.write_text(HURRIED.lstrip() % sys.executable)
    program.chmod(0o755)
    database = tmp_path / "items.db"
    file = configured(tmp_path, db_type="sqlite", db_name=str(database), db_timeout=600)
    options = (file, "--loop", anyio_backend_name)
    with started(*options, folder=tmp_path, program=program) as command:
        async with open_client(command.port) as client:
            await client.put(C, {"insert": [{"id": "a"}]})
            with locked(database):
                await client.send("PUT", C, {"insert": [{"id": "b"}]})
                await client.get("/")
                command.send(signal.SIGTERM)
                with pytest.raises(ClosedError) as caught:
                    await client.message()
                assert caught.value.code == 1001
                client.peer.shut()
                assert await command.finished() == 0
    first, last = command.errors.splitlines()
    assert "storage did not finish within" in first
    assert last.endswith("storage did not finish: ending without it")
    with started(*options, folder=tmp_path) as command:
        async with open_client(command.port) as client:
            assert [item["id"] for item in await client.get(C)] == ["a"]
            client.peer.shut()


async def test_further_signals_change_nothing(tmp_path: Path, anyio_backend_name: str) -> None:
    database = tmp_path / "items.db"
    file = configured(tmp_path, db_type="sqlite", db_name=str(database), db_timeout=600)
    with started(file, "--loop", anyio_backend_name, folder=tmp_path) as command:
        async with open_client(command.port) as client:
            with locked(database):
                tunnel = await client.send("PUT", C, {"insert": [{"id": "a"}]})
                await client.get("/")
                command.send(signal.SIGINT)
                command.says("SIGINT: finishing")
                for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                    command.send(signum)
            assert (await client.reply(tunnel))["ok"]
            client.peer.shut()
        assert await command.finished() == 0
    assert command.errors == ""
    assert command.output.endswith("stopped\n")


# Answers over HTTP


@pytest.fixture
def large(tmp_path: Path) -> bytes:
    """Make a file that no socket takes at once, and a configuration that serves it; return what is in it."""
    content = os.urandom(1 << 20) * 8
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / "large").write_bytes(content)
    write_config(tmp_path, {**document(), "files": {"/": "public"}})
    return content


async def test_a_download_is_finished(
    tmp_path: Path, large: bytes, anyio_backend_name: str
) -> None:
    """Nobody waits for those who have asked for nothing."""
    options = ("config.json", "--loop", anyio_backend_name)
    with started(*options, folder=tmp_path) as command:
        async with (
            open_peer(command.port, buffer=65536) as peer,
            open_peer(command.port) as waiting,
        ):
            await waiting.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await waiting.receive()).endswith(b"ok\n")
            await peer.send(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
            first = await peer.receive()
            command.send(signal.SIGTERM)
            command.says("SIGTERM: finishing")
            _, _, body = (first + await peer.receive_all()).partition(b"\r\n\r\n")
            assert body == large
            assert await waiting.receive() == b""
        assert await command.finished() == 0
    assert command.errors == ""
    assert command.output.endswith("stopped\n")


async def test_who_does_not_read_an_answer_does_not_keep_the_server(
    tmp_path: Path, large: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "GOODBYE_SECONDS", 0.2)
    files = {"/": str(tmp_path / "public")}
    async with serve(parse_config({**document(), "files": files})) as running:
        peer = Peer(running.port, buffer=65536)
        await peer.send(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert await peer.receive()
    with contextlib.suppress(ConnectionResetError):
        assert len(await peer.receive_all()) < len(large)
    peer.close()


# Where it is


@pytest.mark.parametrize("loop", ["asyncio", "uvloop", "trio"])
async def test_sigquit_shows_where_it_is_and_it_goes_on(loop: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with started("--port", "0", "--loop", loop, folder=tmp_path, log=log) as command:
        for _ in range(2):
            before = log.read_text()
            async with open_client(command.port) as client:
                assert await client.put(C, {"insert": [{"id": "secret"}]}) == 1
            command.send(signal.SIGQUIT)
            await until(partial(grown, log, before))
        command.send(signal.SIGTERM)
        assert await command.finished() == 0
    told = log.read_text()
    assert told.count("in main\n") == 2
    assert "server_command/main.py" in told
    assert "secret" not in told


def grown(log: Path, before: str) -> bool:
    """Return whether the whole stack of the main thread has been added to a log."""
    return "in <module>\n" in log.read_text().removeprefix(before)


async def test_sigquit_shows_what_a_start_waits_for(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        port = silent.getsockname()[1]
        database = {"db_type": "mysql", "db_name": "x", "db_user": "u", "db_host": "127.0.0.1"}
        file = configured(tmp_path, **database, db_port=port, db_timeout=600)
        log = tmp_path / "log"
        with started(file, folder=tmp_path, log=log) as command:
            connection, _ = silent.accept()
            with connection:
                command.send(signal.SIGQUIT)
                await until(lambda: "server_command/main.py" in log.read_text())
                command.send(signal.SIGTERM)
                assert await command.finished() == 0
