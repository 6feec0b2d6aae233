"""Reads that take turns to encode: between two of them, what others ask for has its turn."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_core import Limits
from sharedstate_core.testing import World

from .scenes import P, hear, say, stored

if TYPE_CHECKING:
    from sharedstate_core.testing import Asked

ITEMS, READS = 200, 100
LIMITS = Limits(turn_items=20, unanswered=300)
ONE_READ = 4 * ITEMS // 20
"""Turns that one of them takes, at the most."""


def long_read(world: World, client: int, number: int) -> Asked:
    """Ask for nearly everything, through a filter of its own."""
    return world.clients[client].ask("GET", P, {"where": {"value": {"ne": f"x{number}"}}})


def turns_until(world: World, *those: Asked, client: int) -> int:
    """Give turns, and let storage answer, until these are answered; return how many."""
    for count in range(10_000):
        hear(world, client)
        if all(asked.reply is not None for asked in those):
            return count
        for ticket in list(world.operations):
            world.finish(ticket)
        world.turn()
    raise AssertionError("it is never answered")


def world_of(clients: int) -> World:
    world = World(clients, limits=LIMITS, store=stored(*(f"i{n}" for n in range(ITEMS))))
    world.clients[0].put_subs({P: {"where": {"value": 7}}})
    world.settle()
    return world


@pytest.mark.parametrize("askers", [[1], range(1, 11)])
def test_what_others_ask_for_comes_between(askers: Any) -> None:
    world = world_of(12)
    reads = []
    for number in range(READS):
        client = askers[number % len(askers)]
        reads.append(long_read(world, client, number))
        say(world, client)
    for _ in range(5):
        update = world.clients[0].put(P, insert=[{"id": "new"}])
        read = world.clients[0].ask("GET", P, {"where": {"value": 7}})
        say(world)
        assert turns_until(world, update, read, client=0) <= ONE_READ
    (last,) = (asker for asker in askers if asker == askers[-1])
    assert turns_until(world, *reads[len(askers) - 1 :: len(askers)], client=last) > READS
    world.settle()
    assert all(asked.ok and len(asked.reply["data"]) >= ITEMS for asked in reads if asked.reply)
    assert all(asked.reply for asked in reads)


def test_requests_of_one_connection_stay_in_order() -> None:
    world = world_of(2)
    asked = []
    for number in range(10):
        asked.append(long_read(world, 1, number))
        asked.append(world.clients[1].put(P, insert=[{"id": f"mine {number}"}]))
        say(world, 1)
        world.clients[0].put(P, insert=[{"id": f"theirs {number}"}])
        say(world)
    tunnels = []
    while any(each.reply is None for each in asked):
        tunnels += [m["tunnel"] for m in hear(world, 1) if m["type"] == "REPLY"]
        for ticket in list(world.operations):
            world.finish(ticket)
        world.turn()
    assert tunnels == sorted(tunnels, key=tunnels.index) == [each.tunnel for each in asked]
    for number, read in enumerate(asked[::2]):
        assert read.reply is not None
        mine = [item["id"] for item in read.reply["data"] if item["id"].startswith("mine")]
        assert mine == [f"mine {n}" for n in range(number)]
    assert json.dumps(asked[0].reply)
    world.settle()
