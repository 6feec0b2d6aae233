"""Texts that go through: what is kept as it was sent, what is ignored, and that nothing ever raises."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharedstate_core import (
    Commit,
    CommitResult,
    Committed,
    Condition,
    Cursor,
    Limits,
    Load,
    Loaded,
    Send,
    Server,
)
from sharedstate_core.wire.nesting import nests_deeper

P = "/a/items/c"

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=[]), max_size=8)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip
TEXTS = VALUES.map(json.dumps)


def opened() -> Server[str]:
    server: Server[str] = Server(["items"])
    server.connection_opened("me")
    return server


def strict(message: bytes) -> dict[str, Any]:
    decoded = json.loads(message.decode(), parse_constant=pytest.fail)
    assert isinstance(decoded, dict)
    return decoded


# --- as it was sent -------------------------------------------------------------------------------


TUNNELS = (
    *("null", "true", "0", "1.50", "1E+400", "-0", "123456789012345678901234567890"),
    *('"\\u0041\\/"', '{ "a" : [ 1 , 2 ] }', "[]", '"é🙂"', '""'),
)


@pytest.mark.parametrize("tunnel", TUNNELS)
@pytest.mark.parametrize("path", ["/", "/subs", "/a/b/c/d", "/a/nothing/c"])
def test_the_tunnel_is_returned_byte_for_byte(tunnel: str, path: str) -> None:
    text = f'{{"tunnel": {tunnel} ,"type":"REQUEST","cmd":"GET","path":"{path}"}}'
    (effect,) = opened().receive_text("me", text, 0.0)
    assert isinstance(effect, Send)
    assert b'"tunnel":' + tunnel.encode() + b"," in bytes(effect.message)


def test_the_tunnel_of_the_clock_too() -> None:
    text = '{"tunnel":1.50,"type":"REQUEST","cmd":"GET","path":"/clock"}'
    server = opened()
    server.set_clock(7.0, 0.0)
    (effect,) = server.receive_text("me", text, 0.25)
    assert isinstance(effect, Send)
    assert b'"tunnel":1.50,' in bytes(effect.message)
    assert strict(bytes(effect.message))["data"] == 7.25


def test_a_request_without_a_tunnel_is_answered_with_null() -> None:
    (effect,) = opened().receive_text("me", '{"type":"REQUEST","cmd":"GET","path":"/"}', 0.0)
    assert isinstance(effect, Send)
    assert strict(bytes(effect.message))["tunnel"] is None


@pytest.mark.parametrize(
    "item",
    [
        '{"id":"p","n":1.0000000000000000000001}',
        '{"id":"p","n":1E400,"m":-0.0,"k":12345678901234567890123}',
        '{ "id" : "p" ,\n\t"x" : [ 1 , 2 ] }',
        '{"id":"\\u0070","x":"\\u00e9\\/\\ud83d\\ude42"}',
        '{"x":{"id":"q"},"id":"p"}',
        '{"id":"q","id":"p"}',
        '{"\\u0069d":"p"}',
    ],
)
def test_the_text_of_an_item_is_kept_from_the_writer_to_every_reader(item: str) -> None:
    server = opened()
    subscribe = f'{{"type":"REQUEST","cmd":"PUT","path":"/subs","arg":{{"insert":[["{P}",{{}}]]}}}}'
    (_, load) = server.receive_text("me", subscribe, 0.0)
    assert isinstance(load, Load)
    server.load_succeeded(load.ticket, Loaded("e", 0, 0, []), 0.0)
    put = f'{{"type":"REQUEST","cmd":"PUT","path":"{P}","arg":{{"insert":[ {item} ]}}}}'
    (commit,) = server.receive_text("me", put, 0.0)
    assert isinstance(commit, Commit)
    assert commit.writes[0].update.insert == {"p": item.encode()}
    change, _ = server.commit_succeeded(commit.ticket, CommitResult("e", [Committed(1)]), 0.0)
    (read,) = server.receive_text(
        "me", f'{{"type":"REQUEST","cmd":"GET","path":"{P}","tunnel":1}}', 0.0
    )
    for effect in (change, read):
        assert isinstance(effect, Send)
        assert b"[" + item.encode() + b"]" in bytes(effect.message)


def test_unknown_members_are_ignored() -> None:
    arg = '{"insert":[{"id":"p"}],"sort":7,"if":{"epoch":"e","version":1,"x":[]}}'
    text = f'{{"v":2,"type":"REQUEST","cmd":"PUT","path":"{P}","arg":{arg},"extra":{{}}}}'
    (effect,) = opened().receive_text("me", text, 0.0)
    assert isinstance(effect, Commit)
    (write,) = effect.writes
    assert list(write.update.insert) == ["p"]
    assert write.condition == Condition(Cursor("e", 1), None)


def test_an_update_is_put_in_its_normal_form() -> None:
    arg = '{"remove":["r","q","r"],"insert":[{"id":"p","n":1},{"id":"q"},{"id":"p","n":2}]}'
    text = f'{{"type":"REQUEST","cmd":"PUT","path":"{P}","arg":{arg}}}'
    (effect,) = opened().receive_text("me", text, 0.0)
    assert isinstance(effect, Commit)
    update = effect.writes[0].update
    assert update.remove == ("r", "q")
    assert list(update.insert.items()) == [("p", b'{"id":"p","n":2}'), ("q", b'{"id":"q"}')]


def test_a_reset_ignores_remove_and_a_condition_names_each_id_once() -> None:
    arg = '{"remove":["r"],"reset":true,"if":{"epoch":"e","version":0,"ids":["p","q","p"]}}'
    text = f'{{"type":"REQUEST","cmd":"PUT","path":"{P}","arg":{arg}}}'
    (effect,) = opened().receive_text("me", text, 0.0)
    assert isinstance(effect, Commit)
    (write,) = effect.writes
    assert (write.update.remove, write.update.reset) == ((), True)
    assert write.condition == Condition(Cursor("e", 0), ("p", "q"))


# --- nesting --------------------------------------------------------------------------------------


def depth_of(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    return 0


BRACKETED = st.recursive(
    st.text(st.sampled_from('[]{}"\\ntu/'), max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.sampled_from('[]{}"\\'), max_size=4), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(BRACKETED, st.integers(0, 8), st.booleans())
def test_depth_is_what_a_parser_finds(value: object, depth: int, spaced: bool) -> None:
    text = json.dumps(value, separators=(" , ", " : ") if spaced else (",", ":")).encode()
    assert nests_deeper(text, depth) == (depth_of(value) > depth)


# --- nothing raises -------------------------------------------------------------------------------

UPDATE = (
    '{"remove":["q"],"insert":[{"id":"p","x":[1.5e3,null]}],"reset":false,'
    '"if":{"epoch":"e","version":3,"ids":["p"]}}'
)
SUBS = (
    f'{{"insert":[["{P}",{{"since":{{"epoch":"e","version":1}},"parts":true}}]],'
    '"remove":["/a/items/d"],"reset":true}'
)
VALID = [
    f'{{"type":"REQUEST","cmd":"PUT","path":"{P}","arg":{UPDATE},"tunnel":{{"a":[1]}}}}',
    f'{{"type":"REQUEST","cmd":"PUT","path":"/subs","arg":{SUBS},"tunnel":"x"}}',
    '{"type":"REQUEST","cmd":"GET","path":"/a/items","tunnel":7}',
    '{"type":"REQUEST","cmd":"GET","path":"/clock","tunnel":"\\u00e9\\n"}',
]
FRAGMENTS = st.sampled_from(
    [*'"{}[]:,\\0-e. \t\n', "\\u0000", "\\ud800", "\ud800", "1e999", "9" * 4400, "null", "NaN"]
) | st.text(st.characters(exclude_categories=[]), max_size=3)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(VALID))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 6)))
        text = text[:start] + draw(FRAGMENTS) + text[end:]
    return text


@st.composite
def wellformed(draw: st.DrawFn) -> str:
    """A request whose every member may be any JSON value."""
    typed = draw(st.just('"REQUEST"') | TEXTS)
    cmd = draw(st.sampled_from(['"GET"', '"PUT"']) | TEXTS)
    path = draw(st.sampled_from([f'"{P}"', '"/subs"', '"/"', '"/clock"', '"/a/items"']) | TEXTS)
    lists = st.lists(VALUES | st.fixed_dictionaries({"id": VALUES}), max_size=3)
    subs = st.lists(st.tuples(st.just(P) | VALUES, VALUES), max_size=3)
    arg = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "insert": lists | subs | VALUES,
                "remove": st.lists(VALUES) | VALUES,
                "reset": st.booleans() | VALUES,
                "if": st.fixed_dictionaries(
                    {}, optional={"epoch": VALUES, "version": VALUES, "ids": VALUES}
                ),
            },
        ).map(json.dumps)
        | TEXTS
    )
    tunnel = draw(TEXTS)
    return f'{{"type":{typed},"cmd":{cmd},"path":{path},"arg":{arg},"tunnel":{tunnel}}}'


@given(st.text(st.characters(exclude_categories=[])) | TEXTS | mutated() | wellformed())
def test_whatever_the_text_there_is_one_answer_and_it_is_json(text: str) -> None:
    server = opened()
    effects = server.receive_text("me", text, 0.0)
    answers = [effect for effect in effects if isinstance(effect, Send)]
    for effect in answers:
        reply = strict(bytes(effect.message))
        assert reply["type"] == "REPLY"
        assert reply["ok"] == ("error" not in reply)
    assert len(answers) + server.is_busy >= 1
    assert len(answers) <= 1
    server.connection_closed("me", 0.0)


@given(mutated() | wellformed(), st.integers(0, 5), st.integers(1, 6))
def test_nor_does_it_raise_under_small_limits(text: str, depth: int, small: int) -> None:
    limits = Limits(depth=depth, items=small, id_bytes=small, subscriptions=small, unanswered=small)
    server: Server[str] = Server(["items"], limits)
    server.connection_opened("me")
    for _ in range(3):
        server.receive_text("me", text, 0.0)
