"""A reader that has drained gets what it is owed by turns, in order, and may be blocked again in between."""

from __future__ import annotations

from sharedstate_core import Commit, Limits
from sharedstate_core.testing import World, check_copies, check_requests
from tests.support.work import Work, counting

from .scenes import hear, kinds, put, say, under_way

PATHS = [f"/a/items/{n}" for n in range(9)]
AT_ONCE = 2
LIMITS = Limits(turn_items=10 * AT_ONCE)


def blocked(paths: list[str] = PATHS, limits: Limits = LIMITS) -> World:
    """A world in which the first client was blocked, and the second has changed everything that it watches."""
    world = World(2, limits=limits)
    world.clients[0].put_subs({path: {} for path in paths})
    world.settle()
    world.block(0)
    for path in paths:
        put(world, 1, "q", path=path)
        world.carry_everything()
    return world


def told(world: World) -> int:
    return len(world.links[0].inbox)


def test_a_reader_that_has_drained_is_told_by_turns() -> None:
    world = blocked()
    world.drain(0)
    counts = [told(world)]
    while world.server.next_wakeup() == world.now:
        assert world.server.census().blocked == 1
        assert not world.links[0].reading
        world.turn()
        counts.append(told(world))
    assert counts == [2, 4, 6, 8, 9]
    assert world.server.census().blocked == 0
    assert world.links[0].reading
    world.settle()
    check_copies(world)


def test_what_it_has_been_told_of_already_goes_on() -> None:
    world = blocked()
    world.drain(0)
    for path in (PATHS[0], PATHS[-1]):
        put(world, 1, "r", path=path)
        world.finish(under_way(world, Commit).ticket)
    assert told(world) == AT_ONCE + 1
    world.settle()
    check_copies(world)
    assert kinds(hear(world)) == []


def test_an_answer_comes_after_what_it_confirms() -> None:
    world = blocked()
    world.drain(0)
    asked = world.clients[0].put(PATHS[-1], insert=[{"id": "mine"}])
    world.to_server(0, even_if_paused=True)
    world.finish(under_way(world, Commit).ticket)
    while world.server.next_wakeup() == world.now:
        assert asked.reply is None
        world.turn()
    assert kinds(hear(world))[-1] == asked.tunnel
    assert asked.ok
    world.settle()
    check_copies(world)
    check_requests(world)


def test_a_reader_that_is_blocked_again_in_between_is_told_nothing_more() -> None:
    world = blocked()
    world.drain(0)
    before = told(world)
    world.block(0)
    put(world, 1, "r", path=PATHS[0])
    world.finish(under_way(world, Commit).ticket)
    while world.server.next_wakeup() == world.now:
        world.turn()
    assert told(world) == before
    world.settle()
    check_copies(world)


def test_what_takes_turns_itself_is_told_as_soon_as_it_is_encoded() -> None:
    world = blocked([f"/a/items/{n}" for n in range(30)])
    put(world, 1, *map(str, range(LIMITS.turn_items)), path=PATHS[0])
    world.carry_everything()
    world.drain(0)
    while world.server.next_wakeup() == world.now:
        world.turn()
    assert told(world) == 30
    world.settle()
    check_copies(world)


def test_a_reader_that_leaves_in_between_has_no_turn() -> None:
    world = blocked()
    world.drain(0)
    world.cut(0)
    assert not world.server._owed
    while world.server.next_wakeup() == world.now:
        world.turn()
    world.settle()
    check_copies(world)


def test_a_stop_waits_for_what_was_asked_and_put_off() -> None:
    world = blocked()
    asked = world.clients[0].ask("GET", PATHS[0])
    say(world)
    world.drain(0)
    world.stop(10)
    assert not world.server.is_stopped
    while world.server.next_wakeup() == world.now:
        world.turn()
    hear(world)
    assert asked.ok
    assert world.server.is_stopped


def most(paths: int) -> Work:
    """Return the work of the turn that does most."""
    world = blocked([f"/a/items/{n}" for n in range(paths)], Limits(turn_items=50))
    works = []
    with counting() as meter:
        world.drain(0)
        works.append(meter.take())
        while world.server.next_wakeup() == world.now:
            world.turn()
            works.append(meter.take())
    return max(works)


def test_the_work_of_a_turn_is_that_of_a_few_collections() -> None:
    few, many = most(20), most(200)
    assert many < 1.5 * few, (few, many)
