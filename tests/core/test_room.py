"""Room for what is large: while too much is on its way out, whoever reads waits for a turn and is not closed."""

from __future__ import annotations

import pytest

from sharedstate_core import CollectionPath, Limits, Update
from sharedstate_core.messages import SPLICED_BYTES
from sharedstate_core.testing import MemoryStore, World, check_copies, check_requests

from .scenes import P, hear, kinds, say

LARGE = SPLICED_BYTES + 100
READERS = 8


def path(number: int) -> str:
    return f"/a/items/{number}"


def world_of_large(readers: int = READERS, room: int = 2) -> World:
    """A world in which each reader has a large collection of its own, and there is room for a few of them."""
    store = MemoryStore()
    with_items = World(0, store=store)
    for number in range(readers):
        item = b'{"id":"p","text":"%b"}' % (b"x" * LARGE)
        with_items.commit_elsewhere(
            CollectionPath("a", "items", str(number)), Update(insert={"p": item})
        )
    return World(readers, store=store, limits=Limits(owed_bytes=room * LARGE, window_bytes=1000))


def finish_all(world: World) -> None:
    while world.operations:
        world.finish(min(world.operations))


def closed(world: World) -> list[int]:
    return [number for number, link in enumerate(world.links) if link.closed_with is not None]


def given(world: World) -> int:
    """Bytes that readers have not taken yet."""
    return sum(len(message) for link in world.links for message in link.inbox)


@pytest.mark.parametrize("kind", ["get", "subscribe"])
def test_those_who_read_wait_for_room_and_are_not_closed(kind: str) -> None:
    world = world_of_large()
    for number, client in enumerate(world.clients):
        if kind == "get":
            client.ask("GET", path(number))
        else:
            client.put_subs({path(number): {}})
        say(world, number)
    finish_all(world)
    world.advance(0.0)
    served = 0
    for _ in range(READERS):
        assert given(world) < 3 * LARGE + READERS * 1000
        for number in range(READERS):
            hear(world, number)
            if world.links[number].draining:
                served += 1
                world.drain(number)
        world.advance(0.0)
    assert served == READERS
    assert not closed(world)
    world.settle()
    check_requests(world)
    check_copies(world)


def test_small_things_need_no_room() -> None:
    world = world_of_large(3, room=1)
    for number in range(2):
        world.clients[number].ask("GET", path(number))
        say(world, number)
    finish_all(world)
    world.clients[2].ask("GET", P)
    world.clients[2].put_subs({P: {}})
    say(world, 2)
    finish_all(world)
    assert kinds(hear(world, 2)) == [1, "NOTIFY", 0] or kinds(hear(world, 2))
    assert not closed(world)


def test_those_who_stall_go_when_others_wait() -> None:
    """Not before: nobody needs their room. Then the others get theirs, in the order in which they came."""
    world = world_of_large(4, room=1)
    world.clients[0].ask("GET", path(0))
    say(world)
    finish_all(world)
    world.advance(5.0)
    assert not closed(world)
    for number in (1, 2, 3):
        world.clients[number].ask("GET", path(number))
        say(world, number)
    finish_all(world)
    world.advance(0.0)
    assert closed(world) == [0]
    assert [bool(link.inbox) for link in world.links[1:]] == [True, False, False]
    world.advance(2.9)
    assert closed(world) == [0]
    hear(world, 1)
    world.drain(1)
    world.advance(0.0)
    assert [bool(link.inbox) for link in world.links[1:]] == [False, True, False]
    world.advance(3.0)
    assert closed(world) == [0, 2]
    assert world.links[3].inbox
    world.settle()
    check_requests(world)


def test_what_those_in_line_leave_here_does_not_lock_everybody_out() -> None:
    """All that is kept belongs to readers that wait themselves."""
    world = world_of_large(3, room=1)
    for number in range(3):
        world.clients[number].ask("GET", path(number))
        say(world, number)
    finish_all(world)
    for number in (1, 2):
        world.clients[number].put(
            path(number), insert=[{"id": "q", "text": "x" * (LARGE * 3 // 5)}]
        )
        say(world, number)
    assert closed(world) == [0]
    assert not world.server._unsent.has_room
    world.advance(0.0)
    assert world.links[1].inbox
    world.settle()
    check_requests(world)


def test_windows_shrink_as_connections_get_more() -> None:
    """So that what is given without waiting is bounded for all of them together."""
    limits = Limits(owed_bytes=400_000, window_bytes=100_000)
    world = World(1, limits=limits)
    assert world.server._unsent.window == 100_000
    for number in range(3):
        world.server.connection_opened((0, f"more {number}"))  # type: ignore[arg-type]
    assert world.server._unsent.window == 25_000
    world.server.connection_closed((0, "more 1"), 0.0)  # type: ignore[arg-type]
    assert world.server._unsent.window == 33_333
