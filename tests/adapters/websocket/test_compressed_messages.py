"""Compressed messages, in both directions: once for all who agreed to it, and where it is worth it."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharedstate_anyio.config.compression import LONGEST_BYTES
from sharedstate_anyio.websocket.deflate import SMALL_WINDOW_BYTES, Frames, compressed_text_frame
from sharedstate_anyio.websocket.frames import text_frame
from tests.support import frames
from tests.support.compression import agreed, compressed, compressing, deflate, inflate
from tests.support.peer import open_client, request

C = "/app/items/c"


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


async def test_a_final_block_ends_a_message() -> None:
    """Some writers end their stream (RFC 7692, section 7.2.3.4)."""
    packed = zlib.compress(request("GET", "/").encode(), wbits=-15) + b"\0"
    async with compressing() as server, agreed(server) as taker:
        for _ in range(2):
            await taker.peer.send(frames.encode(frames.TEXT, packed, rsv=4))
            assert (await taker.reply())[1]["ok"]


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
