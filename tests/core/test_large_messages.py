"""A large message, whatever is in it, is refused within a few times its bytes, and faults have their place."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest

from sharedstate_core import Limits, Send, Server
from tests.support.work import work_of

BYTES = 1 << 20
P = "/a/items/c"


def request(arg: str, path: str = P, tunnel: str = "1") -> str:
    return f'{{"type":"REQUEST","cmd":"PUT","path":"{path}","arg":{arg},"tunnel":{tunnel}}}'


def many(element: str) -> str:
    """Return as many elements as go into a message."""
    return ",".join([element] * (BYTES // (len(element) + 1)))


ITEM, SUB = '{"id":"1"}', f'["{P}",{{}}]'
ITEMS, SUBS, ARRAYS = many(ITEM), many(SUB), many("[]")
IDS, EMPTY, BACKSLASHES = many('"1"'), many('""'), many(r'"\\"')
MEMBERS, PAIRS, ONES = many('"a":1'), many('["",0]'), many("1")

TOO_MANY_IDS = "an update may name at most 20000 ids"
TOO_MANY_IN_IF = "a condition may name at most 20000 ids"
TOO_MANY_PATHS = "a request may name at most 2000 paths"
LONE = "a string holds a lone surrogate, which is not Unicode text"
TRUNCATED = "not a message: input data was truncated"

REFUSED = [
    # not JSON, or not a request
    (request(f'{{"insert":[{ITEMS}]}}')[:-1], TRUNCATED),
    (request(f'{{"insert":[{{"id":"1","v":[{ARRAYS}]}}]}}')[:-1], TRUNCATED),
    (f"[{ARRAYS}]", "not a message: expected an object"),
    (request(f'{{"insert":[{ITEMS}]}}', tunnel='"\\ud800"'), LONE),
    (request(f'{{"insert":[{ITEMS}]}}', tunnel='"\ud800"'), LONE),
    # updates
    (request(f'{{"insert":[{ONES}]}}'), "insert[0]: expected an object"),
    (request(f'{{"insert":[{ITEM},{ARRAYS}]}}'), "insert[1]: expected an object"),
    (request(f'{{"insert":[{ITEMS},1]}}'), "insert[95325]: expected an object"),
    (request(f'{{"insert":[{ITEMS},{{"id":1}}]}}'), "insert[95325].id: expected a string"),
    (request(f'{{"insert":[{ITEMS},{{}}]}}'), "insert[95325].id: is missing"),
    (request(f'{{"insert":[{ITEMS}]}}'), TOO_MANY_IDS),
    (request(f'{{"insert":[{ITEMS}],"reset":7}}'), TOO_MANY_IDS),
    (request(f'{{"remove":[{ONES}]}}'), "remove[0]: expected a string"),
    (request(f'{{"remove":["1",{ARRAYS}]}}'), "remove[1]: expected a string"),
    (request(f'{{"remove":[{IDS}]}}'), TOO_MANY_IDS),
    (request(f'{{"remove":[{EMPTY},7]}}'), TOO_MANY_IDS),
    (request(f'{{"remove":[{BACKSLASHES}]}}'), TOO_MANY_IDS),
    (request(f'{{"remove":{{{MEMBERS}}}}}'), "remove: expected an array"),
    (request(f'{{"if":{{"epoch":"e","version":1,"ids":[{IDS}]}}}}'), TOO_MANY_IN_IF),
    (request(f'{{"if":[{IDS}]}}'), "if: expected"),
    (request(f"[{ONES}]"), "expected an object"),
    # what is spelled twice counts as it is spelled last
    (request(f'{{"insert":[{ONES}],"insert":0}}'), "insert: expected an array"),
    (request(f'{{"remove":[{IDS}],"remove":0}}'), "remove: expected an array"),
    (request(f'{{"if":{{"ids":[{IDS}],"ids":[]}}}}'), "if: expected"),
    (request(f'{{"insert":[{PAIRS}],"insert":0}}', "/subs"), "insert: expected an array"),
    # subscriptions
    (request(f'{{"insert":[{SUBS}]}}', "/subs"), TOO_MANY_PATHS),
    (request(f'{{"insert":[{PAIRS}]}}', "/subs"), TOO_MANY_PATHS),
    (request(f'{{"insert":[{SUB},{ONES}]}}', "/subs"), "insert[1]: expected an array"),
    (request(f'{{"remove":[{IDS}]}}', "/subs"), TOO_MANY_PATHS),
]


def receive(text: str, limits: Limits | None = None) -> dict[str, Any]:
    server: Server[str] = Server(["items"], limits)
    server.connection_opened("me")
    (effect,) = server.receive_text("me", text, 0.0)
    assert isinstance(effect, Send)
    reply = json.loads(bytes(effect.message))
    assert isinstance(reply, dict)
    return reply


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_refusing_a_large_message_takes_little_memory(text: str, message: str) -> None:
    tracemalloc.start()
    try:
        reply = receive(text)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * len(text)
    assert not reply["ok"]
    assert reply["data"].startswith(message)


BACKSLASH_QUOTE = '\\"'
LONG = f'"{"x" * 90}"'
"""An element so long that few of them make a large message."""

IDS_WITH_PLACE, ITEMS_WITH_PLACE = many(LONG), many(f'{{"id":"1","v":{LONG}}}')


@pytest.mark.parametrize(
    ("arg", "message"),
    [
        (f'{{"remove":[{IDS_WITH_PLACE},7]}}', "remove[11275]: expected a string"),
        (f'{{"insert":[{ITEMS_WITH_PLACE},7]}}', "insert[9709]: expected an object"),
        (f'{{"insert":[{{"id":"1","v":[{ONES}]}},{{"id":7}}]}}', "insert[1].id: expected a string"),
        (f'{{"insert":[{{"id":"1","v":[{ONES}]}},{{"Id":7}}]}}', "insert[1].id: is missing"),
        (f'{{"insert":[{{"id":"1","v":[{ONES}]}}],"reset":0}}', "reset: expected true or false"),
    ],
)
def test_the_fault_of_a_large_update_has_its_place(arg: str, message: str) -> None:
    assert receive(request(arg))["data"] == message


def test_quotes_within_ids_do_not_count() -> None:
    ids = ",".join(f'"{index}{BACKSLASH_QUOTE * 200}"' for index in range(300))
    server: Server[str] = Server(["items"])
    server.connection_opened("me")
    effects = server.receive_text("me", request(f'{{"remove":[{ids}],"x":[{ONES}]}}'), 0.0)
    assert not any(isinstance(effect, Send) for effect in effects)


def test_what_is_listed_elsewhere_in_a_large_update_is_not_counted() -> None:
    unknown = f'"x":[{IDS}]'
    for arg in (
        f'{{"insert":[{{"id":"1",{unknown}}}]}}',
        f'{{"remove":["1"],{unknown}}}',
        f'{{"if":{{"epoch":"e","version":1,{unknown}}}}}',
    ):
        server: Server[str] = Server(["items"])
        server.connection_opened("me")
        effects = server.receive_text("me", request(arg), 0.0)
        assert not any(isinstance(effect, Send) for effect in effects)


@pytest.mark.parametrize("tunnel", ["1e999", "9" * 5000, '"\\ud83d\\ude42"', '"\\uD800\\ud800"'])
def test_the_tunnel_of_a_message_with_a_lone_surrogate_is_returned(tunnel: str) -> None:
    server: Server[str] = Server(["items"])
    server.connection_opened("me")
    text = request('{"insert":[{"id":"1","v":"\\udc00"}]}', tunnel=tunnel)
    (effect,) = server.receive_text("me", text, 0.0)
    assert isinstance(effect, Send)
    assert b'"tunnel":%b,' % tunnel.encode() in bytes(effect.message)
    assert LONE.encode() in bytes(effect.message)


def test_many_items_with_brackets_cost_what_one_does() -> None:
    """To see how deep each of them nests took a third of the work."""

    def work(value: str) -> int:
        server: Server[str] = Server(["items"])
        server.connection_opened("me")
        items = ",".join(f'{{"id":"{number}","v":[{value}1]}}' for number in range(4000))
        return work_of(lambda: server.receive_text("me", request(f'{{"insert":[{items}]}}'), 0.0))

    assert work("[]," * 70) < 2.5 * work("11," * 70)


def test_the_first_item_that_nests_too_deep_is_named() -> None:
    deep, flat = f'"v":{"[" * 64}{"]" * 64}', f'"v":[{"[]," * 70}1]'
    for rest in ("", ',{"id":7}'):
        items = f'{{"id":"1",{flat}}},{{"id":"2",{deep}}},{{"id":"3",{flat}}},{{"id":"4",{deep}}}'
        reply = receive(request(f'{{"insert":[{items}{rest}]}}'))
        assert reply["data"] == "insert[1]: nested deeper than 64 levels"
    reply = receive(request(f'{{"insert":[{{"id":7}},{items}]}}'))
    assert reply["data"] == "insert[0].id: expected a string"
