"""The client's state machine, driven by hand: requests, what it cannot make sense of, and misuse."""

from __future__ import annotations

import pytest

from sharedstate_core import Condition, Cursor, LocalProtocolError, RequestError, Update
from sharedstate_core.client import (
    Changed,
    ClientProtocol,
    ConnectionLostError,
    Fault,
    Refused,
    SendText,
    Settled,
)
from sharedstate_core.client.requests import WINDOW, ServerRefusedError

from .by_hand import PATH, in_sync, notification, reply, sent, subscribed, text


def test_requests_are_settled_by_their_replies() -> None:
    client = ClientProtocol()
    client.connection_opened()
    update = Update(("b",), {"a": text("a")})
    condition = Condition(Cursor("e", 4), ("a",))
    first, effects = client.update(PATH, update, condition)
    [request] = sent(effects)
    assert request["arg"] == {
        "remove": ["b"],
        "insert": [{"id": "a"}],
        "if": {"epoch": "e", "version": 4, "ids": ["a"]},
    }
    second, effects = client.update(PATH, Update(reset=True), Condition(Cursor("e", 4)))
    assert sent(effects)[0]["arg"] == {"reset": True, "if": {"epoch": "e", "version": 4}}
    error = {"code": "conflict", "message": "changed", "hint": 1}
    [refused] = client.receive_text(
        reply(second, "changed", ok=False, error=error, epoch="e", version=9)
    )
    assert isinstance(refused, Settled)
    assert isinstance(refused.error, RequestError)
    assert refused.error.code == "conflict"
    assert refused.cursor == Cursor("e", 9)
    assert client.unsettled == 1
    done = client.receive_text(reply(first, 2, epoch="e", version=5))
    assert done == [Settled(first, b"2", Cursor("e", 5))]
    assert client.receive_text(reply(first, 2)) == []
    assert client.unsettled == 0


@pytest.mark.parametrize(
    ("error", "known"),
    [
        ({"reason": "expired"}, ("expired", None, None, None)),
        ({"place": "insert[3]", "rule": "rules[0]"}, (None, "insert[3]", "rules[0]", None)),
        ({"retry_after": 2}, (None, None, None, 2)),
        ({"retry_after": 0.5}, (None, None, None, 0.5)),
        (
            {"reason": 1, "place": ["insert", 3], "rule": None, "retry_after": "2", "hint": 1},
            (None, None, None, None),
        ),
        ({"retry_after": True}, (None, None, None, None)),
    ],
)
def test_an_error_has_what_the_server_says_of_it(
    error: dict[str, object], known: tuple[object, ...]
) -> None:
    client = ClientProtocol()
    client.connection_opened()
    ticket, _ = client.update(PATH, Update(reset=True))
    told = {"code": "forbidden", "message": "no", **error}
    [refused] = client.receive_text(reply(ticket, "no", ok=False, error=told))
    assert isinstance(refused, Settled)
    assert isinstance(refused.error, ServerRefusedError)
    told_of = refused.error
    assert (told_of.reason, told_of.place, told_of.rule, told_of.retry_after) == known
    assert refused.error.details == error


def test_a_lost_connection_settles_what_was_sent() -> None:
    client = ClientProtocol()
    client.connection_opened()
    ticket, _ = client.request("GET", PATH)
    [settled] = client.connection_lost()
    assert isinstance(settled, Settled)
    assert settled.ticket == ticket
    assert isinstance(settled.error, ConnectionLostError)
    assert client.receive_text(reply(ticket)) == []


def test_requests_wait_for_a_connection_in_order_and_in_bounds() -> None:
    client = ClientProtocol(max_queue=2)
    tickets = [client.request("GET", f"/a/b/{n}")[0] for n in range(2)]
    ticket, [refused] = client.request("GET", PATH)
    assert isinstance(refused, Settled)
    assert refused.ticket == ticket
    assert isinstance(refused.error, RequestError)
    assert refused.error.code == "too_many"
    client.acquire(PATH)
    requests = sent(client.connection_opened())
    assert [r["path"] for r in requests] == ["/subs", "/a/b/0", "/a/b/1"]
    assert [r["tunnel"] for r in requests[1:]] == tickets


def test_a_bounded_number_of_requests_is_unanswered() -> None:
    client = ClientProtocol()
    client.connection_opened()
    out = [effect for _ in range(WINDOW + 2) for effect in client.request("GET", PATH)[1]]
    assert len(out) == WINDOW
    effects = client.receive_text(reply(1))
    assert [type(effect) for effect in effects] == [Settled, SendText]
    lost = client.connection_lost()
    assert len(lost) == WINDOW
    assert len(sent(client.connection_opened())) == 1


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "nonsense",
        "[]",
        '{"type":"MESSAGE","cmd":"NOTIFY","path":3}',
        notification([{"no": "id"}], base=5),
        "\ud800",
        "[" * 5000,
        "]" * 5000,
        notification([{"id": "b"}], base=5)[:-1],
        notification([], base=5).replace("false", "NaN"),
    ],
)
def test_a_bad_message_is_a_fault(bad: str) -> None:
    client = in_sync("a")
    fault, *_ = client.receive_text(bad)  # what must follow is in tests/vectors
    assert isinstance(fault, Fault)
    assert fault.fatal == (PATH not in bad or not bad.endswith("}") or "NaN" in bad)
    assert client.items(PATH) == {"a": text("a")}


BIG = "1" * 5000
DEEP = "[" * 5000 + '"]",{}' + "]" * 5000


@pytest.mark.parametrize(
    ("members", "data", "code"),
    [
        (r'"ok":true,"data":"\ud800"', '"\\ufffd"', None),
        (r'"ok":true,"data":["\ud83d\ude00\\ud800",1.10]', r'["\ud83d\ude00\\ud800",1.10]', None),
        (r'"ok":true,"data":1,"x":"\udc00\ud800\ud800"', "1", None),
        (r'"ok":false,"data":"\ud800","error":{"code":"c","message":"\ud800"}', "", "c"),
        ('"ok":true,"data":1,"epoch":"e","version":' + BIG, "1", None),
        ('"ok":false,"data":"","error":{"code":"c","x":' + BIG + "}", "", "failed"),
        ('"ok":true,"data":1,"errors":[["p",' + BIG + "]]", "1", None),
        ('"ok":true,"data":' + DEEP, "", "bad_message"),
        ('"ok":false,"data":"no","error":{"code":"c","x":' + DEEP + "}", "", "bad_message"),
        (r'"ok":true,"data":"\ud800","x":' + DEEP, "", "bad_message"),
    ],
)
def test_a_reply_settles_its_request_whatever_else_it_says(
    members: str, data: str, code: str | None
) -> None:
    client = ClientProtocol()
    client.connection_opened()
    ticket, _ = client.request("GET", PATH)
    [settled] = client.receive_text(f'{{"type":"REPLY",{members},"tunnel":{ticket}}}')
    assert isinstance(settled, Settled)
    assert settled.data.decode() == data
    assert (settled.error and settled.error.code) == code


def test_a_lone_surrogate_in_an_item_is_read_as_a_replacement_character() -> None:
    client = in_sync("a")
    came = notification([{"id": "b\ud800", "x": "\udfff"}], ["a"], base=5, version=6)
    [changed] = client.receive_text(came)
    assert isinstance(changed, Changed)
    assert client.items(PATH) == {"b\ufffd": rb'{"id":"b\ufffd","x":"\ufffd"}'}


def test_a_snapshot_that_is_nested_too_deep_is_refused() -> None:
    client = in_sync("a")
    items = notification([{"id": "b", "x": 0}], base=5, version=6).replace("0", DEEP, 1)
    fault, _, asked = client.receive_text(items)
    assert isinstance(fault, Fault)
    assert not fault.fatal
    for _ in range(2):  # what changed, then the snapshot
        [request] = sent([asked])
        client.receive_text(subscribed(request))
        _, _, asked = client.receive_text(items)
    assert isinstance(asked, Refused)
    assert asked.error.code == "bad_message"


@pytest.mark.parametrize(
    "unknown",
    [
        '{"type":"NEWS"}',
        '{"type":"MESSAGE","cmd":"SING"}',
        '{"type":"MESSAGE","x":' + "[" * 5000 + "]" * 5000 + "}",
        reply("unsubscribe"),
        reply("subs1"),
        notification([{"id": "b"}], base=5, version=6, path="/some/other/list"),
    ],
)
def test_what_is_not_for_us_is_ignored(unknown: str) -> None:
    client = in_sync("a")
    assert client.receive_text(unknown) == []


@pytest.mark.parametrize("tunnel", [99, 0, -1, None, 1.5, "mine", "subs99", 10**30])
def test_a_refusal_of_nobodys_request_is_a_fault(tunnel: object) -> None:
    """Whom it was for would wait for ever, so the connection is given up if anybody waits."""
    client = in_sync("a")
    refusal = reply(tunnel, "cannot read that", ok=False)
    assert client.receive_text(reply(tunnel)) == [], "what was done is of no concern to anybody"
    [fault] = client.receive_text(refusal)
    assert isinstance(fault, Fault)
    assert "cannot read that" in fault.problem
    assert not fault.fatal
    ticket, _ = client.update(PATH, Update())
    [fault] = client.receive_text(refusal)
    assert isinstance(fault, Fault)
    assert fault.fatal
    [settled] = client.connection_lost()
    assert isinstance(settled, Settled)
    assert settled.ticket == ticket


def test_a_refusal_of_what_waits_is_a_fault() -> None:
    client = ClientProtocol()
    ticket, _ = client.update(PATH, Update())
    [fault] = client.receive_text(reply(ticket, "cannot read that", ok=False))
    assert isinstance(fault, Fault)
    assert client.receive_text(reply(ticket)) == []
    assert client.unsettled == 1


def test_late_answers_are_harmless() -> None:
    client = ClientProtocol()
    withdrawn, _ = client.update(PATH, Update())
    assert client.withdraw(withdrawn)
    client.connection_opened()
    lost, _ = client.update(PATH, Update())
    client.connection_lost()
    answered, _ = client.update(PATH, Update())
    client.connection_opened()
    [_] = client.receive_text(reply(answered))
    for ticket in (withdrawn, lost, answered):
        assert client.receive_text(reply(ticket)) == []


def test_misuse() -> None:
    client = in_sync()
    with pytest.raises(LocalProtocolError):
        client.connection_opened()
    with pytest.raises(LocalProtocolError):
        client.cursor("/not/held/here")
