"""What no client should send: each gets its reply or its close code, and nobody else notices."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_anyio.limits import TransportLimits
from sharedstate_core import Limits
from tests.support import frames
from tests.support.peer import Client, Peer, open_client, open_peer, upgrade_request
from tests.support.servers import running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sharedstate_anyio import RunningServer

C = "/app/items/c"
LIMIT = 12_000


class Canary:
    """A client that behaves, and expects to be served as if it were alone."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._sung = 0

    async def sing(self) -> None:
        """Change a collection, and hear of that change and no other."""
        self._sung += 1
        item = {"id": "canary", "n": self._sung}
        assert await self._client.put("/canary/items/c", {"insert": [item]}) == 1
        told = await self._client.notification()
        assert told["data"]["insert"] == [item]
        assert told["version"] == self._sung


@asynccontextmanager
async def watched() -> AsyncIterator[tuple[RunningServer, Canary]]:
    """Run a server with a canary, which is still alive at the end."""
    limits = Limits(message_bytes=LIMIT)
    async with running(limits=limits) as server, open_client(server.port) as client:
        await client.subscribe("/canary/items/c")
        await client.notification()
        canary = Canary(client)
        await canary.sing()
        yield server, canary
        await canary.sing()


def put(arg: str) -> str:
    return f'{{"type":"REQUEST","cmd":"PUT","path":"{C}","arg":{arg},"tunnel":7}}'


TEXTS: list[tuple[str, str, Any]] = [
    # text, error code, tunnel of the reply
    ("", "bad_message", None),
    (" ", "bad_message", None),
    ("hello", "bad_message", None),
    ("{", "bad_message", None),
    ("[]", "bad_message", None),
    ("null", "bad_message", None),
    ('"REQUEST"', "bad_message", None),
    ("{}", "bad_message", None),
    ('{"type":"REQUEST"}', "bad_message", None),
    ('{"type":"REPLY","cmd":"GET","path":"/","tunnel":3}', "bad_message", 3),
    ('{"type":"REQUEST","cmd":"POST","path":"/","tunnel":[1]}', "bad_message", [1]),
    ('{"type":"REQUEST","cmd":["GET"],"path":"/","tunnel":"t"}', "bad_message", "t"),
    ('{"type":1,"cmd":"GET","path":"/","tunnel":"t"}', "bad_message", "t"),
    ('{"type":"REQUEST","cmd":"GET","path":"/"}}', "bad_message", None),
    ('{"type":"REQUEST","cmd":"GET","path":"/"} {}', "bad_message", None),
    ('{"type":"REQUEST","cmd":"GET","path":"/","x":NaN}', "bad_message", None),
    ('{"type":"REQUEST","cmd":"GET","path":7,"tunnel":7}', "bad_path", 7),
    ('{"type":"REQUEST","cmd":"GET","tunnel":7}', "bad_path", 7),
    ('{"type":"REQUEST","cmd":"GET","path":"/a/items/\\ud800","tunnel":7}', "bad_path", 7),
    ('{"type":"REQUEST","cmd":"PUT","path":"/","tunnel":7}', "bad_path", 7),
    ('{"type":"REQUEST","cmd":"PUT","path":"/clock","tunnel":7}', "bad_path", 7),
    ('{"type":"REQUEST","cmd":"PUT","path":"/subs","arg":[],"tunnel":7}', "bad_message", 7),
    ('{"type":"REQUEST","cmd":"PUT","path":"/subs","arg":{"insert":[1]},"tunnel":7}', "bad_message", 7),
    ('{"type":"REQUEST","cmd":"PUT","path":"/subs","arg":{"reset":0},"tunnel":7}', "bad_message", 7),
    (put("7"), "bad_update", 7),
    (put('{"insert":[7]}'), "bad_update", 7),
    (put('{"insert":[{"id":"a","n":NaN}]}'), "bad_message", None),
    (put('{"insert":[{"id":"a","n":-Infinity}]}'), "bad_message", None),
    (put('{"insert":[{"id":"a","n":01}]}'), "bad_message", None),
    (put("[" * 100 + "]" * 100), "bad_update", 7),
    (put("[" * 5_000 + "]" * 5_000), "bad_message", None),
    (put('{"insert":[{"id":"a","n":' + "[" * 100 + "]" * 100 + "}]}"), "bad_update", 7),
    ("[" * 12_000, "bad_message", None),
    ('{"a":' * 2_000, "bad_message", None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "code", "tunnel"), TEXTS, ids=[t[:60] or "-" for t, _, _ in TEXTS]
)
async def test_a_malformed_text_gets_its_reply(text: str, code: str, tunnel: object) -> None:
    async with watched() as (server, canary), open_client(server.port) as client:
        for _ in range(2):
            await client.send_text(text)
            reply = await client.message()
            assert reply["type"] == "REPLY"
            assert reply["ok"] is False
            assert reply["error"]["code"] == code, reply
            assert reply["error"]["message"] == reply["data"]
            assert reply["tunnel"] == tunnel
            await canary.sing()
        assert await client.get("/") == ["items"], "the connection stays open"
        assert await client.get(C) == []


async def test_the_tunnel_is_read_though_a_string_is_no_unicode() -> None:
    text = '{"type":"REQUEST","cmd":"PUT","path":"/a/items/c","arg":{"remove":["\\udfff"]},"tunnel":{"a":1}}'
    async with watched() as (server, _), open_client(server.port) as client:
        await client.send_text(text)
        reply = await client.message()
        assert (reply["ok"], reply["error"]["code"]) == (False, "bad_message")
        assert reply["tunnel"] == {"a": 1}


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
    async with watched() as (server, canary), open_peer(server.port) as peer:
        await peer.upgrade()
        for piece in [b"".join(pieces)] if at_once else pieces[:200]:
            await peer.send(piece)
        if at_once or len(pieces) < 200:
            assert (await peer.closed()).close_code == code
        await canary.sing()


async def test_what_came_before_a_broken_rule_is_answered() -> None:
    text = json.dumps({"type": "REQUEST", "cmd": "GET", "path": "/", "tunnel": 1})
    bad = frames.encode(frames.TEXT, b"\xff")
    async with watched() as (server, _), open_peer(server.port) as peer:
        await peer.upgrade()
        await peer.send(frames.encode_text(text) + bad + frames.encode_text(text))
        assert json.loads((await peer.frame()).payload)["tunnel"] == 1
        assert (await peer.closed()).close_code == 1007


async def test_nothing_is_answered_behind_a_goodbye() -> None:
    text = frames.encode_text('{"type":"REQUEST","cmd":"GET","path":"/"}')
    async with watched() as (server, _), open_peer(server.port) as peer:
        await peer.upgrade()
        await peer.send(frames.encode_close(1000) + text + frames.encode_close(1000))
        frame = await peer.frame()
        assert (frame.opcode, frame.close_code) == (frames.CLOSE, 1000)
        assert await peer.receive_all() == b""


async def test_a_peer_that_goes_on_after_it_was_told_to_stop() -> None:
    """It gets its close code all the same: the rest is read and dropped."""
    async with watched() as (server, canary), open_peer(server.port) as peer:
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
    async with watched() as (server, _), open_client(server.port) as client:
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
    async with watched() as (server, canary), open_client(server.port) as client:
        await client.peer.send(frames.encode(frames.TEXT, b'"', fin=False))
        count = 3_900 if piece else 50_000
        await client.peer.send(
            frames.encode(frames.CONTINUATION, piece.encode(), fin=False) * count
        )
        await canary.sing()
        await client.peer.send(frames.encode(frames.CONTINUATION, b'"'))
        assert (await client.message())["error"]["code"] == "bad_message"
        assert await client.get("/") == ["items"]


@pytest.mark.parametrize("cut", [1, 100])
async def test_a_peer_that_vanishes_in_the_middle_of_a_frame(cut: int) -> None:
    async with watched() as (server, canary):
        for end in (Peer.reset, Peer.shut):
            async with open_peer(server.port) as peer:
                await peer.upgrade()
                await peer.send(frames.encode(frames.TEXT, b" " * 1000)[:cut])
                end(peer)
                await canary.sing()


# Before it is a WebSocket


async def answer(server: RunningServer, data: bytes) -> tuple[int, bytes]:
    """Return status and everything else of what the server says; it then closes."""
    async with open_peer(server.port) as peer:
        await peer.send(data)
        got = await peer.receive_all()
    version, status, rest = got.split(b" ", 2)
    assert version == b"HTTP/1.1"
    assert b"\r\nconnection: close\r\n" in rest.lower()
    return int(status), rest


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"Sec_WebSocket_Key": None}, 400),
        ({"Sec_WebSocket_Key": "c2hvcnQ="}, 400),
        ({"Sec_WebSocket_Version": None}, 400),
        ({"Sec_WebSocket_Version": "8"}, 426),
        ({"Connection": None}, 400),
        ({"Connection": "keep-alive"}, 400),
        ({"Upgrade": "h2c, websocket"}, 400),
        ({"Host": None}, 400),
    ],
)
async def test_a_bad_handshake(changes: dict[str, str | None], status: int) -> None:
    async with watched() as (server, _):
        got, rest = await answer(server, upgrade_request("/", **changes))
        assert got == status
        if status == 426:
            assert b"\r\nsec-websocket-version: 13\r\n" in rest.lower()


@pytest.mark.parametrize(
    "data",
    [
        upgrade_request().replace(b"GET ", b"POST "),
        upgrade_request().replace(b"HTTP/1.1", b"HTTP/1.0"),
        upgrade_request(Host=None).replace(b"HTTP/1.1", b"HTTP/1.0"),
        upgrade_request().replace(b"Host", b"Host: other\r\nHost"),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"hello\r\n\r\n",
        b"\r\n\r\n\r\nGET\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost : b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nA: \x00\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"CONNECT example.org:80 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
async def test_what_is_no_request(data: bytes) -> None:
    async with watched() as (server, _):
        status, _ = await answer(server, data)
        assert status == 400


async def test_http_2_is_not_spoken() -> None:
    async with watched() as (server, _):
        status, _ = await answer(server, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert status in {400, 505}


async def test_a_huge_head() -> None:
    async with watched() as (server, canary):
        for head in (b"A" * 100_000, b"GET / HTTP/1.1\r\n" + b"Cookie: c=1\r\n" * 20_000):
            status, _ = await answer(server, head)
            assert status == 431
            await canary.sing()
        for size, expected in (
            (15_000, 200),
            (17_000, 431),
            (60_000, 431),
        ):  # whole, in one segment
            head = b"GET / HTTP/1.1\r\nHost: a\r\nCookie: %b\r\n\r\n" % (b"c" * size)
            status, _ = await answer(server, head)
            assert status == expected


async def test_half_a_head_and_gone() -> None:
    async with watched() as (server, canary):
        for end in (Peer.reset, Peer.shut):
            for head in (b"", b"GET / HT", upgrade_request()[:-2]):
                async with open_peer(server.port) as peer:
                    await peer.send(head)
                    end(peer)
                    await canary.sing()


@pytest.mark.parametrize("head", [b"", b"GET / HTTP/1.1\r\nHost: a\r\n"])
async def test_a_slow_head_is_dropped(head: bytes) -> None:
    transport = TransportLimits(head_seconds=0.05)
    async with running(transport=transport) as server, open_peer(server.port) as peer:
        await peer.send(head)
        assert await peer.receive_all() == b""


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET /", 200),
        ("HEAD /", 200),
        ("GET /healthz", 200),
        ("GET /libs/sharedstate.es.js", 200),
        ("OPTIONS /libs/sharedstate.es.js", 204),
        ("GET /nothing", 404),
        ("GET /../pages/index.html", 404),
        ("GET /%2e%2e/pyproject.toml", 404),
        ("POST /", 405),
        ("PUT /healthz", 405),
        ("BREW /", 405),
        ("DELETE /nothing", 404),
    ],
)
async def test_plain_http(line: str, status: int) -> None:
    request = f"{line} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab".encode()
    async with watched() as (server, _):
        got, rest = await answer(server, request)
        assert got == status
        head, _, body = rest.partition(b"\r\n\r\n")
        if line.startswith("HEAD") or status == 204:
            assert body == b""
        else:
            assert f"content-length: {len(body)}\r\n".encode() in head.lower() + b"\r\n"
            assert body


async def test_plain_http_1_0() -> None:
    async with watched() as (server, _):
        assert (await answer(server, b"GET /healthz HTTP/1.0\r\n\r\n"))[0] == 200
