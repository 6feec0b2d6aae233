"""Storage that another server process writes to, told or untold."""

from __future__ import annotations

import json

import pytest

from sharedstate_core import Commit, Cursor, Limits, Load
from sharedstate_core.testing import World, check_copies

from .scenes import (
    PATH,
    P,
    change,
    changes,
    elsewhere,
    hear,
    kinds,
    put,
    say,
    steps,
    stored,
    under_way,
    watching,
)


def test_a_gap_is_loaded_before_the_reply() -> None:
    world = watching(2, "p")
    elsewhere(world, "q")
    asked = put(world, 0, "r")
    world.finish(under_way(world, Commit).ticket)
    assert hear(world, 0) == hear(world, 1) == []
    load = under_way(world, Load)
    assert load.since == ("epoch-1", 1)
    world.finish(load.ticket)
    messages = hear(world, 0)
    assert kinds(messages) == ["NOTIFY", asked.tunnel]
    assert asked.cursor == ("epoch-1", 3)
    assert steps(world, 1) == [(1, 3, "pqr")]


@pytest.mark.parametrize("reject", [True, False])
def test_a_gap_is_noticed_by_a_write_that_changed_nothing(reject: bool) -> None:
    world = watching(1, "p")
    elsewhere(world, "q")
    asked = put(world, 0, "r") if reject else put(world, 0)
    world.finish(under_way(world, Commit).ticket, reject={0} if reject else ())
    world.finish(under_way(world, Load).ticket)
    assert kinds(hear(world)) == ["NOTIFY", asked.tunnel]
    assert asked.ok is not reject
    assert world.clients[0].copies[P].cursor == ("epoch-1", 2)


def test_a_gap_that_cannot_be_loaded_keeps_the_reply_waiting() -> None:
    world = watching(1, "p", limits=Limits(retry_seconds=(1, 1)))
    elsewhere(world, "q")
    asked = put(world, 0, "r")
    later = put(world, 0, "s")
    world.finish(under_way(world, Commit).ticket)
    world.fail(under_way(world, Load).ticket)
    assert kinds(hear(world)) == [later.tunnel]
    assert later.code == "unavailable"
    assert world.server.is_busy
    world.advance(1)
    world.finish(under_way(world, Load).ticket)
    assert kinds(hear(world)) == ["NOTIFY", asked.tunnel]
    assert list(world.clients[0].copies[P].state) == ["p", "q", "r"]


def test_a_gap_in_what_only_lingers_is_not_loaded() -> None:
    world = watching(1, "p")
    world.clients[0].put_subs({}, [P])
    world.settle()
    elsewhere(world, "q")
    asked = put(world, 0, "r")
    world.finish(under_way(world, Commit).ticket)
    assert not world.operations
    assert kinds(hear(world)) == [asked.tunnel]
    assert not world.server._registry._collections


@pytest.mark.parametrize("vaguely", [True, False])
def test_what_another_process_commits_is_told_when_it_is_known(vaguely: bool) -> None:
    world = watching(2, "p")
    elsewhere(world, "q")
    world.tell(PATH, vaguely=vaguely)
    load = under_way(world, Load)
    assert load.since == ("epoch-1", 1)
    world.finish(load.ticket)
    assert steps(world, 0) == steps(world, 1) == [(1, 2, "pq")]


def test_what_is_known_already_is_not_loaded() -> None:
    world = watching(1, "p")
    world.tell(PATH)
    assert not world.operations
    world.server.collection_changed(PATH._replace(app="nobody"), None, world.now)
    world.cut(0)
    world.tell(PATH)
    assert list(world.server._registry._collections) == [PATH]  # it lingers on: it is up to date
    elsewhere(world, "q")
    world.tell(PATH)
    assert not world.operations
    assert not world.server._registry._collections  # nobody watches: forgotten rather than loaded


def test_a_change_elsewhere_during_a_blind_commit_needs_nothing() -> None:
    world = World()
    put(world, 0, "p")
    elsewhere(world, "q")
    world.tell(PATH)
    world.finish(under_way(world, Commit).ticket)
    assert not world.operations


@pytest.mark.parametrize("vaguely", [True, False])
def test_a_change_elsewhere_during_a_commit_is_loaded_after_it(vaguely: bool) -> None:
    world = watching(1, "p")
    asked = put(world, 0, "q")
    world.execute(under_way(world, Commit).ticket)
    elsewhere(world, "r")
    world.tell(PATH, vaguely=vaguely)
    world.finish(under_way(world, Commit).ticket)
    assert under_way(world, Load).since == ("epoch-1", 2)
    world.finish(under_way(world, Load).ticket)
    told = ["NOTIFY", asked.tunnel] if not vaguely else ["NOTIFY", "NOTIFY", asked.tunnel]
    assert kinds(hear(world)) == (told if vaguely else [*told, "NOTIFY"])
    assert world.clients[0].copies[P].cursor == ("epoch-1", 3)


def test_what_a_commit_under_way_has_brought_is_not_loaded() -> None:
    """Who looks at the store may see our own commit before its outcome is known here."""
    world = watching(1, "p")
    put(world, 0, "q")
    world.execute(under_way(world, Commit).ticket)
    world.tell(PATH)
    world.finish(under_way(world, Commit).ticket)
    assert not world.operations
    assert world.server.loaded("items") == [PATH]


def test_what_is_not_in_memory_is_of_no_interest() -> None:
    world = World(store=stored("p"))
    put(world, 0, "q")
    assert world.server.loaded("items") == []


@pytest.mark.parametrize("first", [True, False])
def test_a_change_elsewhere_during_a_load_is_loaded_after_it(first: bool) -> None:
    """Whether the load under way is the first one or a later one: it may have been read before the change."""
    world = watching(1, "p") if not first else World(store=stored("p"))
    if first:
        world.clients[0].put_subs({P: {}})
        say(world)
    else:
        elsewhere(world, "q")
        world.tell(PATH)
    load = under_way(world, Load)
    world.execute(load.ticket)
    elsewhere(world, "r")
    world.tell(PATH)
    world.finish(load.ticket)
    again = under_way(world, Load)
    assert again.since is not None
    world.finish(again.ticket)
    hear(world)
    assert world.clients[0].copies[P].cursor == world.store.head(PATH)


def test_a_change_elsewhere_while_loads_fail_is_found_by_the_retry() -> None:
    world = watching(1, "p")
    elsewhere(world, "q")
    world.tell(PATH)
    world.fail(under_way(world, Load).ticket)
    elsewhere(world, "r")
    world.tell(PATH)
    assert not world.operations
    world.advance(1)
    world.finish(under_way(world, Load).ticket)
    assert steps(world) == [(1, 3, "pqr")]


def test_one_who_has_seen_more_elsewhere_is_not_taken_back() -> None:
    """It comes from another server process, which was ahead of ours."""
    world = watching(2, "p")
    world.cut(1)
    elsewhere(world, "q")
    world.clients[1].copies[P].cursor = Cursor("epoch-1", 2)
    world.clients[1].copies[P].state = world.store.state(PATH)
    world.connect(1)
    say(world, 1)
    assert kinds(hear(world, 1)) == [1]
    assert under_way(world, Load).since == ("epoch-1", 1)
    world.finish(under_way(world, Load).ticket)
    assert changes(world, 1) == [(2, 2, change())]
    assert steps(world, 0) == [(1, 2, "pq")]


def test_one_who_has_seen_more_than_the_load_under_way_waits_for_another() -> None:
    world = World(2, store=stored("p"))
    world.clients[0].put_subs({P: {}})
    say(world)
    world.execute(under_way(world, Load).ticket)
    elsewhere(world, "q")
    world.clients[1].ask(
        "PUT",
        "/subs",
        {
            "insert": [[P, {"since": {"epoch": "epoch-1", "version": 2}}]],
            "remove": [],
            "reset": True,
        },
    )
    say(world, 1)
    world.finish(under_way(world, Load).ticket)
    assert kinds(hear(world, 1)) == [0]
    world.finish(under_way(world, Load).ticket)
    assert [json.loads(message)["base"] for message in world.links[1].inbox] == [2]


def test_a_store_that_starts_anew_is_told_as_a_snapshot() -> None:
    world = watching(1, "p", "q")
    world.start_anew("epoch-2")
    elsewhere(world, "z")
    world.tell(PATH)
    assert under_way(world, Load).since == ("epoch-1", 2)
    world.finish(under_way(world, Load).ticket)
    assert changes(world) == [(0, 1, change([], "z") | {"reset": True})]
    assert world.clients[0].copies[P].cursor == ("epoch-2", 1)


def test_an_acknowledgement_waits_as_long_as_a_new_subscriber_does() -> None:
    """The writer's subscription begins during a load and claims a later state: only the next load can tell."""
    world = World(store=stored("p"))
    asked = put(world, 0, "q")
    subscribe = {"insert": [[P, {}]], "remove": [], "reset": True}
    world.clients[0].ask("PUT", "/subs", subscribe)
    say(world)
    world.finish(under_way(world, Commit).ticket)
    under_way(world, Load)
    resume = [P, {"since": {"epoch": "epoch-1", "version": 99}}]
    world.clients[0].ask("PUT", "/subs", subscribe | {"insert": [resume]})
    say(world)
    world.finish(under_way(world, Load).ticket)
    assert kinds(hear(world)) == [1, 2]
    world.finish(under_way(world, Load).ticket)
    assert kinds(hear(world)) == ["NOTIFY", asked.tunnel]


def test_an_announced_state_that_never_comes_is_asked_for_once() -> None:
    """Storage knows better than whoever announced it."""
    world = watching(1, "p")
    world._perform(world.server.collection_changed(PATH, Cursor("epoch-1", 99), world.now))
    world.finish(under_way(world, Load).ticket)
    assert not world.operations
    world.settle()
    check_copies(world)


@pytest.mark.parametrize("during", ["load", "commit"])
def test_news_that_come_late_do_not_hide_newer_ones(during: str) -> None:
    world = watching(1, "p")
    if during == "load":
        world.tell(PATH, vaguely=True)
        ticket = under_way(world, Load).ticket
    else:
        put(world, 0, "q")
        ticket = under_way(world, Commit).ticket
    world.execute(ticket)
    elsewhere(world, "r")
    head = world.store.head(PATH)
    for version in (head.version, head.version - 1):
        world._perform(world.server.collection_changed(PATH, Cursor(head.epoch, version), 0.0))
    world.finish(ticket)
    world.finish(under_way(world, Load).ticket)
    hear(world)
    assert world.clients[0].copies[P].cursor == head


def test_what_is_loaded_of_one_service_of_two() -> None:
    world = World(1, store=stored("p"), services=("items", "others"))
    world.clients[0].put_subs({P: {}})
    world.settle()
    assert world.server.loaded("items") == [PATH]
    assert world.server.loaded("others") == []
