"""Whatever a program hands to the client core that it cannot use is refused at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_core import Condition, Cursor, Update
from sharedstate_core.client import ClientProtocol, SendText

if TYPE_CHECKING:
    from collections.abc import Callable

CURSOR = Cursor("e", 1)
P = "/a/items/c"


def condition(*parts: Any) -> Condition:
    return Condition(*parts)


def opened() -> ClientProtocol:
    client = ClientProtocol()
    client.connection_opened()
    return client


@pytest.mark.parametrize(
    ("value", "error"), [("3", TypeError), (True, TypeError), (-1, ValueError)]
)
def test_how_much_may_wait(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="max_waiting: expected a whole number from 0"):
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
