"""The closing handshake (RFC 6455, section 7): each Close gets its answer, and the server ends the connection first."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from sharedstate_anyio import serve
from sharedstate_anyio.connections import connection
from sharedstate_anyio.net import sockets
from sharedstate_core import Limits
from tests.support import frames
from tests.support.peer import Client, limit_buffers, open_client, open_peer
from tests.support.secure import Authority, open_secure_client, secured
from tests.support.services.servers import config, ending, listening, running, until

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sharedstate_anyio.hub.shared import Shared

C = "/app/items/c"
SMALL = 256 * 1024
"""Size of socket buffers: soon full, whatever the machine would allow."""


class Watched(connection.Connection):
    """A connection of the server that can be looked into."""

    made: list[Watched]

    def __init__(self, sock: socket.socket, shared: Shared) -> None:
        super().__init__(sock, shared)
        limit_buffers(sock, SMALL)
        self.made.append(self)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> list[Watched]:
    """Return the server's connections, in the order of their coming."""
    made: list[Watched] = []
    monkeypatch.setattr(Watched, "made", made, raising=False)
    monkeypatch.setattr("sharedstate_anyio.connections.acceptor.Connection", Watched)
    return made


@asynccontextmanager
async def connected(wire: str, folder: Path) -> AsyncIterator[Client]:
    """Connect a client in one of the three ways there are."""
    async with AsyncExitStack() as stack:
        if wire == "tls":
            authority = Authority(folder)
            server = await stack.enter_async_context(serve(secured(authority.write())))
            opening = open_secure_client(server.port, authority.trusted())
        elif wire == "unix":
            path = str(folder / "socket")
            await stack.enter_async_context(serve(listening({"unix": path})))
            opening = open_client(path)
        else:
            server = await stack.enter_async_context(serve(config()))
            opening = open_client(server.port)
        yield await stack.enter_async_context(opening)


async def answer(client: Client) -> frames.Frame:
    """Return the server's Close, behind which the connection has to end."""
    while (frame := await client.peer.frame()).opcode != frames.CLOSE:
        pass
    assert await client.peer.receive() == b"", "the server does not end the connection"
    return frame


@pytest.mark.parametrize("wire", ["plain", "tls", "unix"])
async def test_who_says_close_sees_the_end(wire: str, tmp_path: Path) -> None:
    """Without ending anything by itself."""
    async with connected(wire, tmp_path) as client:
        assert await client.get("/") == ["items"]
        await client.peer.send(frames.encode_close(1000, b"done"))
        frame = await answer(client)
        assert (frame.close_code, frame.payload[2:]) == (1000, b"done")


@pytest.mark.parametrize("wire", ["plain", "tls", "unix"])
async def test_who_answers_our_close_sees_the_end(wire: str, tmp_path: Path) -> None:
    async with connected(wire, tmp_path) as client:
        await client.peer.send(frames.encode(frames.BINARY, b"?"))
        frame = await client.peer.frame()
        assert (frame.opcode, frame.close_code) == (frames.CLOSE, 1003)
        await client.peer.send(frames.encode_close(1003))
        assert await client.peer.receive() == b""


@pytest.mark.parametrize(
    "behind",
    [
        frames.encode_text("{}"),
        frames.encode(frames.PING, b"?"),
        frames.encode_close(1001),
        frames.encode(frames.TEXT, b"{", fin=False),
        frames.encode(frames.TEXT, b"\xff"),
        b"\xff" * 1000,
        frames.encode_text(" " * 100_000),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
async def test_what_comes_behind_a_close_is_nothing_to_us(behind: bytes, *, at_once: bool) -> None:
    async with running() as server, open_client(server.port) as client:
        close = frames.encode_close(1000)
        await client.peer.send(close + behind if at_once else close)
        assert (await answer(client)).close_code == 1000
        with suppress(OSError):
            await client.peer.send(behind)


async def test_a_close_in_the_middle_of_a_message() -> None:
    async with running() as server, open_client(server.port) as client:
        rest = frames.encode(frames.CONTINUATION, b"}")
        begun = frames.encode(frames.TEXT, b"{", fin=False)
        await client.peer.send(begun + frames.encode_close(1001) + rest)
        assert (await answer(client)).close_code == 1001


async def test_who_says_close_and_ends_its_direction_is_answered() -> None:
    async with running() as server, open_client(server.port) as client:
        await client.peer.send(frames.encode_close(1000))
        client.peer.shut()
        assert (await answer(client)).close_code == 1000


async def test_who_ends_its_direction_without_a_close_sees_the_end() -> None:
    async with running() as server, open_client(server.port) as client:
        assert await client.get("/") == ["items"]
        client.peer.shut()
        assert await client.peer.receive() == b""


async def test_replies_come_before_the_answer_to_a_close() -> None:
    """Those that there are when it is read."""
    async with running() as server, open_client(server.port) as client:
        await client.send("GET", "/", tunnel=1)
        await client.peer.send(frames.encode_close(1000))
        assert (await client.reply(1))["ok"]
        assert (await answer(client)).close_code == 1000


@pytest.mark.parametrize("half", [True, False])
async def test_a_slow_reader_that_says_close_is_answered(
    watched: list[Watched], *, half: bool
) -> None:
    """Behind what its socket has not taken yet: the frame that has begun is whole."""
    async with running() as server, open_client(server.port, buffer=SMALL) as client:
        await fill(client, watched[0])
        await client.peer.send(frames.encode_close(1000))
        if half:
            client.peer.shut()
        assert (await answer(client)).close_code == 1000


async def test_a_close_that_crosses_ours_on_a_full_line(watched: list[Watched]) -> None:
    async with running() as server, open_client(server.port, buffer=SMALL) as client:
        await fill(client, watched[0])
        watched[0].close(1008, "too slow")
        await client.peer.send(frames.encode_close(1000))
        await until(lambda: watched[0]._over)
        assert (await answer(client)).close_code == 1008


async def fill(client: Client, ours: Watched) -> None:
    """Ask for more than the sockets hold, and read none of it."""
    await client.put(C, {"insert": [{"id": str(n), "x": "x" * 60_000} for n in range(10)]})
    for _ in range(20):
        await client.send("GET", C)
    await until(lambda: ours.is_blocked)


async def test_a_slow_reader_that_never_reads_is_let_go(
    watched: list[Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CLOSE_SECONDS", 0.05)
    limits = Limits(drain_seconds=0.05)
    async with running(limits=limits) as server, open_client(server.port, buffer=SMALL) as client:
        await fill(client, watched[0])
        driver = watched[0]._shared.driver
        await client.peer.send(frames.encode_close(1000))
        client.peer.shut()
        await until(lambda: not driver.has_peers)
        await until(lambda: watched[0].sock.fileno() < 0)


async def test_who_never_ends_its_direction_is_let_go(
    watched: list[Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has its answer, and goes on sending, or does not."""
    monkeypatch.setattr(sockets, "LINGER_SECONDS", 0.05)
    async with running() as server:
        for chatter in (b"", b"x" * 1000):
            async with open_client(server.port) as client:
                await client.peer.send(frames.encode_close(1000))
                assert (await answer(client)).close_code == 1000
                with suppress(OSError):
                    await client.peer.send(chatter)
                await until(lambda: watched[-1].sock.fileno() < 0)


async def test_who_never_answers_our_close_is_let_go(
    watched: list[Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CLOSE_SECONDS", 0.05)
    async with running() as server, open_peer(server.port) as peer:
        await peer.upgrade()
        await peer.send(frames.encode(frames.BINARY, b"?"))
        assert (await peer.frame()).close_code == 1003
        assert await peer.receive() == b""
        await until(lambda: watched[0].sock.fileno() < 0)


async def test_the_server_ends_when_everybody_has_answered(watched: list[Watched]) -> None:
    """It waits for nothing more, whatever the peers leave open."""
    async with ending() as (server, end), open_client(server.port) as client:
        assert await client.get("/") == ["items"]
        driver = watched[0]._shared.driver
        end()
        frame = await client.peer.frame()
        assert (frame.opcode, frame.close_code) == (frames.CLOSE, 1001)
        await client.peer.send(frames.encode_close(1001))
        assert await client.peer.receive() == b""
        assert not driver.has_peers
