"""The client's state machine, driven by hand: what it subscribes to, and what it holds and tells of it."""

from __future__ import annotations

from typing import Any

import pytest

from sharedstate_core import Cursor, Diff, LocalProtocolError, RequestError
from sharedstate_core.client import (
    Changed,
    ClientProtocol,
    Moved,
    Refused,
    Synced,
)
from tests.support.work import work_of

from .by_hand import PATH, in_sync, notification, reply, sent, subscribed, text, told


def test_acquire_subscribes_and_a_snapshot_synchronises() -> None:
    client = ClientProtocol()
    assert client.connection_opened() == []
    [request] = sent(client.acquire("app//items/list/"))
    assert request["path"] == "/subs"
    assert request["arg"] == {"insert": [[PATH, {"parts": True}]], "reset": True}
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


def test_another_version_with_the_same_items_is_told_without_diffs() -> None:
    client = in_sync("a")
    assert client.receive_text(notification([], ["z"], base=5, version=6)) == [Moved(PATH)]
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
    assert first["arg"] == {"remove": [PATH], "brief": True}
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
    assert request["arg"] == {"remove": [PATH], "brief": True}
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


def test_once_the_server_speaks_level_2_requests_name_what_changes_and_answers_are_brief() -> None:
    client = in_sync("a")
    [request] = sent(client.acquire("/app/items/other"))
    assert request["arg"] == {"insert": [["/app/items/other", {"parts": True}]], "brief": True}
    assert client.receive_text(subscribed(request)) == []
    [request] = sent(client.release("/app/items/other"))
    assert request["arg"] == {"remove": ["/app/items/other"], "brief": True}


def test_an_acquire_costs_the_same_however_many_collections_are_held() -> None:
    def work(held: int) -> list[float]:
        client = in_sync("a")
        for number in range(held):
            [request] = sent(client.acquire(f"/app/items/{number}"))
            client.receive_text(subscribed(request))
        found: list[float] = [work_of(lambda: client.acquire("/app/items/more"))]
        client.release("/app/items/more")
        [request] = sent(client.acquire("/app/items/more"))
        answer = subscribed(request)
        found.append(work_of(lambda: client.receive_text(answer)))
        found.append(work_of(lambda: client.release("/app/items/more")))
        return found

    for many, few in zip(work(900), work(10), strict=True):
        assert many < few + 100, (many, few)


def test_what_was_released_is_not_refused() -> None:
    client = in_sync("a")
    [request] = sent(client.acquire("/app/items/other"))
    client.release("/app/items/other")
    assert client.receive_text(reply(request["tunnel"], [])) == []
    [first] = sent(client.acquire("/app/items/other"))
    client.release("/app/items/other")
    [second] = sent(client.acquire("/app/items/other"))
    assert client.receive_text(reply(first["tunnel"], [])) == []
    assert client.receive_text(subscribed(second)) == []


def test_an_answer_is_about_what_its_request_named_whatever_the_server_has_shown_since() -> None:
    client = in_sync("a")
    [request] = sent(client.acquire("/app/items/other"))
    client.receive_text(notification(remove=["a"], base=None))  # as from a server of level 1
    assert client.receive_text(subscribed(request)) == []


def test_an_answer_to_a_whole_list_tells_of_what_has_ended_too() -> None:
    client = ClientProtocol()
    client.connection_opened()
    [request] = sent(client.acquire(PATH))
    client.receive_text(subscribed(request))
    [request] = sent(client.acquire("/app/items/other"))
    [refused] = client.receive_text(reply(request["tunnel"], [["/app/items/other", {}]]))
    assert isinstance(refused, Refused)
    assert refused.path == PATH


def test_an_answer_to_an_earlier_request_does_not_count_for_what_was_asked_for_again() -> None:
    client = ClientProtocol()
    client.connection_opened()
    [first] = sent(client.acquire(PATH))
    [both] = sent(client.acquire("/app/items/other"))
    [refused] = client.receive_text(reply(first["tunnel"], []))
    assert isinstance(refused, Refused)
    [again] = sent(client.acquire(PATH))
    others = [["/app/items/other", {}]]
    assert client.receive_text(reply(both["tunnel"], others)) == []
    [refused] = client.receive_text(reply(again["tunnel"], others))
    assert isinstance(refused, Refused)
