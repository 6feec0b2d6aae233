"""Updates: what they lead to, and in which order it is told."""

from __future__ import annotations

import pytest

from sharedstate_core import Commit, Limits, Load
from sharedstate_core.testing import World

from .scenes import PATH, P, change, changes, hear, kinds, put, say, stored, under_way, watching


def test_nothing_is_told_before_it_is_stored() -> None:
    world = watching(2)
    put(world, 0, "p")
    assert not world.links[0].inbox
    assert not world.links[1].inbox
    world.finish(under_way(world, Commit).ticket)
    assert changes(world, 1) == [(0, 1, change([], "p"))]


def test_the_writer_hears_of_its_update_before_the_reply() -> None:
    world = watching(1)
    asked = put(world, 0, "p")
    world.finish(under_way(world, Commit).ticket)
    assert kinds(hear(world)) == ["NOTIFY", asked.tunnel]
    assert asked.reply is not None
    assert (asked.reply["data"], asked.cursor) == (1, ("epoch-1", 1))


def test_one_message_serves_every_subscriber_with_the_same_spelling() -> None:
    world = watching(3)
    world.clients[2].put_subs({"a/items//c/": {}}, reset=True)
    world.settle()
    put(world, 0, "p")
    world.finish(under_way(world, Commit).ticket)
    first, second, third = (world.links[n].inbox[0] for n in range(3))
    assert first is second
    assert third != first
    assert [len(changes(world, n)) for n in range(3)] == [1, 1, 1]


@pytest.mark.parametrize("together", [False, True])
def test_pipelined_put_get_put_take_effect_in_order(together: bool) -> None:
    world = World(store=stored("p"))
    client = world.clients[0]
    client.put(P, insert=[{"id": "q"}])
    read = client.ask("GET", P)
    client.put(P, remove=["q"])
    if together:
        world.all_to_server(0)
    else:
        say(world)
    assert len(under_way(world, Commit).writes) == 1  # the read stands in between
    world.finish(under_way(world, Commit).ticket)
    world.finish(under_way(world, Load).ticket)
    assert len(under_way(world, Commit).writes) == 1
    assert kinds(hear(world)) == [0, 1]
    assert [read.cursor, len(read.items or ())] == [("epoch-1", 2), 2]
    world.settle()
    assert list(world.store.state(PATH)) == ["p"]


def test_updates_that_arrive_together_are_committed_together() -> None:
    world = watching(1)
    for path, id in ((P, "p"), ("/a/items/d", "x"), (P, "q"), (P, "r")):
        world.clients[0].put(path, insert=[{"id": id}])
    world.all_to_server(0)
    commits = [operation.effect for operation in world.operations.values()]
    assert [len(commit.writes) for commit in commits if isinstance(commit, Commit)] == [3, 1]
    world.settle()
    assert list(world.store.state(PATH)) == ["p", "q", "r"]


def test_no_more_are_taken_than_reading_goes_on() -> None:
    world = watching(1, limits=Limits(unanswered=4))
    for id in "pqrstu":
        world.clients[0].put(P, insert=[{"id": id}])
    world.all_to_server(0)
    assert len(under_way(world, Commit).writes) == 3  # more than half of what may wait
    assert len(world.clients[0].outbox) == 3
    world.settle()
    assert list(world.store.state(PATH)) == list("pqrstu")


def test_a_commit_takes_all_updates_that_wait() -> None:
    world = watching(2, limits=Limits(group=3))
    put(world, 0, "p")
    for id in "qrstu":
        put(world, 1, id)
    assert len(under_way(world, Commit).writes) == 1
    world.finish(under_way(world, Commit).ticket)
    assert len(under_way(world, Commit).writes) == 3  # the limit
    world.finish(under_way(world, Commit).ticket)
    assert len(under_way(world, Commit).writes) == 2
    world.finish(under_way(world, Commit).ticket)
    assert changes(world, 0) == [
        (0, 1, change([], "p")),
        (1, 4, change([], "q", "r", "s")),
        (4, 6, change([], "t", "u")),
    ]
    hear(world, 1)
    versions = [a.cursor.version for a in world.clients[1].asked[1:] if a.cursor]
    assert versions == [2, 3, 4, 5, 6]


def test_a_rejected_update_leaves_its_neighbours() -> None:
    world = watching(1)
    put(world, 0, "o")
    asked = [put(world, 0, id) for id in "pqr"]
    world.finish(under_way(world, Commit).ticket)
    world.finish(under_way(world, Commit).ticket, reject={1})
    assert changes(world)[-1] == (1, 3, change([], "p", "r"))
    assert [a.code for a in asked] == [None, "forbidden", None]
    assert [a.cursor for a in asked] == [("epoch-1", 2), ("epoch-1", 2), ("epoch-1", 3)]


def test_updates_that_are_all_rejected_are_not_broadcast() -> None:
    world = watching(1)
    asked = put(world, 0, "p")
    world.finish(under_way(world, Commit).ticket, reject={0})
    assert changes(world) == []
    assert asked.code == "forbidden"


def test_a_condition_that_does_not_hold_is_a_conflict_and_tells_the_state() -> None:
    world = watching(1, "p", "q")
    seen = world.clients[0].copies[P].cursor
    assert seen is not None
    put(world, 0, "q")
    world.settle()
    held = put(world, 0, "p", condition=(seen, ["p", "r"]))
    world.settle()
    broken = put(world, 0, "p", condition=(seen, ["p"]))
    whole = put(world, 0, "p", condition=(seen, None))
    world.settle()
    assert [held.ok, broken.code, whole.code] == [True, "conflict", "conflict"]
    assert broken.cursor == whole.cursor == world.store.head(PATH) == ("epoch-1", 4)


def test_an_empty_update_is_answered_and_not_broadcast() -> None:
    world = watching(2, "p")
    asked = put(world, 0)
    world.finish(under_way(world, Commit).ticket)
    assert kinds(hear(world, 0)) == [asked.tunnel]
    assert kinds(hear(world, 1)) == []
    assert asked.reply is not None
    assert (asked.reply["data"], asked.cursor) == (0, ("epoch-1", 1))


def test_removing_what_is_not_there_is_a_version_and_moves_every_cursor() -> None:
    world = watching(1, "p")
    asked = put(world, 0, remove=["nobody"])
    world.finish(under_way(world, Commit).ticket)
    assert changes(world) == [(1, 2, change())]
    assert asked.reply is not None
    assert asked.reply["data"] == 1


def test_a_replaced_item_keeps_its_place_and_a_removed_one_comes_last() -> None:
    world = watching(2, "p", "q", "r")
    put(world, 0, "q")
    world.settle()
    assert list(world.clients[1].copies[P].state) == ["p", "q", "r"]
    put(world, 0, "p", remove=["p"])
    world.settle()
    assert list(world.clients[1].copies[P].state) == ["q", "r", "p"]


def test_a_reset_is_told_as_the_whole_collection() -> None:
    world = watching(1, "p", "q")
    put(world, 0, "r", reset=True)
    world.finish(under_way(world, Commit).ticket)
    assert changes(world) == [(0, 3, change([], "r") | {"reset": True})]


def test_an_update_without_subscribers_commits_without_content_in_memory() -> None:
    world = World(store=stored("p"))
    asked = put(world, 0, "q")
    assert under_way(world, Commit).writes[0].update == asked.update
    assert world.server.is_busy
    world.finish(under_way(world, Commit).ticket)
    assert not world.operations
    assert not world.server.is_busy
    hear(world)
    assert asked.cursor == ("epoch-1", 2)
    assert not world.server._registry._collections


def test_a_writer_that_subscribes_after_its_update_sees_it_before_the_reply() -> None:
    """The update is under way, blind, when the subscription begins: its reply waits for the content."""
    world = World(store=stored("p"))
    asked = put(world, 0, "q")
    world.clients[0].put_subs({P: {}})
    say(world)
    world.finish(under_way(world, Commit).ticket)
    assert kinds(hear(world)) == [1]
    world.fail(under_way(world, Load).ticket)
    assert kinds(hear(world)) == []
    world.advance(1)
    world.finish(under_way(world, Load).ticket)
    assert kinds(hear(world)) == ["NOTIFY", asked.tunnel]


def test_a_stored_update_is_acknowledged_when_nobody_is_left_to_see_it_first() -> None:
    world = World(2, store=stored("p"))
    asked = put(world, 0, "q")
    world.clients[1].put_subs({P: {}})
    say(world, 1)
    world.finish(under_way(world, Commit).ticket)
    world.fail(under_way(world, Load).ticket)
    assert kinds(hear(world)) == []
    world.cut(1)
    assert kinds(hear(world)) == [asked.tunnel]
    assert not world.server._registry._collections


@pytest.mark.parametrize("newcomer", [0, 1])
def test_a_subscription_during_a_commit_is_served_at_once_and_before_the_reply(
    newcomer: int,
) -> None:
    world = watching(2, "p")
    world.clients[newcomer].put_subs({}, [P])
    world.settle()
    asked = put(world, 0, "q")
    world.clients[newcomer].put_subs({P: {}})
    say(world, newcomer)
    assert changes(world, newcomer) == [(1, 1, change())]  # it resumes where it was
    world.finish(under_way(world, Commit).ticket)
    assert kinds(hear(world, 0)) == ["NOTIFY", asked.tunnel]
    world.settle()
