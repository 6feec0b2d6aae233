"""Many readers of one collection are told by turns, each of the same: those who come new, and those in many groups."""

from __future__ import annotations

from itertools import pairwise

from sharedstate_core import Commit, Limits, Load
from sharedstate_core.testing import World, check_copies, check_requests

from .scenes import PATH, P, elsewhere, hear, kinds, put, say, stored, under_way

READERS = 9
AT_ONCE = 2
LIMITS = Limits(turn_items=10 * AT_ONCE)


def spelling(number: int) -> str:
    return "/" * (number + 1) + P[1:]


def world_of_groups() -> World:
    """Each reader has a spelling of its own, so that it is a group by itself."""
    world = World(READERS + 1, store=stored("p"), limits=LIMITS)
    for number in range(READERS):
        world.clients[number].put_subs({spelling(number): {}})
    world.settle()
    return world


def told(world: World) -> list[int]:
    return [number for number in range(READERS) if world.links[number].inbox]


def test_groups_are_told_by_turns() -> None:
    """The author hears of it after all of them, and the next update comes after that."""
    world = world_of_groups()
    first = put(world, READERS, "q")
    commit = under_way(world, Commit)
    second = put(world, READERS, "r")
    world.finish(commit.ticket)
    counts = [len(told(world))]
    while world.server.next_wakeup() == world.now and not world.operations:
        assert first.reply is None
        world.turn()
        counts.append(len(told(world)))
    assert [after - before for before, after in pairwise([0, *counts])] == [2, 2, 2, 2, 1]
    assert kinds(hear(world, READERS)) == [first.tunnel]
    world.finish(under_way(world, Commit).ticket)
    world.settle()
    check_copies(world)
    assert second.ok


def test_whoever_comes_new_meanwhile_is_told_once() -> None:
    world = world_of_groups()
    put(world, READERS, "q")
    world.finish(under_way(world, Commit).ticket)
    late = spelling(READERS - 1)
    world.clients[READERS].put_subs({late: {}})
    say(world, READERS)
    world.settle()
    check_copies(world)
    assert world.clients[READERS].copies[late].cursor == ("epoch-1", 2)


def test_whoever_leaves_or_is_slow_meanwhile_is_left_out() -> None:
    world = world_of_groups()
    put(world, READERS, "q")
    world.finish(under_way(world, Commit).ticket)
    last, slow = READERS - 1, READERS - 2
    world.clients[last].put_subs({}, [spelling(last)])
    say(world, last)
    world.block(slow)
    while world.server.next_wakeup() == world.now:
        world.turn()
    assert "NOTIFY" not in kinds(hear(world, last))
    assert not world.links[slow].inbox
    world.settle()
    check_copies(world)
    check_requests(world)


def test_those_who_wait_for_content_get_it_by_turns() -> None:
    world = World(READERS, store=stored("p"), limits=LIMITS)
    for number, client in enumerate(world.clients):
        client.put_subs({P: {}})
        say(world, number)
        hear(world, number)
    world.finish(under_way(world, Load).ticket)
    counts = [len(told(world))]
    while world.server.next_wakeup() == world.now:
        world.turn()
        counts.append(len(told(world)))
    assert counts == [2, 4, 6, 8, 9]
    world.settle()
    check_copies(world)


def test_a_change_of_another_process_is_told_by_turns() -> None:
    world = world_of_groups()
    elsewhere(world, "x")
    world.tell(PATH)
    world.finish(under_way(world, Load).ticket)
    assert len(told(world)) == AT_ONCE
    world.settle()
    check_copies(world)
