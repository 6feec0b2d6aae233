"""Parts of collections in the client's state machine, driven by hand; the rest is in `tests/vectors/view-*.json`."""

from __future__ import annotations

from typing import Any

import pytest

from sharedstate_core import Diff, LocalProtocolError
from sharedstate_core.client import (
    Changed,
    ClientProtocol,
    Key,
    Moved,
    Refused,
    Settled,
    Synced,
    make_filter,
)

from .by_hand import PATH, notification, reply, sent, subscribed, text, told

ODD = make_filter({"n": 1}, view="odd")


def watching(*filters: Any, key: str | None = None) -> tuple[ClientProtocol, Any]:
    """Return a client that has asked for these parts of a collection, and its request."""
    client = ClientProtocol(key=key)
    for each in filters:
        client.acquire(PATH, each)
    return client, sent(client.connection_opened())[-1]


def features(*names: str, tunnel: str = "session1") -> str:
    return reply(tunnel, {"user": None, "limits": {}, "features": list(names)})


def test_a_part_and_the_whole_are_two_replicas() -> None:
    client, request = watching(make_filter(), ODD)
    client.receive_text(subscribed(request))
    client.receive_text(notification([{"id": "a"}, {"id": "b"}], base=0, version=3, reset=True))
    part = notification([{"id": "b"}], base=0, version=3, reset=True, view="odd", at=[[2, 0]])
    changed = Changed(PATH, [Diff("b", text("b"), None)], "odd")
    assert client.receive_text(part) == [changed, Synced(PATH, "odd")]
    assert (list(client.items(PATH)), list(client.items(PATH, "odd"))) == (["a", "b"], ["b"])
    assert (client.first(PATH), client.first(PATH, "odd")) == (None, (2, 0))


def test_a_view_that_nothing_touched_moves_on() -> None:
    client, request = watching(ODD)
    client.receive_text(subscribed(request))
    client.receive_text(notification([], base=0, version=3, reset=True, view="odd", at=[]))
    on = notification([], base=3, version=9, view="odd", at=[])
    assert client.receive_text(on) == [Moved(PATH, "odd")]
    cursor = client.cursor(PATH, "odd")
    assert cursor is not None
    assert cursor.version == 9


def test_one_view_has_one_filter() -> None:
    client, _ = watching(ODD)
    client.acquire(PATH, ODD)
    with pytest.raises(LocalProtocolError, match="another filter"):
        client.acquire(PATH, make_filter({"n": 2}, view="odd"))
    with pytest.raises(TypeError, match="asked: expected a Filter"):
        client.acquire(PATH, {"where": {}})  # type: ignore[arg-type]
    with pytest.raises(LocalProtocolError, match="/app/items/list even is not acquired"):
        client.release(PATH, "even")


@pytest.mark.parametrize("view", ["odd", None])
def test_a_server_that_sends_everything_is_not_believed(view: str | None) -> None:
    """Not even without a session, in which it would say what it can do."""
    asked = ODD._replace(view=view)
    client, request = watching(asked)
    snapshot = notification([{"id": "a"}, {"id": "b"}], base=0, version=3, reset=True)
    assert client.receive_text(snapshot) == []  # perhaps that of an earlier subscription
    client.receive_text(reply(request["tunnel"], [[PATH, {"view": view}]]))
    effects = told(client.receive_text(snapshot))
    assert dict(client.items(PATH, view)) == {}
    if view is None:
        [refused] = effects
        assert isinstance(refused, Refused)
        assert (refused.error.code, str(refused.error)) == ("failed", "the server knows no filters")
    else:  # it answers for the path alone
        assert effects == []


def test_what_a_server_cannot_do_is_known_for_one_connection() -> None:
    client, _ = watching(ODD, key="k" * 22)
    [refused] = told(client.receive_text(features("last")))[1:]
    assert isinstance(refused, Refused)
    assert refused.view == "odd"
    client.connection_lost()
    [_, again] = sent(client.connection_opened())
    assert len(sent(client.request("GET", PATH, b'{"where": {}}')[1])) == 1, "nobody knows yet"
    assert again["arg"]["insert"][0][1]["view"] == "odd"
    client.receive_text(features("where", tunnel="session2"))
    client.receive_text(subscribed(again))
    client.receive_text(notification([{"id": "b"}], base=0, reset=True, view="odd", at=[[1, 0]]))
    assert list(client.items(PATH, "odd")) == ["b"]


def test_a_server_that_answers_late_may_be_asked_again() -> None:
    client, request = watching(ODD, key="k" * 22)
    effects = told(client.receive_text(subscribed(request)))
    assert [each.view for each in effects if isinstance(each, Refused)] == ["odd"]
    client.receive_text(features("where"))
    [again] = sent(client.acquire(PATH, ODD))
    assert again["arg"]["insert"] == [[PATH, {"parts": True, "view": "odd", "where": {"n": 1}}]]


def test_one_that_hangs_up_over_its_session_may_know_filters_all_the_same() -> None:
    client, _ = watching(ODD, key="k" * 22)
    client.connection_lost()
    [request] = sent(client.connection_opened())
    assert request["path"] == "/subs"
    client.receive_text(subscribed(request))
    client.receive_text(notification([{"id": "b"}], base=0, reset=True, view="odd", at=[[1, 0]]))
    assert list(client.items(PATH, "odd")) == ["b"]
    client.connection_lost()
    [_, request] = sent(client.connection_opened())
    assert request["path"] == "/subs"


def test_a_page_without_places_is_the_whole_collection() -> None:
    client, _ = watching(key="k" * 22)
    client.receive_text(features("last"))
    shapes: list[dict[str, Any]] = [{}, {"at": [[1, 0]]}, {"at": [[1]]}]
    for at in shapes:
        ticket, [_] = client.request("GET", PATH, b'{"last": 2}')
        [settled] = client.receive_text(reply(ticket, [{"id": "a"}, {"id": "b"}], **at))
        assert isinstance(settled, Settled)
        assert (str(settled.error), settled.data) == ("the server knows no filters", b"")
    ticket, [_] = client.request("GET", PATH, b'{"last": 2}')
    page = reply(ticket, [{"id": "a"}], at=[[1, 0]], more=True)
    assert client.receive_text(page) == [Settled(ticket, b'[{"id": "a"}]', at=[(1, 0)], more=True)]
    ticket, [settled] = client.request("GET", PATH, b'{"where": {}}')
    assert isinstance(settled, Settled)
    assert settled.error is not None


@pytest.mark.parametrize(
    "reply_data", [[[PATH]], [PATH], [[PATH, "odd"]], [[PATH, {"view": ["odd"]}]], [[]], [None]]
)
def test_a_reply_that_does_not_name_the_view_refuses_it(reply_data: Any) -> None:
    client, request = watching(ODD)
    [refused] = client.receive_text(reply(request["tunnel"], reply_data))
    assert isinstance(refused, Refused)
    assert refused.error.code == "refused"


def test_errors_of_views_by_their_names() -> None:
    client, request = watching(make_filter(), ODD)
    errors = [[PATH, {"code": "too_many"}, "odd"], [PATH], "x", [], [PATH, {}, 5]]
    effects = client.receive_text(reply(request["tunnel"], [[PATH, {}]], errors=errors))
    [refused] = effects
    assert isinstance(refused, Refused)
    assert (Key(refused.path, refused.view), refused.error.code) == (Key(PATH, "odd"), "too_many")


def test_a_filter_that_holds_for_everything_needs_no_places() -> None:
    client, request = watching(make_filter({}, view="all"))
    client.receive_text(subscribed(request))
    everything = notification([{"id": "a"}], base=0, version=3, reset=True, view="all")
    assert len(client.receive_text(everything)) == 2
    assert list(client.items(PATH, "all")) == ["a"]
