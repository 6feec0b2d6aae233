"""Compression: negotiated, shared by all who agreed to it, and no way to make the server inflate a bomb."""

from __future__ import annotations

import json
import zlib
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.frame_protocol import CloseReason, FrameDecoder, Opcode, RsvBits

from sharedstate_anyio import parse_config, serve
from sharedstate_anyio.config.compression import DEFAULT_THRESHOLD, LONGEST_BYTES
from sharedstate_anyio.websocket.deflate import (
    SMALL_WINDOW_BYTES,
    Deflate,
    Frames,
    compressed_text_frame,
)
from sharedstate_anyio.websocket.fair_turns import FairTurns
from sharedstate_anyio.websocket.frames import text_frame
from sharedstate_backends import ConfigurationError
from sharedstate_core.driver import Driver
from tests.support import frames
from tests.support.peer import Peer, open_client, open_peer, request, upgrade_request
from tests.support.services.servers import document

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from sharedstate_anyio import RunningServer

C = "/app/items/c"
TAIL = b"\x00\x00\xff\xff"


def deflate(data: bytes, level: int = 6) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)


def inflate(data: bytes, bits: int = 15) -> bytes:
    return zlib.decompressobj(-bits).decompress(data + TAIL)


def compressed(text: bytes, *, fin: bool = True) -> bytes:
    return frames.encode(frames.TEXT, deflate(text), rsv=4, fin=fin)


class Taker:
    """A peer that agreed to compression: reads frames with or without it."""

    def __init__(self, peer: Peer, bits: int = 15) -> None:
        self.peer = peer
        self.bits = bits
        self._buffer = bytearray()

    async def frame(self) -> tuple[bool, bytes]:
        """Return whether it came compressed, and the text."""
        while True:
            buffer = self._buffer
            if len(buffer) >= 10:
                size, start = buffer[1] & 0x7F, 2
                if size >= 126:
                    start = 4 if size == 126 else 10
                    size = int.from_bytes(buffer[2:start])
                if len(buffer) >= start + size:
                    payload, first = bytes(buffer[start : start + size]), buffer[0]
                    del buffer[: start + size]
                    assert first in {0x81, 0xC1}, hex(first)
                    if first == 0xC1:
                        return True, inflate(payload, self.bits)
                    return False, payload
            data = await self.peer.receive()
            assert data, bytes(buffer)
            self._buffer += data

    async def reply(self) -> tuple[bool, Any]:
        was_compressed, text = await self.frame()
        return was_compressed, json.loads(text)


@asynccontextmanager
async def compressing(value: object = True, **limits: object) -> AsyncIterator[RunningServer]:
    config = parse_config({**document(), "compression": value, "limits": limits})
    async with serve(config) as server:
        yield server


@asynccontextmanager
async def agreed(
    server: RunningServer, offer: str = "permessage-deflate", bits: int = 15
) -> AsyncIterator[Taker]:
    async with open_peer(server.port) as peer:
        await peer.send(upgrade_request(Sec_WebSocket_Extensions=offer))
        head = await peer.receive()
        assert b"\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context" in head
        yield Taker(peer, bits)


# The negotiation


@pytest.mark.parametrize(
    ("offer", "bits", "answer"),
    [
        ("permessage-deflate", 15, ""),
        ("permessage-deflate; client_max_window_bits", 15, ""),
        ("permessage-deflate;client_max_window_bits=8", 15, ""),
        ('permessage-deflate; server_max_window_bits="10"', 10, "; server_max_window_bits=10"),
        ("permessage-deflate; server_max_window_bits=15", 15, "; server_max_window_bits=15"),
        ("permessage-deflate; server_no_context_takeover; client_no_context_takeover", 15, ""),
    ],
)
def test_offers_that_are_accepted(offer: str, bits: int, answer: str) -> None:
    extension = Deflate(lambda: 1000)
    found = extension.accept(offer)
    assert found == f"server_no_context_takeover; client_no_context_takeover{answer}"
    assert extension.enabled()
    assert extension.window_bits == bits
    assert extension.accept("permessage-deflate; server_max_window_bits=9") is None, "the first won"


@pytest.mark.parametrize(
    "parameters",
    [
        "server_max_window_bits=8",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=010",
        "server_max_window_bits=x",
        "server_max_window_bits=",
        "server_max_window_bits",
        "server_max_window_bits=10; server_max_window_bits=11",
        "client_max_window_bits=99999999999999999",
        "client_max_window_bits=\u0661\u0660",
        "client_no_context_takeover=1",
        "server_no_context_takeover=",
        "unknown",
        "",
        "; ;",
    ],
)
def test_offers_that_are_declined(parameters: str) -> None:
    extension = Deflate(lambda: 1000)
    assert extension.accept(f"permessage-deflate; {parameters}") is None
    assert not extension.enabled()


async def test_what_is_declined_is_left_out_of_the_handshake() -> None:
    offers = ["permessage-deflate; server_max_window_bits=8", "permessage-bzip2", ",,;="]
    async with compressing() as server:
        for offer in offers:
            async with open_peer(server.port) as peer:
                await peer.send(upgrade_request(Sec_WebSocket_Extensions=offer))
                head = await peer.receive()
                assert head.startswith(b"HTTP/1.1 101 ")
                assert b"Extensions" not in head
        both = f"{offers[0]}, permessage-deflate; server_max_window_bits=9"
        async with agreed(server, both, 9) as taker:
            await taker.peer.send(frames.encode_text(request("GET", "/")))
            assert (await taker.reply())[1]["ok"]


async def test_nobody_is_offered_what_is_not_configured() -> None:
    async with compressing(value=False) as server, open_peer(server.port) as peer:
        await peer.send(upgrade_request(Sec_WebSocket_Extensions="permessage-deflate"))
        assert b"Extensions" not in await peer.receive()


# Both directions


async def test_everybody_gets_what_they_agreed_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """One change, compressed once for two of three."""
    made: list[int] = []

    def counted(message: bytes, window_bits: int) -> bytes:
        made.append(window_bits)
        return compressed_text_frame(message, window_bits)

    monkeypatch.setattr("sharedstate_anyio.websocket.deflate.compressed_text_frame", counted)
    subscribe = request("PUT", "/subs", {"insert": [[C, {}]]})
    item = {"id": "a", "text": "all work and no play " * 200}
    async with (
        compressing() as server,
        open_client(server.port) as plain,
        agreed(server) as one,
        agreed(server) as two,
        agreed(server, "permessage-deflate; server_max_window_bits=9", 9) as small,
    ):
        takers = (one, two, small)
        for taker in takers:
            await taker.peer.send(compressed(subscribe.encode()))
            for _ in range(2):
                assert (await taker.reply())[0] is False, "short messages are not worth it"
        await plain.subscribe(C)
        await plain.notification()
        assert made == []
        await plain.put(C, {"insert": [item]})
        assert (await plain.notification())["data"]["insert"] == [item]
        for taker in takers:
            was_compressed, message = await taker.reply()
            assert was_compressed
            assert message["data"]["insert"] == [item]
        assert sorted(made) == [9, 15]


async def test_a_compressed_message_in_pieces() -> None:
    text = request("PUT", C, {"insert": [{"id": "a", "text": "hello " * 1000}]}).encode()
    packed = deflate(text)
    cut = len(packed) // 2
    async with compressing() as server, agreed(server) as taker:
        for _ in range(2):
            await taker.peer.send(frames.encode(frames.TEXT, packed[:cut], rsv=4, fin=False))
            await taker.peer.send(frames.encode(frames.PING, b""))
            await taker.peer.send(frames.encode(frames.CONTINUATION, b"", fin=False))
            for byte in frames.encode(frames.CONTINUATION, packed[cut:]):
                await taker.peer.send(bytes([byte]))
            pong = b""
            while len(pong) < 2:
                pong += await taker.peer.receive()
            assert pong.startswith(b"\x8a\x00")
            taker._buffer += pong[2:]
            assert (await taker.reply())[1]["ok"]
            await taker.peer.send(frames.encode_text(request("GET", "/")))
            assert (await taker.reply())[1]["data"] == ["items"]


@given(st.text(max_size=5000), st.integers(9, 15))
def test_a_frame_holds_its_text(text: str, bits: int) -> None:
    message = text.encode()
    frame = compressed_text_frame(message, bits)
    start = {126: 4, 127: 10}.get(frame[1], 2)
    assert inflate(frame[start:], bits) == message
    chosen = Frames(message, text_frame(message), 0).for_window(bits)
    assert len(chosen) <= len(text_frame(message))


def test_what_is_worth_compressing() -> None:
    for size, worth in [
        (99, False),
        (100, True),
        (LONGEST_BYTES, True),
        (LONGEST_BYTES + 1, False),
    ]:
        message = b"a" * size
        plain = text_frame(message)
        found = Frames(message, plain, 100)
        assert (found.for_window(15) != plain) is worth
        assert found.for_window(0) is plain
        assert found.for_window(15) is found.for_window(15)


@pytest.mark.parametrize("bits", range(9, 15))
def test_a_small_window_is_for_short_messages(bits: int) -> None:
    """It takes many times as long, and one message may be asked for in all of them."""
    for size, worth in [(SMALL_WINDOW_BYTES, True), (SMALL_WINDOW_BYTES + 1, False)]:
        message = b"a" * size
        plain = text_frame(message)
        found = Frames(message, plain, 100)
        assert (found.for_window(bits) != plain) is worth
        assert found.for_window(15) != plain


# Bad input


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


async def test_a_final_block_ends_a_message() -> None:
    """Some writers end their stream (RFC 7692, section 7.2.3.4)."""
    packed = zlib.compress(request("GET", "/").encode(), wbits=-15) + b"\0"
    async with compressing() as server, agreed(server) as taker:
        for _ in range(2):
            await taker.peer.send(frames.encode(frames.TEXT, packed, rsv=4))
            assert (await taker.reply())[1]["ok"]


@pytest.mark.parametrize("header", ["Sec_WebSocket_Extensions", "Sec_WebSocket_Protocol"])
async def test_headers_that_are_no_ascii(header: str) -> None:
    async with compressing() as server, open_peer(server.port) as peer:
        data = upgrade_request(**{header: "permessage-deflate; PLACE"})
        await peer.send(data.replace(b"PLACE", b"\xff\xfe"))
        assert (await peer.receive()).startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 101 "))


# Configuration


def test_its_key() -> None:
    def parse(value: object) -> int | None:
        return parse_config({**document(), "compression": value}).compression

    assert parse_config(document()).compression is None
    assert parse(False) is None
    assert parse(True) == DEFAULT_THRESHOLD
    assert parse(0) == 0
    assert parse(4096) == 4096
    bad: list[object] = [None, -1, 1.5, "yes", {}, LONGEST_BYTES + 1]
    for wrong in bad:
        with pytest.raises(ConfigurationError, match=r"^compression: expected true, false, or"):
            parse(wrong)


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
