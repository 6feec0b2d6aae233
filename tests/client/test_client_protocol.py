"""The client's state machine, driven by hand: what goes out, what the application is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sharedstate_core import Condition, Cursor, Diff, LocalProtocolError, RequestError, Update
from sharedstate_core.client import (
    Changed,
    ClientEffect,
    ClientProtocol,
    ConnectionLostError,
    Fault,
    Refused,
    SendText,
    Settled,
    Synced,
)
from sharedstate_core.client.requests import WINDOW

PATH = "/app/items/list"


def sent(effects: list[ClientEffect]) -> list[Any]:
    return [json.loads(effect.message) for effect in effects if isinstance(effect, SendText)]


def told(effects: list[ClientEffect]) -> list[ClientEffect]:
    return [effect for effect in effects if not isinstance(effect, SendText)]


def notification(
    insert: list[dict[str, Any]] | None = None,
    remove: list[str] | None = None,
    *,
    base: int | None,
    version: int = 0,
    reset: bool = False,
    epoch: str = "e",
    path: str = PATH,
    **more: Any,
) -> str:
    data = {"remove": remove or [], "insert": insert or [], "reset": reset}
    message: dict[str, Any] = {"type": "MESSAGE", "cmd": "NOTIFY", "path": path, "data": data}
    if base is not None:
        message |= {"epoch": epoch, "base": base, "version": version}
    return json.dumps(message | more, separators=(",", ":"))


def subscribed(request: Any, *, ok: bool = True, **more: Any) -> str:
    data = [[path, sub] for path, sub in request["arg"]["insert"]] if ok else "no"
    reply = {"type": "REPLY", "cmd": "PUT", "tunnel": request["tunnel"], "ok": ok, "data": data}
    return json.dumps(reply | more)


def reply(tunnel: object, data: object = 1, *, ok: bool = True, **more: Any) -> str:
    return json.dumps(
        {"type": "REPLY", "cmd": "PUT", "tunnel": tunnel, "ok": ok, "data": data} | more
    )


def text(id: str, **members: Any) -> bytes:
    return json.dumps({"id": id} | members, separators=(",", ":")).encode()


def in_sync(*items: str, version: int = 5) -> ClientProtocol:
    """Return a client that holds these items."""
    client = ClientProtocol()
    client.connection_opened()
    [request] = sent(client.acquire(PATH))
    client.receive_text(subscribed(request))
    whole = notification([{"id": id} for id in items], base=0, version=version, reset=True)
    client.receive_text(whole)
    return client


def test_acquire_subscribes_and_a_snapshot_synchronises() -> None:
    client = ClientProtocol()
    assert client.connection_opened() == []
    [request] = sent(client.acquire("app//items/list/"))
    assert request["path"] == "/subs"
    assert request["arg"] == {"insert": [[PATH, {"parts": True}]]}
    assert client.receive_text(subscribed(request)) == []
    effects = client.receive_text(notification([{"id": "a"}], base=0, version=3, reset=True))
    assert effects == [Changed(PATH, [Diff("a", text("a"), None)]), Synced(PATH)]
    assert client.items(PATH) == {"a": text("a")}
    assert client.cursor(PATH) == Cursor("e", 3)


def test_acquire_before_the_connection() -> None:
    client = ClientProtocol()
    assert client.acquire(PATH) == []
    assert [r["arg"]["insert"][0][0] for r in sent(client.connection_opened())] == [PATH]


def test_a_change_is_told_once_with_one_diff_for_each_id() -> None:
    client = in_sync("a", "b", "c")
    change = notification([{"id": "a", "x": 1}, {"id": "d"}], ["b", "z"], base=5, version=7)
    [changed] = client.receive_text(change)
    assert isinstance(changed, Changed)
    assert set(changed.diffs) == {
        Diff("b", None, text("b")),
        Diff("a", text("a", x=1), text("a")),
        Diff("d", text("d"), None),
    }
    assert list(client.items(PATH)) == ["a", "c", "d"]
    assert client.cursor(PATH) == Cursor("e", 7)


def test_order_of_insertion() -> None:
    client = in_sync("a", "b", "c")
    client.receive_text(notification([{"id": "b", "x": 1}, {"id": "a"}], ["a"], base=5, version=6))
    assert list(client.items(PATH)) == ["b", "c", "a"]


def test_no_effect_no_diffs() -> None:
    client = in_sync("a")
    assert client.receive_text(notification([], ["z"], base=5, version=6)) == []
    assert client.cursor(PATH) == Cursor("e", 6)


def test_resume_tells_the_net_difference() -> None:
    client = in_sync("a", "b")
    assert client.connection_lost() == []
    [request] = sent(client.connection_opened())
    assert request["arg"]["insert"] == [
        [PATH, {"parts": True, "since": {"epoch": "e", "version": 5}}]
    ]
    client.receive_text(subscribed(request))
    effects = client.receive_text(notification([{"id": "c"}], ["a"], base=5, version=9))
    assert told(effects)[-1] == Synced(PATH)
    assert list(client.items(PATH)) == ["b", "c"]


def test_a_snapshot_after_reconnecting_tells_the_net_difference() -> None:
    client = in_sync("a", "b")
    client.connection_lost()
    [request] = sent(client.connection_opened())
    client.receive_text(subscribed(request))
    whole = notification([{"id": "b"}, {"id": "c"}], base=0, version=2, reset=True, epoch="another")
    effects = client.receive_text(whole)
    diffs = [Diff("a", None, text("a")), Diff("c", text("c"), None)]
    assert effects == [Changed(PATH, diffs), Synced(PATH)]
    assert client.cursor(PATH) == Cursor("another", 2)


def test_parts_are_one_step() -> None:
    client = in_sync("a")
    first = notification([{"id": "x"}], base=0, version=8, reset=True, more=True)
    second = notification([{"id": "y"}], base=0, version=8, more=True)
    last = notification([{"id": "z"}], base=0, version=8)
    assert client.receive_text(first) == client.receive_text(second) == []
    assert list(client.items(PATH)) == ["a"]
    [changed] = client.receive_text(last)
    assert isinstance(changed, Changed)
    assert [diff.id for diff in changed.diffs] == ["a", "x", "y", "z"]
    assert list(client.items(PATH)) == ["x", "y", "z"]


def test_parts_of_a_lost_connection_are_forgotten() -> None:
    client = in_sync("a")
    client.receive_text(notification([{"id": "x"}], base=0, version=8, reset=True, more=True))
    client.connection_lost()
    [request] = sent(client.connection_opened())
    client.receive_text(subscribed(request))
    client.receive_text(notification([{"id": "b"}], base=5, version=8))
    assert list(client.items(PATH)) == ["a", "b"]


def test_a_gap_is_mended_from_the_version_held_then_from_nothing_then_given_up() -> None:
    client = in_sync("a")
    gap = notification([{"id": "b"}], base=7, version=8)
    first, second = sent(client.receive_text(gap))
    assert first["arg"] == {"remove": [PATH]}
    assert second["arg"]["insert"][0][1]["since"] == {"epoch": "e", "version": 5}
    assert client.receive_text(gap) == []  # of the subscription before
    client.receive_text(subscribed(second))
    _, third = sent(client.receive_text(gap))
    assert third["arg"]["insert"] == [[PATH, {"parts": True}]]
    client.receive_text(subscribed(third))
    effects = client.receive_text(gap)
    assert [type(effect) for effect in told(effects)] == [Refused]
    assert client.items(PATH) == {"a": text("a")}
    [again] = sent(client.acquire(PATH))
    assert again["arg"]["insert"][0][0] == PATH


def test_another_epoch_is_mended_from_nothing() -> None:
    client = in_sync("a")
    _, request = sent(client.receive_text(notification([], base=5, version=6, epoch="other")))
    assert request["arg"]["insert"] == [[PATH, {"parts": True}]]


def test_a_level_1_server() -> None:
    client = ClientProtocol()
    client.connection_opened()
    [request] = sent(client.acquire(PATH))
    client.receive_text(subscribed(request))
    client.receive_text(notification([{"id": "a"}], base=None, reset=True))
    client.receive_text(notification([{"id": "b"}], base=None))
    assert list(client.items(PATH)) == ["a", "b"]
    assert client.cursor(PATH) is None
    client.connection_lost()
    [request] = sent(client.connection_opened())
    assert request["arg"]["insert"] == [[PATH, {"parts": True}]]


def test_release() -> None:
    client = in_sync("a")
    [request] = sent(client.release(PATH))
    assert request["arg"] == {"remove": [PATH]}
    assert client.receive_text(notification([{"id": "b"}], base=5, version=6)) == []
    with pytest.raises(LocalProtocolError):
        client.items(PATH)
    with pytest.raises(LocalProtocolError):
        client.release(PATH)
    with pytest.raises(RequestError, match="three segments"):
        client.acquire("/only/two")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"errors": [[PATH, {"code": "no_service", "message": "none"}]]}, "no_service"),
        ({}, "refused"),
    ],
)
def test_a_path_that_the_server_refuses(answer: dict[str, Any], code: str) -> None:
    client = ClientProtocol()
    client.connection_opened()
    [request] = sent(client.acquire(PATH))
    left_out = {"tunnel": request["tunnel"], "arg": {"insert": []}}
    [refused] = client.receive_text(subscribed(left_out, **answer))
    assert isinstance(refused, Refused)
    assert isinstance(refused.error, RequestError)
    assert refused.error.code == code
    assert client.receive_text(notification([{"id": "a"}], base=0, reset=True)) == []


def test_a_failed_subs_request_refuses_its_paths() -> None:
    client = ClientProtocol()
    client.connection_opened()
    [request] = sent(client.acquire(PATH))
    error = {"code": "too_many", "message": "too many"}
    [refused] = client.receive_text(subscribed(request, ok=False, error=error))
    assert isinstance(refused, Refused)
    assert str(refused.error) == "too many"


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
    client = ClientProtocol(max_waiting=2)
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
        '{"type":"MESSAGE","x":' + "[" * 5000 + "]" * 5000 + "}",
    ],
)
def test_a_bad_message_is_a_fault(bad: str) -> None:
    client = in_sync("a")
    fault, *_ = client.receive_text(bad)  # what must follow is in tests/vectors
    assert isinstance(fault, Fault)
    assert client.items(PATH) == {"a": text("a")}


@pytest.mark.parametrize(
    "unknown",
    [
        '{"type":"NEWS"}',
        '{"type":"MESSAGE","cmd":"SING"}',
        reply(99),
        reply(None),
        reply("unsubscribe"),
        notification([{"id": "b"}], base=5, version=6, path="/some/other/list"),
    ],
)
def test_what_is_not_for_us_is_ignored(unknown: str) -> None:
    client = in_sync("a")
    assert client.receive_text(unknown) == []


def test_misuse() -> None:
    client = in_sync()
    with pytest.raises(LocalProtocolError):
        client.connection_opened()
    with pytest.raises(LocalProtocolError):
        client.cursor("/not/held/here")
