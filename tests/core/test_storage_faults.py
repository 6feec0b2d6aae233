"""Storage that fails, or loses a commit."""

from __future__ import annotations

import pytest

from sharedstate_core import (
    Commit,
    CommitResult,
    Committed,
    Limits,
    Load,
    Loaded,
    LocalProtocolError,
    Update,
)
from sharedstate_core.testing import World, check_copies

from .scenes import (
    PATH,
    P,
    elsewhere,
    hear,
    kinds,
    put,
    say,
    steps,
    stored,
    text,
    under_way,
    watching,
)

# --- commits --------------------------------------------------------------------------------------


def test_a_commit_that_failed_for_certain_is_unavailable_and_nothing_else() -> None:
    world = watching(2, "p")
    asked = put(world, 0, "q")
    world.fail(under_way(world, Commit).ticket)
    assert kinds(hear(world, 0)) == [asked.tunnel]
    assert kinds(hear(world, 1)) == []
    assert asked.reply is not None
    assert asked.reply["error"] == {"code": "unavailable", "message": "the disk is full"}
    assert not world.operations


@pytest.mark.parametrize("applied", [True, False])
def test_an_unknown_outcome_is_said_and_then_seen(applied: bool) -> None:
    world = watching(2, "p")
    asked = [put(world, 0, "q")]
    asked += [put(world, 0, id) for id in "rs"]
    world.lose(under_way(world, Commit).ticket, applied=applied)
    hear(world, 0)
    assert asked[0].reply is not None
    assert asked[0].reply["error"]["outcome"] == "unknown"
    assert asked[0].code == "unavailable"
    load = under_way(world, Load)  # before the updates that wait
    assert load.since == ("epoch-1", 1)
    world.finish(load.ticket)
    assert steps(world, 1) == ([(1, 2, "pq")] if applied else [])
    assert len(under_way(world, Commit).writes) == 2
    world.settle()
    assert all(a.ok for a in asked[1:])
    check_copies(world)


def test_an_unknown_outcome_without_content_in_memory_needs_no_load() -> None:
    world = World()
    asked = put(world, 0, "p")
    world.lose(under_way(world, Commit).ticket, applied=True)
    hear(world)
    assert asked.reply is not None
    assert asked.reply["error"]["outcome"] == "unknown"
    assert not world.operations
    assert not world.server._registry._collections


def test_a_store_that_answers_for_too_few_writes_has_left_the_outcome_unknown() -> None:
    world = watching(1, "p")
    asked = put(world, 0, "q")
    commit = under_way(world, Commit)
    world.execute(commit.ticket)
    with pytest.raises(LocalProtocolError, match="expected 1 outcomes, one for each write"):
        world.server.commit_succeeded(commit.ticket, CommitResult("epoch-1", []), world.now)
    world.lose(commit.ticket)  # as the embedder is to say
    assert under_way(world, Load).since == ("epoch-1", 1)
    world.settle()
    assert asked.reply is not None
    assert asked.reply["error"]["outcome"] == "unknown"
    assert list(world.clients[0].copies[P].state) == ["p", "q"]


# --- loads ----------------------------------------------------------------------------------------


def test_a_failed_load_is_tried_again_at_growing_intervals() -> None:
    world = World(limits=Limits(retry_seconds=(1, 5)), store=stored("p"))
    world.clients[0].put_subs({P: {}})
    say(world)
    pauses = []
    for _ in range(5):
        world.fail(under_way(world, Load).ticket)
        wakeup = world.server.next_wakeup()
        assert wakeup is not None
        pauses.append(wakeup - world.now)
        world.advance(pauses[-1] - 0.5)
        assert not world.operations
        world.advance(0.5)
    assert pauses == [1, 2, 4, 5, 5]
    world.finish(under_way(world, Load).ticket)
    assert world.server.next_wakeup() is None
    world.settle()
    elsewhere(world, "q")
    world.tell(PATH)
    world.fail(under_way(world, Load).ticket)
    assert world.server.next_wakeup() == world.now + 1  # the count starts anew


def test_meanwhile_requests_are_answered_unavailable() -> None:
    world = World(2, store=stored("p"))
    world.clients[0].put_subs({P: {}})
    early = put(world, 0, "q")
    world.fail(under_way(world, Load).ticket)
    late, read = put(world, 1, "r"), world.clients[1].ask("GET", P)
    say(world, 1)
    hear(world, 0)
    hear(world, 1)
    assert [a.code for a in (early, late, read)] == ["unavailable"] * 3
    assert not world.operations
    assert list(world.store.state(PATH)) == ["p"]


def test_nobody_left_to_watch_ends_the_retries() -> None:
    world = World()
    world.clients[0].put_subs({P: {}})
    say(world)
    world.fail(under_way(world, Load).ticket)
    world.cut(0)
    assert world.server.next_wakeup() is None
    assert not world.server._registry._collections


def test_a_store_that_answers_what_was_not_asked_is_asked_again() -> None:
    world = watching(1, "p")
    elsewhere(world, "q")
    world.tell(PATH)
    load = under_way(world, Load)
    for epoch, base in (("epoch-2", 1), ("epoch-1", 2)):
        loaded = Loaded(epoch, 2, 0, [], base)
        with pytest.raises(LocalProtocolError, match=r"Loaded\.base: expected None, or what was"):
            world.server.load_succeeded(load.ticket, loaded, world.now)
    world.fail(load.ticket)
    assert not world.operations
    world.advance(1)
    assert under_way(world, Load).since == ("epoch-1", 1)
    world.settle()


def test_the_tombstones_that_a_load_brings_are_bounded() -> None:
    store = stored("p", "q", "r", "s")
    world = World(limits=Limits(tombstones=1), store=store)
    world.commit_elsewhere(PATH, Update(("p", "q", "r")))
    world.clients[0].put_subs({P: {}})
    world.settle()
    replica = world.server._registry._collections[PATH]._content.replica
    assert replica is not None
    assert len(replica.tombstones) == 1
    assert list(replica.texts()) == [text("s")]


def test_outcomes_of_a_new_epoch_do_not_follow() -> None:
    world = watching(1, "p")
    put(world, 0, "q")
    commit = under_way(world, Commit)
    world.execute(commit.ticket)
    world.operations[commit.ticket].result = CommitResult("epoch-2", [Committed(2)])
    world.finish(commit.ticket)
    assert under_way(world, Load).since == ("epoch-1", 1)
