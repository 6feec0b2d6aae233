"""Whatever a program hands to the client core that it cannot use is refused at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_core import Condition, Cursor, LocalProtocolError, Update
from sharedstate_core.client import ClientProtocol, SendText

if TYPE_CHECKING:
    from collections.abc import Callable

CURSOR = Cursor("e", 1)
P = "/a/items/c"


def condition(*parts: Any) -> Condition:
    return Condition(*parts)


def wrong(**parts: Any) -> Callable[[ClientProtocol], object]:
    return lambda client: client.update(P, Update(**parts))


def opened() -> ClientProtocol:
    client = ClientProtocol()
    client.connection_opened()
    return client


@pytest.mark.parametrize(
    ("value", "error"), [("3", TypeError), (True, TypeError), (-1, ValueError)]
)
def test_how_much_may_wait(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="max_queue: expected a whole number from 0"):
        ClientProtocol(value)
    ClientProtocol(0)


@pytest.mark.parametrize(
    ("use", "error", "problem"),
    [
        (lambda c: c.receive_text(b"{}"), TypeError, "text: expected a str, found bytes"),
        (lambda c: c.acquire(None), TypeError, "path: expected a str, found NoneType"),
        (lambda c: c.release(["a"]), TypeError, "path: expected a str, found list"),
        (lambda c: c.items(3), TypeError, "path: expected a str, found int"),
        (lambda c: c.cursor(b"/a/items/c"), TypeError, "path: expected a str, found bytes"),
        (lambda c: c.update(None, Update()), TypeError, "path: expected a str, found None"),
        (lambda c: c.update(P, {"insert": []}), TypeError, "update: expected an Update"),
        (lambda c: c.update(P, Update(), 3), TypeError, "condition: expected a Cursor or a Cond"),
        (
            lambda c: c.update(P, Update(), condition(("e", 1))),
            TypeError,
            "condition.cursor: expected a Cursor, found tuple",
        ),
        (
            lambda c: c.update(P, Update(), condition(CURSOR, "ab")),
            TypeError,
            "condition.ids: expected a tuple, found str",
        ),
        (
            lambda c: c.update(P, Update(), condition(CURSOR, ("a", 3))),
            TypeError,
            r"condition.ids\[1\]: expected a str, found 3",
        ),
        (wrong(insert={"x": b'{"id":'}), ValueError, r"insert\['x'\]: .*truncated"),
        (wrong(insert={"x": b""}), ValueError, r"insert\['x'\]: "),
        (wrong(insert={"x": b'{"id":"x"}],"reset":true,"remove":["g"'}), ValueError, "trailing"),
        (wrong(insert={"x": b'{"id":"x"} {"id":"x"}'}), ValueError, "trailing"),
        (
            wrong(insert={"x": b'["x"]'}),
            ValueError,
            r"insert\['x'\]: expected an object, found an array",
        ),
        (wrong(insert={"x": b'{"n":1}'}), ValueError, r"insert\['x'\]: id: is missing"),
        (
            wrong(insert={"x": b'{"id":7}'}),
            ValueError,
            r"insert\['x'\]: id: expected a string, found a number",
        ),
        (wrong(insert={"x": b'{"id":"y"}'}), ValueError, r"\['x'\]: the text is that of .* 'y'"),
        (wrong(insert={"x": b'{"id":"x","id":"y"}'}), ValueError, "that of another item, 'y'"),
        (wrong(insert={"x": b'{"id":"x","s":"\xff"}'}), ValueError, "it is not UTF-8"),
        (
            wrong(insert={"x": b'{"id":"x","n":' + b"[" * 9999 + b"]" * 9999 + b"}"}),
            ValueError,
            "x",
        ),
        (wrong(insert={"x": '{"id":"x"}'}), TypeError, r"insert\['x'\]: .* as bytes, found str"),
        (wrong(insert={"x": None}), TypeError, r"insert\['x'\]: .* as bytes, found None"),
        (wrong(insert={"x": {"id": "x"}}), TypeError, r"insert\['x'\]: .* as bytes, found dict"),
        (wrong(insert=[{"id": "x"}]), TypeError, "insert: expected a mapping from id .*found list"),
        (wrong(insert=None), TypeError, "insert: expected a mapping from id .*found None"),
        (wrong(insert={3: b'{"id":"3"}'}), TypeError, r"insert\[3\]: expected an id, a str"),
        (wrong(remove="abc"), TypeError, "remove: expected a tuple of ids, found str"),
        (wrong(remove=None), TypeError, "remove: expected a tuple of ids, found None"),
        (wrong(remove=("a", 3)), TypeError, r"remove\[1\]: expected an id, a str, found 3"),
        (wrong(remove=("\ud800",)), ValueError, r"remove\[0\]: holds half of a surrogate pair"),
        (wrong(reset=1), TypeError, "reset: expected a bool, found 1"),
        (lambda c: c.update(P, Update(), ("e", 1)), TypeError, "condition: expected a Cursor or a"),
        (lambda c: c.request("POST", P), ValueError, "cmd: expected GET or PUT, found 'POST'"),
        (lambda c: c.request("GET", None), TypeError, "path: expected a str, found None"),
        (lambda c: c.request("PUT", P, "{}"), TypeError, "arg: expected JSON text as bytes"),
        (lambda c: c.request("PUT", P, b"{} }"), ValueError, "arg: JSON is malformed"),
        (lambda c: c.request("PUT", P, b""), ValueError, "arg: "),
    ],
)
def test_mistakes(
    use: Callable[[ClientProtocol], object], error: type[Exception], problem: str
) -> None:
    client = opened()
    with pytest.raises(error, match=problem):
        use(client)
    assert client.unsettled == 0
    ticket, effects = client.update(P, Update(), Condition(CURSOR, ("a",)))
    assert [type(effect) for effect in effects] == [SendText]
    assert client.unsettled == ticket == 1


def test_texts_are_sent_as_they_stand() -> None:
    text = '{"n": 1.10,\n "id": "ä\\u00e4", "s": "€"}'.encode()
    _, [sent] = opened().update(P, Update(("gone",), {"ää": text}))
    assert isinstance(sent, SendText)
    assert text in sent.message


def test_a_cursor_is_a_condition_on_the_whole_collection() -> None:
    _, [short] = opened().update(P, Update(), CURSOR)
    _, [long] = opened().update(P, Update(), Condition(CURSOR))
    assert short == long
    assert isinstance(short, SendText)
    assert b'"if":{"epoch":"e","version":1}' in short.message


@pytest.mark.parametrize(
    "use",
    [
        ClientProtocol.connection_opened,
        lambda c: c.receive_text("{}"),
        lambda c: c.acquire(P),
        lambda c: c.release(P),
        lambda c: c.update(P, Update()),
        lambda c: c.request("GET", P),
    ],
)
def test_nothing_is_put_in_after_the_end(use: Callable[[ClientProtocol], object]) -> None:
    client = opened()
    client.acquire(P)
    client.close()
    with pytest.raises(LocalProtocolError, match="the client is closed"):
        use(client)
    assert client.items(P) == {}
    assert client.unsettled == 0
    assert client.connection_lost() == []  # a transport says so when it has been closed
    assert client.close() == []
    assert not client.withdraw(1)
