"""Subscribers who claim to hold more than storage does: wrongly, or since storage has gone back."""

from __future__ import annotations

import json

from sharedstate_core import Commit, Limits, Load
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
    under_way,
    watching,
)


def claim(world: World, client: int, version: int = 99) -> None:
    """Let a client subscribe anew, as if it had seen this version."""
    world.clients[client].copies.pop(P, None)
    since = {"since": {"epoch": "epoch-1", "version": version}}
    subs = {"insert": [[P, since]], "remove": [], "reset": True}
    world.clients[client].ask("PUT", "/subs", subs)
    say(world, client)


def test_a_false_claim_is_looked_into_once() -> None:
    world = watching(2, "p")
    claim(world, 1)
    world.finish(under_way(world, Load).ticket)
    assert [json.loads(message)["base"] for message in list(world.links[1].inbox)[1:]] == [0]
    for version in range(100, 103):
        claim(world, 1, version)
    assert not world.operations, "storage has just shown that there is no more"
    world.advance(1)
    world.finish(under_way(world, Load).ticket)
    assert json.loads(world.links[1].inbox[-1])["base"] == 0
    world.advance(1)
    assert not world.operations


def test_a_true_claim_after_a_false_one_is_met_before_long() -> None:
    world = watching(2, "p")
    claim(world, 1)
    world.finish(under_way(world, Load).ticket)
    elsewhere(world, "q")
    claim(world, 1, 2)
    hear(world, 0)
    world.advance(1)
    world.finish(under_way(world, Load).ticket)
    assert json.loads(world.links[1].inbox[-1])["base"] == 2
    assert steps(world, 0) == [(1, 2, "pq")]
    claim(world, 1, 100)
    under_way(world, Load)  # a look that was worth it is not held against others


def test_an_update_waits_for_one_look_and_not_for_the_claims_that_come_meanwhile() -> None:
    world = watching(2, "p")
    claim(world, 1)
    asked = put(world, 0, "q")
    claim(world, 1, 101)
    world.finish(under_way(world, Load).ticket)
    commit = under_way(world, Commit)
    claim(world, 1, 100)
    world.finish(commit.ticket)
    assert kinds(hear(world)) == ["NOTIFY", asked.tunnel]
    assert asked.ok
    claim(world, 1, 102)
    read = world.clients[0].ask("GET", P)
    say(world)
    hear(world)
    assert read.ok, "what we hold is committed: no need to wait for a look"


def test_an_author_who_claims_is_answered_after_its_copy_shows_the_update() -> None:
    world = watching(1, "p")
    asked = put(world, 0, "q")
    claim(world, 0)
    world.finish(under_way(world, Commit).ticket)
    assert kinds(hear(world)) == [2]
    world.finish(under_way(world, Load).ticket)
    assert kinds(hear(world)) == ["NOTIFY", asked.tunnel]


def test_who_claimed_and_goes_is_not_looked_after() -> None:
    world = watching(2, "p")
    asked = put(world, 0, "q")
    claim(world, 1)
    world.cut(1)
    world.finish(under_way(world, Commit).ticket)
    assert not world.operations
    hear(world)
    assert asked.ok


def test_a_look_that_waits_its_turn_keeps_nobody_waiting() -> None:
    world = World(2, limits=Limits(loads=1), store=stored("p"))
    for client in range(2):
        world.clients[client].put_subs({P: {}})
    world.settle()
    world.clients[0].put_subs({"/a/items/other": {}})
    say(world)
    claim(world, 1)
    put(world, 0, "q")
    assert {type(operation.effect) for operation in world.operations.values()} == {Load, Commit}
    world.settle()
    check_copies(world)


def test_a_look_that_fails_is_tried_again() -> None:
    world = watching(2, "p", limits=Limits(retry_seconds=(1, 1)))
    claim(world, 1)
    world.fail(under_way(world, Load).ticket)
    claim(world, 1)
    assert not world.operations
    world.advance(1)
    world.finish(under_way(world, Load).ticket)
    assert json.loads(world.links[1].inbox[-1])["base"] == 0


def test_what_is_asked_has_its_turn_between_looks_and_loads() -> None:
    """Others commit, and are claimed to have committed, during each load: an update does not wait for the last one."""
    world = watching(2, "p")
    elsewhere(world, "q")
    claim(world, 1, 2)
    probe = under_way(world, Load)
    world.execute(probe.ticket)
    asked = put(world, 0, "r")
    elsewhere(world, "s")
    claim(world, 1, 3)
    world.finish(probe.ticket)
    commit = under_way(world, Commit)
    world.finish(commit.ticket)
    load = under_way(world, Load)
    world.execute(load.ticket)
    later = put(world, 0, "t")
    elsewhere(world, "u")
    world.tell(PATH)
    world.finish(load.ticket)
    hear(world)
    assert asked.ok
    world.finish(under_way(world, Commit).ticket)
    world.finish(under_way(world, Load).ticket)
    assert steps(world)[-1] == (4, 6, "pqsrut")
    assert later.ok
