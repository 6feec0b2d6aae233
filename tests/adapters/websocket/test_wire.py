"""How requests and replies travel: many at once, of any size, with any tunnel, path and target, in pieces."""

from __future__ import annotations

import json

import pytest

from tests.support import frames
from tests.support.peer import Client, open_client, open_clients, open_peer, request
from tests.support.services.servers import running

C = "/app/items/c"


@pytest.mark.parametrize("count", [1, 64, 1000])
async def test_pipelined_requests_are_answered_in_order(count: int) -> None:
    """Also more than the server keeps unanswered: it reads on when it has answered some."""
    texts = []
    for number in range(count):
        insert = {"insert": [{"id": str(number)}]}
        texts += [request("PUT", C, insert, tunnel=["put", number])]
        texts += [request("GET", C, tunnel=["get", number])] if number % 10 == 0 else []
    async with running() as server, open_client(server.port) as client:
        await client.peer.send(b"".join(map(frames.encode_text, texts)))
        for text in texts:
            reply = await client.message()
            assert reply["tunnel"] == json.loads(text)["tunnel"]
            assert reply["ok"], reply
            kind, number = reply["tunnel"]
            assert reply["version"] == number + 1
            if kind == "get":
                assert reply["data"] == [{"id": str(n)} for n in range(number + 1)]


@pytest.mark.parametrize(
    "tunnel",
    [
        "null",
        "true",
        "0",
        "-1.50",
        "12345678901234567890.0e-3",
        '""',
        '"\\ud83d\\ude00 \\u0000"',
        "[]",
        "{}",
        '[1,[2,{"a":null}]]',
        '{"b":1,"a":[],"tunnel":"x"}',
    ],
)
async def test_a_tunnel_comes_back_as_it_went(tunnel: str) -> None:
    async with running() as server, open_client(server.port) as client:
        for cmd, path in (("GET", "/"), ("GET", "/clock"), ("GET", C), ("PUT", "/a/b")):
            await client.send_text(
                f'{{"tunnel":{tunnel},"type":"REQUEST","cmd":"{cmd}","path":"{path}"}}'
            )
            frame = await client.peer.frame()
            assert f'"tunnel":{tunnel}' in frame.payload.decode()


async def test_a_tunnel_may_be_missing() -> None:
    async with running() as server, open_client(server.port) as client:
        await client.send_text('{"type":"REQUEST","cmd":"GET","path":"/"}')
        reply = await client.message()
        assert reply["ok"]
        assert reply["tunnel"] is None


@pytest.mark.parametrize("size", [125, 126, 127, 65535, 65536, 65537])
async def test_replies_of_any_length(size: int) -> None:
    """A frame's header has three forms; here are the lengths where one gives way to the next."""
    async with running() as server, open_client(server.port) as client:
        shortest = len(json.dumps(await client.ask("GET", "/", tunnel=""), separators=(",", ":")))
        await client.send("GET", "/", tunnel="x" * (size - shortest))
        frame = await client.peer.frame()
        assert len(frame.payload) == size
        assert json.loads(frame.payload)["tunnel"] == "x" * (size - shortest)


async def test_spellings_of_a_path() -> None:
    """They name one collection; a notification has the subscriber's own spelling."""
    spellings = ["app/items/c", "/app/items/c/", "/app//items/c", "//app/items//c//"]
    async with running() as server, open_clients(server.port, 2) as (writer, reader):
        await reader.subscribe(*spellings)
        assert [(await reader.notification())["path"] for _ in spellings] == spellings
        for number, spelling in enumerate(spellings):
            await writer.put(spelling, {"insert": [{"id": str(number)}]})
            told = [(await reader.notification())["path"] for _ in spellings]
            assert sorted(told) == sorted(spellings)
        assert len(await writer.get(C)) == len(spellings)


@pytest.mark.parametrize("name", ["C", "%63", "e\u0301", "\u00e9", "c ", "名", "😀" * 32])
async def test_names_compare_by_code_point(name: str) -> None:
    async with running() as server, open_client(server.port) as client:
        await client.put(C, {"insert": [{"id": "plain"}]})
        await client.put(f"/app/items/{name}", {"insert": [{"id": name}]})
        assert await client.get(f"/app/items/{name}") == [{"id": name}]
        assert await client.get("/app/items") == sorted(["c", name])


async def test_an_items_text_is_kept_as_it_was_sent() -> None:
    text = '{"id":"a","n":1.0,"big":123456789012345678901234567890,"s":"\\u00e9 é","e":1E5}'
    async with running() as server, open_clients(server.port, 2) as (writer, reader):
        await reader.subscribe(C)
        await reader.notification()
        await writer.send_text(
            f'{{"type":"REQUEST","cmd":"PUT","path":"{C}","arg":{{"insert":[{text}]}}}}'
        )
        assert text in (await reader.peer.frame()).payload.decode()
        await writer.message()
        await writer.send("GET", C)
        assert text in (await writer.peer.frame()).payload.decode()


@pytest.mark.parametrize("target", ["/", "/libs/sharedstate.es.js", "/any/thing?x=1", "/%20"])
async def test_every_target_speaks_the_protocol(target: str) -> None:
    async with running() as server, open_peer(server.port) as peer:
        await peer.upgrade(target)
        assert await Client(peer).get("/") == ["items"]


async def test_what_comes_behind_the_upgrade_request_is_not_lost() -> None:
    behind = b"".join(frames.encode_text(request("GET", "/", tunnel=n)) for n in range(3))
    async with running() as server, open_peer(server.port) as peer:
        await peer.upgrade(behind=behind)
        client = Client(peer)
        assert [(await client.message())["tunnel"] for _ in range(3)] == [0, 1, 2]


async def test_a_handshake_in_single_bytes() -> None:
    """Nothing depends on how the bytes are cut."""
    text = frames.encode_text(request("GET", "/"))
    async with running() as server, open_peer(server.port) as peer:
        await peer.upgrade()
        for index in range(len(text)):
            await peer.send(text[index : index + 1])
        assert (await Client(peer).message())["data"] == ["items"]


async def test_ping_and_close() -> None:
    async with running() as server, open_peer(server.port) as peer:
        await peer.upgrade()
        await peer.send(frames.encode(frames.PING, b"are you there"))
        assert await peer.frame() == (frames.PONG, b"are you there", True, False)
        await peer.send(frames.encode(frames.PONG, b"unasked"))
        await peer.send(frames.encode_close(1000, b"bye"))
        assert (await peer.closed()).close_code == 1000
