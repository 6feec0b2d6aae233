"""Frames that no client should send: each gets its close code, and nobody else notices."""

from __future__ import annotations

import json

import pytest

from tests.support import frames
from tests.support.canary import LIMIT, with_canary
from tests.support.peer import Peer, open_client, open_peer

big = b"x" * (LIMIT + 1)
half = "é".encode() * (LIMIT // 2)


@pytest.mark.parametrize(
    ("pieces", "code"),
    [
        ([frames.encode(frames.BINARY, b"{}")], 1003),
        ([frames.encode(frames.BINARY)], 1003),
        ([frames.encode(frames.TEXT, b"\xff")], 1007),
        ([frames.encode(frames.TEXT, b"\xe2\x82")], 1007),
        ([frames.encode(frames.TEXT, b"\xed\xa0\x80")], 1007),
        (
            [
                frames.encode(frames.TEXT, b"\xe2", fin=False),
                frames.encode(frames.CONTINUATION, b"\x28"),
            ],
            1007,
        ),
        ([frames.encode(frames.TEXT, big)], 1009),
        ([frames.encode(frames.TEXT, half + b"x")], 1009),
        (
            [
                frames.encode(frames.TEXT, b"{", fin=False),
                *[frames.encode(frames.CONTINUATION, b" " * 999, fin=False)] * 60,
            ],
            1009,
        ),
        (
            [
                frames.encode(frames.TEXT, b" ", fin=False),
                *[frames.encode(frames.CONTINUATION, b" ", fin=False)] * (LIMIT + 5),
            ],
            1009,
        ),
        ([frames.encode(frames.TEXT, b"{}", masked=False)], 1002),
        ([frames.encode(frames.TEXT, b"{}", rsv=4)], 1002),
        ([frames.encode(frames.TEXT, b"{}", rsv=1)], 1002),
        ([frames.encode(3, b"{}")], 1002),
        ([frames.encode(11, b"{}")], 1002),
        ([frames.encode(frames.CONTINUATION, b"{}")], 1002),
        (
            [
                frames.encode(frames.TEXT, b"{", fin=False),
                frames.encode(frames.TEXT, b"}"),
            ],
            1002,
        ),
        ([frames.encode(frames.PING, b"x" * 126)], 1002),
        ([frames.encode(frames.PING, b"x", fin=False)], 1002),
        ([frames.encode(frames.CLOSE, b"x")], 1002),
        ([frames.encode_close(1005)], 1002),
        ([frames.encode_close(999)], 1002),
        ([frames.encode_close(1000, b"\xff")], 1007),
        ([b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff1234"], 1002),
        ([b"\x81\xfe\x00\x04masked as if long"], 1002),
        ([b"GET / HTTP/1.1\r\n\r\n"], 1002),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
async def test_a_broken_rule_gets_its_close_code(
    pieces: list[bytes], code: int, *, at_once: bool
) -> None:
    async with with_canary() as (server, canary), open_peer(server.port) as peer:
        await peer.upgrade()
        for piece in [b"".join(pieces)] if at_once else pieces[:200]:
            await peer.send(piece)
        if at_once or len(pieces) < 200:
            assert (await peer.closed()).close_code == code
        await canary.sing()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (frames.encode(frames.TEXT, b"\xff"), "a text is not UTF-8"),
        (frames.encode_close(1000, b"\xff"), "a text is not UTF-8"),
        (frames.encode(frames.TEXT, b"{}", masked=False), "a frame breaks the rules"),
        (frames.encode(frames.CONTINUATION, b"{}"), "a frame breaks the rules"),
        (frames.encode(frames.BINARY, b"{}"), "messages are text frames"),
        (frames.encode_text(" " * (LIMIT + 1)), f"a message may have at most {LIMIT} bytes"),
    ],
)
async def test_the_reason_is_in_our_own_words(data: bytes, reason: str) -> None:
    async with with_canary() as (server, _), open_peer(server.port) as peer:
        await peer.upgrade()
        await peer.send(data)
        assert (await peer.closed()).payload[2:].decode().startswith(reason)


async def test_what_came_before_a_broken_rule_is_answered() -> None:
    text = json.dumps({"type": "REQUEST", "cmd": "GET", "path": "/", "tunnel": 1})
    bad = frames.encode(frames.TEXT, b"\xff")
    async with with_canary() as (server, _), open_peer(server.port) as peer:
        await peer.upgrade()
        await peer.send(frames.encode_text(text) + bad + frames.encode_text(text))
        assert json.loads((await peer.frame()).payload)["tunnel"] == 1
        assert (await peer.closed()).close_code == 1007


async def test_nothing_is_answered_behind_a_goodbye() -> None:
    text = frames.encode_text('{"type":"REQUEST","cmd":"GET","path":"/"}')
    async with with_canary() as (server, _), open_peer(server.port) as peer:
        await peer.upgrade()
        await peer.send(frames.encode_close(1000) + text + frames.encode_close(1000))
        frame = await peer.frame()
        assert (frame.opcode, frame.close_code) == (frames.CLOSE, 1000)
        assert await peer.receive_all() == b""


async def test_a_peer_that_goes_on_after_it_was_told_to_stop() -> None:
    """It gets its close code all the same: the rest is read and dropped."""
    async with with_canary() as (server, canary), open_peer(server.port) as peer:
        await peer.upgrade()
        await peer.send(frames.encode(frames.BINARY, b"{}"))
        for _ in range(20):
            await peer.send(frames.encode(frames.TEXT, b" " * 10_000))
            await canary.sing()
        frame = await peer.frame()
        assert (frame.opcode, frame.close_code) == (frames.CLOSE, 1003)
        await peer.send(frames.encode_close(1003))
        assert await peer.receive_all() == b""


async def test_a_message_of_just_the_longest_size() -> None:
    text = '{"type":"REQUEST","cmd":"GET","path":"/"}'.ljust(LIMIT)
    async with with_canary() as (server, _), open_client(server.port) as client:
        await client.send_text(text)
        assert (await client.message())["ok"]
        cut = text.encode()
        await client.peer.send(frames.encode(frames.TEXT, cut[:9], fin=False))
        await client.peer.send(frames.encode(frames.PING, b"between"))
        await client.peer.send(frames.encode(frames.CONTINUATION, cut[9:-1], fin=False))
        await client.peer.send(frames.encode(frames.CONTINUATION, cut[-1:]))
        assert (await client.peer.frame()).payload == b"between"
        assert (await client.message())["ok"]


@pytest.mark.parametrize("piece", ["", "x", "\N{SNOWMAN}"])
async def test_many_small_pieces_do_not_pile_up(piece: str) -> None:
    """A piece costs its characters, not an object: an endless row of empty ones costs nothing."""
    async with with_canary() as (server, canary), open_client(server.port) as client:
        await client.peer.send(frames.encode(frames.TEXT, b'"', fin=False))
        count = 3_900 if piece else 10_000
        await client.peer.send(
            frames.encode(frames.CONTINUATION, piece.encode(), fin=False) * count
        )
        await canary.sing()
        await client.peer.send(frames.encode(frames.CONTINUATION, b'"'))
        assert (await client.message())["error"]["code"] == "bad_message"
        assert await client.get("/") == ["items"]


@pytest.mark.parametrize("cut", [1, 100])
async def test_a_peer_that_vanishes_in_the_middle_of_a_frame(cut: int) -> None:
    async with with_canary() as (server, canary):
        for end in (Peer.reset, Peer.shut):
            async with open_peer(server.port) as peer:
                await peer.upgrade()
                await peer.send(frames.encode(frames.TEXT, b" " * 1000)[:cut])
                end(peer)
                await canary.sing()
