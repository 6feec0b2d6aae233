"""Malformed messages: the exact code, the exact place, and the tunnel if it can be read."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from sharedstate_core import Commit, Limits, Send, Server

P = "/a/items/c"
IF = 'if: expected {"epoch": string, "version": whole number, "ids": array of strings}'
LONE = "a string holds a lone surrogate, which is not Unicode text"
BIG = "9" * 5000


def receive(text: str, limits: Limits | None = None) -> Any:
    """Return the one reply to a text, or the writes if it is an update that will be committed."""
    server: Server[str] = Server(["items"], limits)
    server.connection_opened("me")
    (effect,) = server.receive_text("me", text, 0.0)
    if isinstance(effect, Commit):
        return effect.writes
    assert isinstance(effect, Send)
    assert effect.connections == ("me",)
    return json.loads(bytes(effect.message), parse_constant=pytest.fail)


def request(cmd: str, path: str, arg: str) -> str:
    return f'{{"type":"REQUEST","cmd":"{cmd}","path":"{path}","arg":{arg},"tunnel":{{"t":[1.50,"é"]}}}}'


@pytest.mark.parametrize(
    ("text", "code", "message", "tunnel"),
    [
        ("", "bad_message", "not a message: input data was truncated", None),
        ("{", "bad_message", "not a message: input data was truncated", None),
        ("[]", "bad_message", "not a message: expected an object", None),
        ('"GET"', "bad_message", "not a message: expected an object", None),
        ("7", "bad_message", "not a message: expected an object", None),
        ("nonsense", "bad_message", None, None),
        ("NaN", "bad_message", None, None),
        ('{"tunnel":NaN}', "bad_message", None, None),
        ('{"tunnel":-Infinity}', "bad_message", None, None),
        ("\ufeff{}", "bad_message", None, None),
        ('{"tunnel":1} x', "bad_message", None, None),
        ("{'tunnel':1}", "bad_message", None, None),
        ('{"tunnel":"\t"}', "bad_message", None, None),
        ('{"tunnel":01}', "bad_message", None, None),
        ("{}", "bad_message", 'type: expected "REQUEST"', None),
        ('{"tunnel":5}', "bad_message", 'type: expected "REQUEST"', 5),
        ('{"type":"REPLY","tunnel":5}', "bad_message", 'type: expected "REQUEST"', 5),
        ('{"type":["REQUEST"],"tunnel":5}', "bad_message", 'type: expected "REQUEST"', 5),
        ('{"type":"REQUEST","tunnel":5}', "bad_message", 'cmd: expected "GET" or "PUT"', 5),
        (
            '{"type":"REQUEST","cmd":"get","tunnel":5}',
            "bad_message",
            'cmd: expected "GET" or "PUT"',
            5,
        ),
        ('{"type":"REQUEST","cmd":"GET","tunnel":5}', "bad_path", "path: expected a string", 5),
        (
            '{"type":"REQUEST","cmd":"GET","path":7,"tunnel":5}',
            "bad_path",
            "path: expected a string",
            5,
        ),
        # lone surrogates, in the text itself or escaped
        ('{"tunnel":5,"cmd":"PUT","x":"\ud800"}', "bad_message", LONE, 5),
        ('{"tunnel":5,"x":"\\udfff"}', "bad_message", LONE, 5),
        ('{"tunnel":5,"\\ud800":1}', "bad_message", LONE, 5),
        ('{"tunnel":"\\ud800"}', "bad_message", LONE, "\ud800"),
        (
            '{"tunnel":5,"cmd":"GET","path":"/a/\ud800"}',
            "bad_path",
            "path: holds a lone surrogate",
            5,
        ),
        ('{"tunnel":5,"path":"\\udc00"}', "bad_path", "path: holds a lone surrogate", 5),
        ('{"tunnel":1e999,"x":"\ud800"}', "bad_message", LONE, math.inf),
        (f'{{"tunnel":{"[" * 65}{"]" * 65},"x":"\ud800"}}', "bad_message", LONE, None),
        ('["\ud800"]', "bad_message", "not a message: expected an object", None),
        # nesting
        (f'{{"tunnel":{"[" * 64}{"]" * 64}}}', "bad_message", 'type: expected "REQUEST"', ...),
        (
            f'{{"tunnel":{"[" * 65}{"]" * 65}}}',
            "bad_message",
            "tunnel: nested deeper than 64 levels",
            None,
        ),
        (f'{{"x":{"[" * 10**5}', "bad_message", "the message is nested too deep", None),
        (f'{{"x":{"[" * 10**5}{"]" * 10**5}}}', "bad_message", "the message is nested too deep", None),
    ],
)  # fmt: skip
def test_texts_that_are_no_request(
    text: str, code: str, message: str | None, tunnel: object
) -> None:
    reply = receive(text)
    assert reply["type"] == "REPLY"
    assert reply["ok"] is False
    assert reply["error"]["code"] == code
    assert reply["data"] == reply["error"]["message"]
    if message is not None:
        assert reply["data"] == message
    if tunnel is not ...:
        assert reply["tunnel"] == tunnel


@pytest.mark.parametrize(
    ("text", "cmd"),
    [
        ('{"cmd":"GET"}', "GET"),
        ('{"cmd":"PUT","x":"\ud800"}', "PUT"),
        ('{"cmd":"x","x":"\ud800"}', None),
        ('{"cmd":["GET"]}', None),
        ("[]", None),
    ],
)
def test_the_cmd_is_named_if_it_can_be_read(text: str, cmd: str | None) -> None:
    assert receive(text)["cmd"] == cmd


@pytest.mark.parametrize(
    ("arg", "code", "message"),
    [
        ("null", "bad_update", "expected an object with remove, insert, reset"),
        ("[]", "bad_update", "expected an object with remove, insert, reset"),
        ('{"insert":{}}', "bad_update", "insert: expected an array"),
        ('{"insert":null}', "bad_update", "insert: expected an array"),
        ('{"remove":"p"}', "bad_update", "remove: expected an array"),
        ('{"remove":["p",7]}', "bad_update", "remove[1]: expected a string"),
        ('{"remove":[null]}', "bad_update", "remove[0]: expected a string"),
        ('{"remove":["p",""]}', "bad_update", "remove[1]: expected a non-empty string"),
        ('{"reset":1}', "bad_update", "reset: expected true or false"),
        ('{"reset":null}', "bad_update", "reset: expected true or false"),
        (f'{{"reset":{BIG}}}', "bad_update", "reset: expected true or false"),
        (f'{{"reset":1,"insert":[{BIG},1e999]}}', "bad_update", "reset: expected true or false"),
        ('{"insert":[{"id":"p"},7]}', "bad_update", "insert[1]: expected an object"),
        ('{"insert":[null]}', "bad_update", "insert[0]: expected an object"),
        ('{"insert":[["id"]]}', "bad_update", "insert[0]: expected an object"),
        ('{"insert":[{"id":"p"},{"id":5}]}', "bad_update", "insert[1].id: expected a string"),
        ('{"insert":[{"Id":"p"}]}', "bad_update", "insert[0].id: is missing"),
        ('{"insert":[{"id":null}]}', "bad_update", "insert[0].id: expected a string"),
        ('{"insert":[{"id":{"id":"p"}}]}', "bad_update", "insert[0].id: expected a string"),
        ('{"insert":[{"id":7,"id":"p"}]}', "bad_update", "insert[0].id: expected a string"),
        ('{"insert":[{"id":"p","id":7}]}', "bad_update", "insert[0].id: expected a string"),
        ('{"insert":[{"id":""}]}', "bad_update", "insert[0].id: expected a non-empty string"),
        (
            '{"insert":[{"id":"\\u0000"}]}',
            "bad_update",
            "insert[0].id: may not contain the character U+0000",
        ),
        (
            f'{{"insert":[{{"id":"{"x" * 256}"}}]}}',
            "bad_update",
            "insert[0].id: longer than 255 bytes of UTF-8",
        ),
        (
            f'{{"remove":["{"é" * 128}"]}}',
            "bad_update",
            "remove[0]: longer than 255 bytes of UTF-8",
        ),
        (
            f'{{"insert":[{{"id":"p","x":{"[" * 64}{"]" * 64}}}]}}',
            "bad_update",
            "insert[0]: nested deeper than 64 levels",
        ),
        (
            f'{{"insert":[{{"id":5,"x":{"[" * 64}{"]" * 64}}}]}}',
            "bad_update",
            "insert[0]: nested deeper than 64 levels",
        ),
        ('{"if":5}', "bad_update", IF),
        ('{"if":{}}', "bad_update", IF),
        ('{"if":{"epoch":"e"}}', "bad_update", IF),
        ('{"if":{"epoch":"e","version":1.5}}', "bad_update", IF),
        ('{"if":{"epoch":"e","version":"1"}}', "bad_update", IF),
        (f'{{"if":{{"epoch":"e","version":{BIG}}}}}', "bad_update", IF),
        ('{"if":{"epoch":"e","version":1,"ids":[5]}}', "bad_update", IF),
        (
            '{"remove":["1","2"],"insert":[{"id":"3"},{"id":"4"}]}',
            "too_many",
            "an update may name at most 3 ids",
        ),
        (
            '{"if":{"epoch":"e","version":1,"ids":["1","2","3","4"]}}',
            "too_many",
            "a condition may name at most 3 ids",
        ),
    ],
)
def test_updates_that_break_the_rules(arg: str, code: str, message: str) -> None:
    reply = receive(request("PUT", P, arg), Limits(items=3))
    assert (reply["error"]["code"], reply["data"]) == (code, message)
    assert (reply["cmd"], reply["tunnel"]) == ("PUT", {"t": [1.5, "é"]})


@pytest.mark.parametrize(
    ("arg", "message"),
    [
        ("null", "arg: expected an object, found null"),
        ('{"insert":[["/a"]]}', "insert[0]: expected an array of length 2"),
        ('{"insert":[[5,{}]]}', "insert[0][0]: expected a string, found a number"),
        ('{"remove":[5]}', "remove[0]: expected a string or an array, found a number"),
        ('{"reset":"yes"}', "reset: expected true or false, found a string"),
        (
            f'{{"insert":[["/a",{{}}],["/a",{"[" * 65}{"]" * 65}]]}}',
            "insert[1]: nested deeper than 64 levels",
        ),
    ],
)
def test_subscription_changes_that_break_the_rules(arg: str, message: str) -> None:
    reply = receive(request("PUT", "/subs", arg))
    assert (reply["error"]["code"], reply["data"]) == ("bad_message", message)


@pytest.mark.parametrize(
    ("sub", "message"),
    [
        ("5", "sub: expected an object, found a number"),
        ("null", "sub: expected an object, found null"),
        ('{"since":5}', "since: expected an object or null, found a number"),
        ('{"since":{"epoch":"e"}}', "since.version: is missing"),
        ('{"since":{"epoch":"e","version":1e999}}', None),
        ('{"parts":1}', "parts: expected true or false, found a number"),
    ],
)
def test_subs_that_break_the_rules(sub: str, message: str | None) -> None:
    reply = receive(request("PUT", "/subs", f'{{"insert":[["{P}",{sub}]]}}'))
    ((path, error),) = reply["errors"]
    assert (reply["ok"], reply["data"], path, error["code"]) == (True, [], P, "bad_message")
    if message is not None:
        assert error["message"] == message


@pytest.mark.parametrize(("cmd", "path"), [("PUT", P), ("PUT", "/subs"), ("GET", "/")])
def test_nesting_near_the_interpreters_own_limit_is_answered(cmd: str, path: str) -> None:
    """The place where the decoder gives way depends on the caller's stack: any depth must do."""
    for depth in range(900, 1100):
        deep = "[" * depth + "]" * depth
        for arg in (f'{{"remove":{deep}}}', f'{{"insert":{deep}}}', f'{{"unknown":{deep}}}'):
            receive(request(cmd, path, arg))


def test_a_message_at_every_limit_is_accepted() -> None:
    deep = "[" * 63 + "]" * 63
    arg = f'{{"remove":["{"x" * 255}","{"é" * 127}"],"insert":[{{"id":"p","x":{deep}}}]}}'
    (write,) = receive(request("PUT", P, arg), Limits(items=3))
    assert len(write.update.remove) == 2
    assert write.condition is None
