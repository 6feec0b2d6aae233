"""Subscribers who claim to hold more than storage does: wrongly, or since storage has gone back."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from sharedstate_core import (
    Commit,
    CommitResult,
    Committed,
    Effect,
    Limits,
    Load,
    Loaded,
    Send,
    Server,
)
from sharedstate_core.testing import World, check_copies
from tests.support.work import work_of

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


CLAIMED = 520
"""Version that the first of many claims to hold; each of the others claims one more."""


def asking(server: Server[int], peer: int, path: str, arg: dict[str, Any]) -> list[Effect[int]]:
    message = {"type": "REQUEST", "cmd": "PUT", "path": path, "arg": arg, "tunnel": peer}
    return server.receive_text(peer, json.dumps(message), 0.0)


def committed(server: Server[int]) -> list[Effect[int]]:
    """Let the commit under way succeed."""
    collection = server._registry.get(PATH)
    assert collection is not None
    assert collection.cursor is not None
    assert isinstance(collection.operation, Commit)
    writes, version = collection.operation.writes, collection.cursor.version
    outcomes = [Committed(version + 1 + number) for number in range(len(writes))]
    result = CommitResult("epoch-1", outcomes)
    return server.commit_succeeded(collection.operation.ticket, result, 0.0)


def claimants(number: int) -> Server[int]:
    """Return a server on which that many claim to hold later versions; half of them have written, and are not answered.

    Nobody looks into it: storage has just shown that the first of them was wrong.
    """
    server: Server[int] = Server(["items"])
    for peer in range(number):
        server.connection_opened(peer)
    load = asking(server, 0, "/subs", {"insert": [[P, {}]]})[-1]
    assert isinstance(load, Load)
    server.load_succeeded(load.ticket, Loaded("epoch-1", 1, 0, []), 0.0)
    probes = []
    for peer in range(1, number):
        since = {"since": {"epoch": "epoch-1", "version": CLAIMED + peer}}
        effects = asking(server, peer, "/subs", {"insert": [[P, since]]})
        probes += [effect for effect in effects if isinstance(effect, Load)]
    (probe,) = probes
    server.load_succeeded(probe.ticket, Loaded("epoch-1", 1, 0, [], base=1), 0.0)
    for peer in range(2, number // 2):
        asking(server, peer, P, {"insert": [{"id": f"{peer}"}]})
    committed(server)
    return server


def test_claims_cost_others_nothing() -> None:
    """Their answers wait, each for its own reader, and nobody else's work grows."""
    few, many = claimants(20), claimants(1000)
    of_few, of_many = (work_of(partial(committed, server)) for server in (few, many))
    assert of_many < 60 * of_few, "fifty times as many updates"
    for server in (few, many):
        ask = partial(asking, server, 0, P, {"insert": [{"id": "mine"}]})
        assert work_of(ask) < 500
        assert work_of(partial(committed, server)) < 500


def test_a_claim_that_is_met_is_answered() -> None:
    server = claimants(1000)
    asking(server, 7, P, {"remove": ["7"]})  # again
    for _ in range(2):
        committed(server)
    for version in range(501, 600):
        asking(server, 0, P, {"insert": [{"id": "mine"}]})
        sent = [effect for effect in committed(server) if isinstance(effect, Send)]
        heard = [each for each in sent if len(each.connections) == 1 and each.connections != (0,)]
        kinds = [json.loads(bytes(each.message))["type"] for each in heard]
        peer = version - CLAIMED
        if peer < 2:
            assert not heard
        else:
            answers = ["REPLY"] * (2 if peer == 7 else 1)
            assert kinds == ["MESSAGE", *answers], version
            assert {each.connections for each in heard} == {(peer,)}
