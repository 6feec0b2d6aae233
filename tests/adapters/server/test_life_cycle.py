"""A server's beginning and end: inside a program, and as the command that people start and stop."""

from __future__ import annotations

import gc
import resource
import signal
import socket
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

import anyio
import pytest

from sharedstate_anyio import serve
from sharedstate_anyio.connections.connection import Connection
from tests.support import frames
from tests.support.peer import ClosedError, Peer, open_client, open_clients, open_peer, request
from tests.support.services.command import one_line, started
from tests.support.services.servers import (
    MYSQL_WITHOUT_PORT,
    config,
    document,
    ending,
    running,
    sqlite,
    until,
    write_config,
)

if TYPE_CHECKING:
    from pathlib import Path

    from sharedstate_anyio.hub.shared import Shared

C = "/app/items/c"


# As a library


async def test_inside_a_program() -> None:
    async with serve(config()) as server:
        assert server.addresses == [("127.0.0.1", server.port)]
        assert server.url == f"http://127.0.0.1:{server.port}/"
        async with open_client(server.port) as client:
            assert await client.put(C, {"insert": [{"id": "a"}]}) == 1
    with pytest.raises(ConnectionRefusedError):
        async with open_client(server.port):
            pass


async def test_two_at_once() -> None:
    async with running() as one, running() as two:
        async with open_client(one.port) as client:
            await client.put(C, {"insert": [{"id": "a"}]})
        async with open_client(two.port) as client:
            assert await client.get(C) == []


async def test_every_address_of_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """One port for all of them."""
    addresses = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 0))
        for host in ("127.0.0.1", "127.0.0.2")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)
    async with running() as server:
        assert server.addresses == [("127.0.0.1", server.port), ("127.0.0.2", server.port)]
        async with open_client(server.port) as client:
            assert await client.get("/") == ["items"]


async def test_an_exception_in_the_program_ends_the_server() -> None:
    """And comes out as it is, not in a group."""
    with pytest.raises(ZeroDivisionError):
        await fail_with_a_server()
    with pytest.raises(KeyboardInterrupt):
        async with running():
            raise KeyboardInterrupt


async def fail_with_a_server() -> None:
    async with running() as server, open_client(server.port) as client:
        await client.get("/")
        client.peer.shut()
        raise ZeroDivisionError


async def test_cancelling_the_program_ends_the_server() -> None:
    with anyio.CancelScope() as scope:
        async with running() as server, open_client(server.port) as client:
            await client.get("/")
            client.peer.shut()
            scope.cancel()
            await anyio.sleep_forever()
    with pytest.raises(ConnectionRefusedError):
        async with open_client(server.port):
            pass


async def test_the_end_with_every_kind_of_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a handshake, half a message, one that never answers the close frame."""
    monkeypatch.setattr("sharedstate_anyio.connections.connection.CLOSE_SECONDS", 0.05)
    monkeypatch.setattr("sharedstate_anyio.server.GOODBYE_SECONDS", 0.5)
    async with (
        ending() as (server, end),
        open_peer(server.port) as silent,
        open_peer(server.port) as slow,
        open_client(server.port) as half,
        open_client(server.port) as deaf,
    ):
        await slow.send(b"GET / HTTP/1.1\r\n")
        await half.peer.send(frames.encode(frames.TEXT, b"{", fin=False))
        await deaf.get("/")
        end()
        for client in (half, deaf):
            with pytest.raises(ClosedError) as caught:
                await client.message()
            assert caught.value.code == 1001
        for peer in (silent, slow):
            with suppress(ConnectionResetError):
                assert await peer.receive_all() == b""


class Counted(Connection):
    """A connection of the server that can be seen to go."""

    alive: ClassVar[weakref.WeakSet[Counted]] = weakref.WeakSet()

    def __init__(self, sock: socket.socket, shared: Shared) -> None:
        super().__init__(sock, shared)
        self.alive.add(self)


async def test_nothing_remains_of_who_has_left(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """However it leaves, whatever it was subscribed to, whatever it has asked."""

    def is_forgotten() -> bool:
        gc.collect()
        return not Counted.alive

    gc.freeze()  # what was there before need not be looked through each time
    request.addfinalizer(gc.unfreeze)
    monkeypatch.setattr("sharedstate_anyio.connections.acceptor.Connection", Counted)
    goodbye = frames.encode_close(1000)
    nonsense = frames.encode(frames.TEXT, b"\xff")
    async with running() as server:
        for last_words in (b"", goodbye, nonsense, frames.encode(frames.TEXT, b"{", fin=False)):
            for leave in (Peer.close, Peer.reset):
                async with open_client(server.port) as client, open_peer(server.port) as guest:
                    await client.subscribe(C, "/app/items/d")
                    await client.put(C, {"insert": [{"id": "a"}]})
                    await client.send("PUT", C, {"insert": [{"id": "a"}]})
                    await client.send("GET", "/app/items")
                    await guest.send(b"GET / HT")
                    assert Counted.alive
                    await client.peer.send(last_words)
                    leave(client.peer)
                    leave(guest)
                await until(is_forgotten)


# As a command


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_in_order(
    signum: signal.Signals, tmp_path: Path, anyio_backend_name: str
) -> None:
    """What was acknowledged is stored, everybody is told to go, the exit status is 0."""
    with started("--port", "0", "--loop", anyio_backend_name, folder=tmp_path) as command:
        async with open_clients(command.port, 3) as (writer, reader, idle):
            await reader.subscribe(C)
            await reader.notification()
            await idle.get("/")
            texts = [request("PUT", C, {"insert": [{"id": str(n)}]}, tunnel=n) for n in range(100)]
            await writer.peer.send(b"".join(map(frames.encode_text, texts)))
            assert (await writer.message())["ok"]
            command.send(signum)
            acknowledged = ["0"]
            with pytest.raises(ClosedError) as caught:
                await collect(writer, acknowledged)
            assert caught.value.code == 1001
            told: list[Any] = []
            with pytest.raises(ClosedError) as caught:
                await collect(reader, told)
            assert caught.value.code == 1001
            assert told[: len(acknowledged)] == acknowledged
            with pytest.raises(ClosedError):
                await idle.message()
            for client in (writer, reader, idle):
                client.peer.shut()
        assert await command.finished() == 0
    assert command.errors == ""
    assert command.output.endswith("stopped\n")
    with started("--port", "0", folder=tmp_path) as command:
        async with open_client(command.port) as client:
            stored = [item["id"] for item in await client.get(C)]
            client.peer.shut()
    assert stored[: len(acknowledged)] == acknowledged


async def collect(client: Any, ids: list[Any]) -> None:
    """Take in what comes, until the server closes."""
    while True:
        message = await client.message()
        if message["type"] == "REPLY":
            assert message["ok"]
            ids.append(str(message["tunnel"]))
        else:
            ids += [item["id"] for item in message["data"]["insert"]]


async def test_killed_and_started_again(tmp_path: Path, anyio_backend_name: str) -> None:
    """What was acknowledged before a crash is there after it."""
    with started("--port", "0", "--loop", anyio_backend_name, folder=tmp_path) as command:
        async with open_client(command.port) as client:
            for number in range(20):
                await client.put(C, {"insert": [{"id": str(number)}]})
            command.kill()
    with started("--port", "0", "--loop", anyio_backend_name, folder=tmp_path) as command:
        async with open_client(command.port) as client:
            assert [item["id"] for item in await client.get(C)] == [str(n) for n in range(20)]


async def test_without_a_file(tmp_path: Path, anyio_backend_name: str) -> None:
    with started("--port", "0", "--loop", anyio_backend_name, folder=tmp_path) as command:
        async with open_client(command.port) as client:
            assert await client.get("/") == ["items", "mitems"]
            await client.put(C, {"insert": [{"id": "a"}]})
            await client.put("/app/mitems/c", {"insert": [{"id": "b"}]})
            client.peer.shut()
        command.send(signal.SIGTERM)
        assert await command.finished() == 0
        assert f"port {command.port}\n" in command.output
        assert str(tmp_path / "sharedstate.db") in command.output
    assert (tmp_path / "sharedstate.db").exists()


async def test_a_file_in_the_format_of_the_readme(tmp_path: Path, anyio_backend_name: str) -> None:
    file = write_config(tmp_path, document(sqlite("items", "my.db"), sqlite("mitems")))
    with started(file, "--loop", anyio_backend_name, folder=tmp_path) as command:
        async with open_client(command.port) as client:
            assert await client.get("/") == ["items", "mitems"]
            await client.put(C, {"insert": [{"id": "a"}]})
            client.peer.shut()
    assert (tmp_path / "my.db").exists()


async def test_a_port_that_is_in_use(tmp_path: Path, anyio_backend_name: str) -> None:
    async with running() as server:
        options = ("--port", str(server.port), "--loop", anyio_backend_name)
        with started(*options, folder=tmp_path) as command:
            assert await command.finished() == 1
    assert f"127.0.0.1 port {server.port}: " in one_line(command.errors)
    assert "in use" in one_line(command.errors)
    assert command.output == ""


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("{", ["config.json, line 1, column 2", "not JSON"]),
        ({"services": []}, ["services", "at least one"]),
        (document(sqlite("a/b")), ["services[0].name"]),
        (document(sqlite(), sqlite()), ["services[1].name", "rename"]),
        (
            document({"name": "a", "module": "item_service"}),
            ["services[0].module", "items_service"],
        ),
        (
            document(MYSQL_WITHOUT_PORT, sqlite("mitems")),
            ["services[0].config.db_port", "from 1 to 65535"],
        ),
        ({**document(), "service": {"port": "9000"}}, ["service.port", "whole number"]),
    ],
)
def test_a_bad_configuration(content: object, parts: list[str], tmp_path: Path) -> None:
    with started(write_config(tmp_path, content), folder=tmp_path) as command:
        assert command.finish() == 2
    line = one_line(command.errors)
    assert all(part in line for part in parts), line
    assert "hunter2" not in line
    assert command.output == ""


def test_no_such_file_and_no_such_option(tmp_path: Path) -> None:
    with started("missing.json", folder=tmp_path) as command:
        assert command.finish() == 2
    assert "missing.json" in one_line(command.errors)
    with started("--port", "65536", folder=tmp_path) as command:
        assert command.finish() == 2
    assert "65535" in command.errors
    with started("--loop", "trio", "check", "config.json", folder=tmp_path) as command:
        assert command.finish() == 2
    assert "check must come first" in command.errors
    for misspelt in (["chek", "x.json"], ["migrat"]):
        with started(*misspelt, folder=tmp_path) as command:
            assert command.finish() == 2
        assert f"did you mean {'check' if misspelt[1:] else 'migrate'}?" in command.errors
    with started("config.json", "--prot", "1", folder=tmp_path) as command:
        assert command.finish() == 2
    assert "unrecognized arguments: --prot 1" in command.errors
    with started("--version", folder=tmp_path) as command:
        assert command.finish() == 0
    assert command.output.startswith("sharedstate ")


def test_the_limit_of_open_files_is_raised(tmp_path: Path) -> None:
    """As far as the hard limit lets it, and no further than the connections need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    content = {**document(), "limits": {"connections": 500}}
    file = write_config(tmp_path, content)
    for low, expected in ((400, min(756, hard)), (min(900, hard), min(900, hard))):
        resource.setrlimit(resource.RLIMIT_NOFILE, (low, hard))
        try:
            with started(file, folder=tmp_path) as command:
                assert command.port
                assert resource.prlimit(command.pid, resource.RLIMIT_NOFILE)[0] == expected
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "sharedstate.db").write_bytes(b"this is no database" * 1000)
    with started("--port", "0", folder=tmp_path) as command:
        assert command.finish() == 1
    assert "sharedstate.db" in one_line(command.errors)
