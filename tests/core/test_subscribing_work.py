"""Large requests for subscriptions: how long a turn is, by the work that it does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_core import (
    Access,
    Commit,
    CommitResult,
    Committed,
    Limits,
    Load,
    Loaded,
    Row,
    Send,
    Server,
    Update,
)
from sharedstate_core.rules.rules import Rules
from sharedstate_core.server.subscription_change import SubscriptionChange
from tests.support.work import LONG_TURN, Work, counting

if TYPE_CHECKING:
    from collections.abc import Callable


def worst_filter(n: int) -> dict[str, Any]:
    """About as many tests, and as long, as a filter may have."""
    tests = [{f"m{n}x{k}": {"gt": f"{'y' * 20}{k}"}} for k in range(63)]
    return {"where": {"or": tests}, "view": f"v{n}"}


READ: Any = {"path": "/a/items/{x}", "read": "x in user.lists"}
READ_ITEMS: Any = {"path": "/a/items/{x}", "read": "item.list in user.lists"}


@pytest.mark.parametrize(
    ("rule", "lists", "number", "sub", "least"),
    [
        (None, 0, 1_000, lambda _: {}, 10),
        (None, 0, 30, worst_filter, 15),
        (READ, 1_500, 1_000, lambda _: {}, 30),
        (READ_ITEMS, 700, 20, lambda _: {}, 15),
    ],
)
def test_no_turn_is_long(
    rule: Any, lists: int, number: int, sub: Callable[[int], dict[str, Any]], least: int
) -> None:
    allowed = None if rule is None else Access(rules=Rules.parse([rule]))
    server: Server[int] = Server(["items"], Limits(loads=1_000), access=allowed)
    server.connection_opened(0)
    if rule is not None:
        server.set_clock(1e9, 0.0)
        token = {"type": "REQUEST", "cmd": "PUT", "path": "/session", "arg": {"token": "x"}}
        [*_, proof] = server.receive_text(0, json.dumps(token), 0.0)
        claims = {"id": "u", "lists": [f"l{n}" for n in range(lists)]}
        server.authenticated(proof.ticket, claims, 0.0)  # type: ignore[union-attr]
    work = turns_of(server, [[f"/a/items/l{n}", sub(n)] for n in range(number)])
    assert max(work) < LONG_TURN
    assert len(work) > least
    assert server.census().subscriptions == number


def test_what_is_refused_in_the_end_takes_turns_too() -> None:
    server: Server[int] = Server(["items"], Limits(views=1))
    server.connection_opened(0)
    work = turns_of(server, [["/a/items/c", worst_filter(n)] for n in range(20)])
    assert server.census().subscriptions == 1
    assert max(work) < LONG_TURN
    assert len(work) > 10


def turns_of(server: Server[int], insert: list[Any], most: int = 1_000) -> list[Work]:
    """The work of each turn in which all subscriptions are replaced; `most` of them are counted."""
    arg = {"insert": insert, "reset": True}
    message = json.dumps({"type": "REQUEST", "cmd": "PUT", "path": "/subs", "arg": arg})
    with counting() as meter:
        server.receive_text(0, message, 0.0)
        work = [meter.take()]
        while server.next_wakeup() == 0.0 and len(work) < most:
            server.wake(0.0)
            work.append(meter.take())
    return work


@pytest.mark.parametrize("ends", ["all is replaced", "the connection ends", "all is decided anew"])
def test_no_turn_is_long_when_as_many_go(ends: str) -> None:
    server: Server[int] = Server(["items"], Limits(loads=10_000))
    server.connection_opened(0)
    turns_of(server, [[f"/a/items/old{n}", {}] for n in range(1_000)])
    new = [[f"/a/items/new{n}", {}] for n in range(1_000)]
    if ends == "all is replaced":
        work = turns_of(server, new)
    else:
        turns_of(server, new, 10)
        change = server._sessions[0].under_way
        assert isinstance(change, SubscriptionChange)
        assert len(change._admitted) == 1_000
        with counting() as meter:
            if ends == "the connection ends":
                server.connection_closed(0, 0.0)
            else:
                server._registry.rules_version.number += 1
            work = [meter.take()]
            while server.next_wakeup() == 0.0:
                server.wake(0.0)
                work.append(meter.take())
    assert max(work) < LONG_TURN
    assert len(work) > 10
    left = 0 if ends == "the connection ends" else 1_000
    assert server.census().subscriptions == left
    there = [
        each for session in server._sessions.values() for each in session.subscriptions.values()
    ]
    assert server._registry.subscribed == sum(each.size for each in there)


# --- how long it takes to show what has begun -----------------------------------------------------


def asked_of_loaded(collections: int, views: int) -> tuple[Server[int], list[Work]]:
    """A reader of views of collections that are in memory; and the work of each turn until all are shown."""
    server: Server[int] = Server(["items"], Limits(loads=1_000))
    paths = [f"/a/items/{n}" for n in range(collections)]
    for connection, subs in ((1, [{}]), (0, [view(n) for n in range(views)])):
        server.connection_opened(connection)
        insert = [[path, sub] for path in paths for sub in subs]
        arg = {"insert": insert, "brief": True}
        message = json.dumps({"type": "REQUEST", "cmd": "PUT", "path": "/subs", "arg": arg})
        with counting() as meter:
            todo = [*server.receive_text(connection, message, 0.0)]
            work = [meter.take()]
            while todo or server.next_wakeup() == 0.0:
                for effect in todo:
                    if isinstance(effect, Load):
                        server.load_succeeded(effect.ticket, Loaded("e", 1, 0, rows()), 0.0)
                meter.take()
                todo = server.wake(0.0)
                work.append(meter.take())
    return server, work


def view(n: int) -> dict[str, Any]:
    return {"where": {"room": n % 10, "n": {"gt": n}}, "view": f"v{n}"}


def rows() -> list[Row]:
    items = [{"id": f"{n}", "n": n, "room": n % 10} for n in range(20)]
    return [Row(each["id"], json.dumps(each).encode(), 1, n, 1) for n, each in enumerate(items)]  # type: ignore[arg-type]


@pytest.mark.parametrize(("collections", "views"), [(50, 10), (5, 100), (3, 200)])
def test_views_that_begin_are_shown_by_turns(collections: int, views: int) -> None:
    server, work = asked_of_loaded(collections, views)
    assert max(work) < LONG_TURN
    assert len(work) > 20
    assert server.census().subscriptions == collections * (1 + views)


def test_a_reader_of_many_views_that_has_drained_is_shown_them_by_turns() -> None:
    server, _ = asked_of_loaded(20, 20)
    server.connection_blocked(0, 0.0)
    for n in range(20):
        update = Update(insert={"new": b'{"id":"new","n":99,"room":1}'})
        [commit] = server.put(f"/a/items/{n}", update, 0.0)
        assert isinstance(commit, Commit)
        server.commit_succeeded(commit.ticket, CommitResult("e", [Committed(2)]), 0.0)
    with counting() as meter:
        effects = [*server.connection_drained(0, 0.0)]
        work = [meter.take()]
        while server.next_wakeup() == 0.0:
            effects += server.wake(0.0)
            work.append(meter.take())
    assert max(work) < LONG_TURN
    assert len(work) > 10
    assert sum(b'"id":"new"' in bytes(e.message) for e in effects if isinstance(e, Send)) == 40
