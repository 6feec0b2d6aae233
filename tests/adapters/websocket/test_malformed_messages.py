"""Messages that no client should send: each gets its reply, and nobody else notices."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.canary import with_canary
from tests.support.peer import open_client

C = "/app/items/c"


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
    async with with_canary() as (server, canary), open_client(server.port) as client:
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
    async with with_canary() as (server, _), open_client(server.port) as client:
        await client.send_text(text)
        reply = await client.message()
        assert (reply["ok"], reply["error"]["code"]) == (False, "bad_message")
        assert reply["tunnel"] == {"a": 1}
