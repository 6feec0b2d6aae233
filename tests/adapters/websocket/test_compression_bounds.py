"""Compression is no way to make the server inflate a bomb."""

from __future__ import annotations

import zlib
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from wsproto.frame_protocol import CloseReason, FrameDecoder, Opcode, RsvBits

from sharedstate_anyio import parse_config, serve
from sharedstate_anyio.websocket.deflate import INFLATER_BYTES, Deflate
from sharedstate_anyio.websocket.fair_turns import FairTurns
from sharedstate_anyio.websocket.partial_messages import PartialMessages
from sharedstate_core.driver import Driver
from tests.support import frames
from tests.support.compression import TAIL, agreed, compressed, compressing, deflate
from tests.support.peer import open_client, request
from tests.support.services.servers import document, until

if TYPE_CHECKING:
    from collections.abc import Iterable


BOMB = deflate(b" " * 64 * 1024 * 1024, 9)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frames.encode(frames.TEXT, BOMB, rsv=4), 1009),
        (frames.encode(frames.TEXT, BOMB[:1000], rsv=4, fin=False), 1009),
        (compressed(b" " * 20_001), 1009),
        (frames.encode(frames.TEXT, b"\xff\xff\xff\xff", rsv=4), 1007),
        (compressed(b"\xff"), 1007),
        (frames.encode(frames.BINARY, deflate(b"{}"), rsv=4), 1003),
        (frames.encode(frames.PING, b"", rsv=4), 1002),
        (frames.encode(frames.TEXT, b"{", fin=False) + frames.encode(0, b"}", rsv=4), 1002),
        (frames.encode(frames.TEXT, b"{}", rsv=2), 1002),
        (
            # A final block, and then more and more that zlib would collect.
            frames.encode(frames.TEXT, zlib.compress(b"{}", wbits=-15), rsv=4, fin=False)
            + frames.encode(frames.CONTINUATION, b"x" * 1000, fin=False),
            1007,
        ),
    ],
)
async def test_a_broken_rule_gets_its_close_code(data: bytes, code: int) -> None:
    async with (
        compressing(message_bytes=20_000) as server,
        open_client(server.port) as canary,
        agreed(server) as taker,
    ):
        await taker.peer.send(data)
        assert (await taker.peer.closed()).close_code == code
        assert await canary.get("/") == ["items"]


async def test_the_longest_message_compressed() -> None:
    text = request("GET", "/").ljust(20_000).encode()
    async with compressing(message_bytes=20_000) as server, agreed(server) as taker:
        await taker.peer.send(compressed(text))
        assert (await taker.reply())[1]["ok"]


async def test_another_bound_holds_for_open_connections() -> None:
    short, long = (request("GET", "/").ljust(size).encode() for size in (2000, 20_000))
    before, after = (
        parse_config({**document(), "compression": True, "limits": {"message_bytes": limit}})
        for limit in (4000, 20_000)
    )
    async with serve(before) as server, agreed(server) as taker, agreed(server) as other:
        server.reload(after)
        await taker.peer.send(compressed(long))
        assert (await taker.reply())[1]["ok"]
        server.reload(before)
        await taker.peer.send(compressed(short))
        assert (await taker.reply())[1]["ok"]
        await taker.peer.send(compressed(long))
        assert (await taker.peer.closed()).close_code == 1009
        await other.peer.send(frames.encode(frames.TEXT, BOMB[:20_000], rsv=4, fin=False))
        assert (await other.peer.closed()).close_code == 1009


@pytest.mark.parametrize("less", [0, 1, 500, 999, 1000, 1001, 2000])
def test_a_bound_that_comes_down_amid_a_message(less: int) -> None:
    """What is inflated of it already may be as much, or more: no more than one byte comes then."""
    limit = 1000
    extension = Deflate(lambda: limit)
    extension.accept("permessage-deflate")
    packer = zlib.compressobj(wbits=-15)
    first = packer.compress(b" " * 1000) + packer.flush(zlib.Z_SYNC_FLUSH)
    frame = FrameDecoder(client=False)
    extension.frame_inbound_header(frame, Opcode.TEXT, RsvBits(True, False, False), 0)
    assert extension.frame_inbound_payload_data(frame, first) == b" " * 1000
    limit = less
    rest = packer.compress(b"x" * 500_000) + packer.flush()
    found = extension.frame_inbound_payload_data(frame, rest)
    assert found is CloseReason.MESSAGE_TOO_BIG
    assert extension._inflated <= max(1000, less) + 1


async def test_what_inflates_to_much_stays_compressed_until_its_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Many peers wait in line, each with a little that becomes much: it is inflated when it is handled."""
    peers, handled, waiting, in_line = 8, 0, 0, 0
    inflated: set[Deflate] = set()
    all_wait = anyio.Event()
    inflate_piece, receive = Deflate._inflate, Driver.receive
    allows, wait = FairTurns.allows, FairTurns.wait

    def inflate_counted(extension: Deflate, data: bytes) -> Any:
        nonlocal waiting
        inflated.add(extension)
        waiting = max(waiting, len(inflated) - handled)
        return inflate_piece(extension, data)

    def receive_counted(driver: Driver[Any], peer: Any, texts: Iterable[str], now: float) -> None:
        nonlocal handled
        handled += 1
        receive(driver, peer, texts, now)

    async def wait_for_all(turns: FairTurns, peer: object) -> None:
        nonlocal in_line
        in_line += 1
        if in_line == peers:
            all_wait.set()
        await all_wait.wait()
        await wait(turns, peer)

    monkeypatch.setattr(Deflate, "_inflate", inflate_counted)
    monkeypatch.setattr(Driver, "receive", receive_counted)
    monkeypatch.setattr(FairTurns, "wait", wait_for_all)
    monkeypatch.setattr(
        FairTurns, "allows", lambda turns, peer: all_wait.is_set() and allows(turns, peer)
    )
    bomb = compressed(request("GET", "/").ljust(100_000).encode())
    async with compressing() as server, AsyncExitStack() as stack:
        takers = [await stack.enter_async_context(agreed(server)) for _ in range(peers)]
        for taker in takers:
            await taker.peer.send(bomb)
        for taker in takers:
            assert (await taker.reply())[1]["ok"]
    assert (handled, len(inflated), waiting) == (peers, peers, 1)


async def test_what_inflates_an_unfinished_message_is_counted_and_freed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of those who have sent little, or nothing of a message but its beginning, the first are sent away.

    They do not answer the close frame at once, and go on sending: what has inflated their messages is gone, as it is
    for somebody who leaves.
    """
    monkeypatch.setattr("sharedstate_anyio.connections.connection.CLOSE_SECONDS", 3600)
    extensions: list[Deflate] = []
    accounts: list[PartialMessages] = []

    class Noted(Deflate):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            extensions.append(self)

    class Account(PartialMessages):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            accounts.append(self)

    monkeypatch.setattr("sharedstate_anyio.http.handshake.Deflate", Noted)
    monkeypatch.setattr("sharedstate_anyio.hub.hub.PartialMessages", Account)
    text = request("GET", "/", tunnel="x").encode()
    begun = frames.encode(frames.TEXT, deflate(text[:1]) + TAIL, rsv=4, fin=False)
    rest = frames.encode(frames.CONTINUATION, deflate(text[1:]))
    async with (
        compressing(unfinished_bytes=3 * INFLATER_BYTES + 3) as server,
        AsyncExitStack() as stack,
    ):
        takers = [await stack.enter_async_context(agreed(server)) for _ in range(5)]
        for number, taker in enumerate(takers, 1):
            await taker.peer.send(begun if number % 2 else begun[:6])
            await until(lambda: accounts[0].bytes // INFLATER_BYTES == min(number, 3))  # noqa: B023
        for taker, extension in zip(takers[:2], extensions[:2], strict=True):
            assert (await taker.peer.frame()).close_code == 1008
            assert extension._inflater is None
            await taker.peer.send(begun[6:] if taker is takers[1] else begun)
            await taker.peer.send(frames.encode_close(1008))
            assert await taker.peer.receive() == b""
            assert extension._inflater is None
        takers[2].peer.close()
        await until(lambda: extensions[2]._inflater is None)
        await takers[3].peer.send(begun[6:] + rest)
        await takers[4].peer.send(rest)
        for taker in takers[3:]:
            assert (await taker.reply())[1]["ok"]
        assert accounts[0].bytes == 0
        assert not any(extension._inflater for extension in extensions)
