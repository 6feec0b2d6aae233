"""What no client should ask for before it is a WebSocket, and what plain HTTP is told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from sharedstate_anyio.config.limits import TransportLimits
from sharedstate_anyio.http.handshake import BROKEN_RULE
from tests.support.canary import with_canary
from tests.support.peer import Peer, open_peer, upgrade_request
from tests.support.services.servers import running

if TYPE_CHECKING:
    from sharedstate_anyio import RunningServer


async def answer(server: RunningServer, data: bytes) -> tuple[int, bytes]:
    """Return status and everything else of what the server says; it then closes."""
    async with open_peer(server.port) as peer:
        await peer.send(data)
        got = await peer.receive_all()
    version, status, rest = got.split(b" ", 2)
    assert version == b"HTTP/1.1"
    assert b"\r\nconnection: close\r\n" in rest.lower()
    if int(status) >= 400:
        assert b"\r\nX-Content-Type-Options: nosniff\r\n" in rest
        assert b"bytearray" not in rest
    return int(status), rest


def message(answer: bytes) -> str:
    """Return what an answer says that went wrong."""
    error = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
    return str(error["message"])


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
    async with with_canary() as (server, _):
        got, rest = await answer(server, upgrade_request("/", **changes))
        assert got == status
        if status == 426:
            for line in (b"sec-websocket-version: 13", b"upgrade: websocket"):
                assert b"\r\n%b\r\n" % line in rest.lower()


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
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost : b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nA: \x00\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"CONNECT example.org:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
async def test_what_is_no_request(data: bytes) -> None:
    async with with_canary() as (server, _):
        status, rest = await answer(server, data)
        assert status == 400
        told = message(rest)
        assert told in {BROKEN_RULE, "The request's target is not a path."} or "handshake" in told


async def test_what_is_no_request_is_told_in_our_own_words() -> None:
    """Those of a library may be a Python object."""
    async with with_canary() as (server, _):
        for data, status, words in (
            (b"hello\r\n\r\n", 400, BROKEN_RULE),
            (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost : b\r\n\r\n", 400, BROKEN_RULE),
            (
                b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",
                501,
                "chunked",
            ),
            (b"A" * 100_000, 431, "the head of the request is too long"),
        ):
            got, rest = await answer(server, data)
            assert got == status
            assert words in message(rest)


async def test_http_2_is_not_spoken() -> None:
    async with with_canary() as (server, _):
        status, _ = await answer(server, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert status in {400, 505}


async def test_a_huge_head() -> None:
    async with with_canary() as (server, canary):
        for head in (b"A" * 100_000, b"GET / HTTP/1.1\r\n" + b"Cookie: c=1\r\n" * 20_000):
            status, _ = await answer(server, head)
            assert status == 431
            await canary.sing()
        for size, expected in (
            (15_000, 200),
            (17_000, 431),
            (60_000, 431),
        ):  # whole, in one segment
            head = (
                b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: %b\r\n\r\n"
                % (b"c" * size)
            )
            status, _ = await answer(server, head)
            assert status == expected


async def test_half_a_head_and_gone() -> None:
    async with with_canary() as (server, canary):
        for end in (Peer.reset, Peer.shut):
            for head in (b"", b"GET / HT", upgrade_request()[:-2]):
                async with open_peer(server.port) as peer:
                    await peer.send(head)
                    end(peer)
                    await canary.sing()


@pytest.mark.parametrize("head", [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\n"])
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
    request = f"{line} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nab".encode()
    async with with_canary() as (server, _):
        got, rest = await answer(server, request)
        assert got == status
        head, _, body = rest.partition(b"\r\n\r\n")
        if line.startswith("HEAD") or status == 204:
            assert body == b""
        else:
            assert f"content-length: {len(body)}\r\n".encode() in head.lower() + b"\r\n"
            assert body


async def test_plain_http_1_0() -> None:
    async with with_canary() as (server, _):
        assert (await answer(server, b"GET /healthz HTTP/1.0\r\n\r\n"))[0] == 200
