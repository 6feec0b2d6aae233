"""What is much work for views takes turns: long items, filters of many tests, many views, windows of very many."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_core import Limits, Update
from sharedstate_core.collection.viewing import CLOSED_AT_ONCE
from sharedstate_core.testing import MemoryStore, World, check_copies
from tests.support.work import LONG_TURN, Work, counting, work_of

from .scenes import PATH, P, hear, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sharedstate_core.views.views import Views

LIMITS = Limits(message_bytes=64 * 1024 * 1024)
MANY_TESTS = {"or": [{f"m{n}": {"gt": n}} for n in range(60)]}


def world_of(items: Iterable[Mapping[str, Any]]) -> World:
    store = MemoryStore()
    insert = {item["id"]: json.dumps(item).encode() for item in items}
    World(0, store=store).commit_elsewhere(PATH, Update(insert=insert))
    world = World(2, limits=LIMITS, store=store)
    world.clients[0].put_subs({P: {}})
    world.settle()
    return world


def longest_turn(world: World, act: Callable[[], object]) -> Work:
    """Return the most that any input takes while somebody acts, and until all has come to rest."""
    most = Work({})
    inputs = 0
    with counting() as meter:

        def done() -> None:
            nonlocal most
            most = max(most, meter.take())

        act()
        done()
        while world.operations or world.server.next_wakeup() == world.now:
            inputs += 1
            assert inputs < 20_000
            if world.operations:
                world.finish(next(iter(world.operations)))
            else:
                world.turn()
            done()
    for client in range(len(world.clients)):
        hear(world, client)
    return most


def asks(world: World, *subs: dict[str, Any], client: int = 1) -> Callable[[], object]:
    """Have a client subscribe to views, when it is called."""
    named: dict[str | tuple[str, str], Mapping[str, Any]]
    named = {(P, f"v{n}"): sub for n, sub in enumerate(subs)}
    world.clients[client].put_subs(named)
    return lambda: say(world, client)


def puts(world: World, **update: Any) -> Callable[[], object]:
    world.clients[0].put(P, **update)
    return lambda: say(world, 0)


@pytest.mark.parametrize(
    "sub",
    [
        {"where": {"n": {"gt": 6}}},
        {"where": {"n": 1}},
        {"where": {"n": 1}, "last": 5},
        {"where": {"n": {"lt": 9}}, "fields": ["n"], "last": 30},
    ],
)
def test_long_items_are_read_by_turns(sub: dict[str, Any]) -> None:
    ids = [f"i{n}" for n in range(40)]
    world = world_of({"id": id, "n": n % 8, "text": "x" * 400_000} for n, id in enumerate(ids))
    assert longest_turn(world, asks(world, sub)) < LONG_TURN
    assert longest_turn(world, puts(world, remove=ids)) < LONG_TURN
    world.settle()
    check_copies(world)


def test_a_filter_of_many_tests_is_evaluated_by_turns() -> None:
    world = world_of({"id": f"i{n}", "n": n, "m5": 1} for n in range(900))
    assert longest_turn(world, asks(world, {"where": MANY_TESTS})) < LONG_TURN
    world.clients[1].ask("GET", P, {"where": {**MANY_TESTS, "n": 5}})
    assert longest_turn(world, lambda: say(world, 1)) < LONG_TURN


def test_many_views_of_one_item_take_turns() -> None:
    world = world_of([{"id": "a", "room": 1}])
    asks(world, *({"where": {"room": 1, "n": {"ne": n}, **MANY_TESTS}} for n in range(500)))()
    world.settle()
    item = {"id": "a", "room": 1, "m59": 60, "n": -1}
    assert longest_turn(world, puts(world, insert=[item])) < LONG_TURN
    puts(world, insert=[{**item, "n": -2}])()
    world.finish(next(iter(world.operations)))
    turns = 0
    while world.server.next_wakeup() == world.now:
        world.turn()
        turns += 1
    assert turns > 10  # what their tests take is not counted above
    world.settle()
    check_copies(world)


def test_items_with_the_value_that_a_window_asks_for_are_put_in_order_by_turns() -> None:
    world = world_of({"id": f"i{n}", "room": n % 2} for n in range(30_000))
    sub = {"where": {"room": {"in": [0, 1]}}, "last": 5}
    assert longest_turn(world, asks(world, sub)) < LONG_TURN
    world.settle()
    check_copies(world)


def test_a_member_that_is_a_long_list_takes_little_of_the_index() -> None:
    world = world_of([{"id": "short", "tags": [1, 2]}, {"id": "long", "tags": [*range(1000)]}])
    asks(world, {"where": {"tags": {"has": 2}}}, {"where": {"tags": {"has": 777}}})()
    world.settle()
    check_copies(world)
    collection = world.server._registry.get(PATH)
    assert collection is not None
    assert collection.views is not None
    assert collection.views._index.memory < 1000
    puts(world, insert=[{"id": "long", "tags": [2]}, {"id": "short", "tags": [*range(700, 800)]}])()
    world.settle()
    check_copies(world)
    copies = world.clients[1].copies
    assert [[*copies[P, view].state] for view in ("v0", "v1")] == [["long"], ["short"]]


def views_of(world: World) -> Views:
    collection = world.server._registry.get(PATH)
    assert collection is not None
    assert collection.views is not None
    return collection.views


def with_many_views(count: int) -> World:
    world = world_of([{"id": "a", "room": 1}])
    asks(world, *({"where": {"room": n}} for n in range(count)))()
    world.settle()
    return world


def test_an_author_with_many_views_is_brought_to_its_update_by_turns() -> None:
    world = with_many_views(900)
    asked = world.clients[1].put(P, insert=[{"id": "a", "room": 1}])
    assert longest_turn(world, lambda: say(world, 1)) < LONG_TURN
    assert asked.ok
    check_copies(world)


def test_views_that_nobody_sees_are_closed_by_turns() -> None:
    world = with_many_views(900)
    world.clients[1].put_subs({}, reset=True)
    world.settle()
    assert len(views_of(world)) == 900
    world.now += world.server.limits.linger_seconds
    counts = [900]
    while counts[-1]:
        world.turn()
        counts.append(len(views_of(world)))
    assert max(before - after for before, after in pairwise(counts)) == CLOSED_AT_ONCE


def test_what_many_views_of_one_connection_take_grows_with_their_number_alone() -> None:
    few, many = with_many_views(200), with_many_views(800)
    works = []
    for world in (few, many):
        world.clients[1].put_subs({}, reset=True)
        works.append(work_of(lambda world=world: say(world, 1)))  # type: ignore[misc]
    assert works[1] < 6 * works[0], works
