"""What the core lets go is freed at once, whatever it was: nothing waits for Python's garbage collector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sharedstate_core import Limits
from sharedstate_core.testing import World
from tests.support.cycles import no_cycles

from .scenes import PATH, P, put, say, stored

if TYPE_CHECKING:
    from collections.abc import Callable


def forgets_a_collection(world: World) -> None:
    world.clients[0].put_subs({P: {}})
    world.settle()
    put(world, 0, "a")
    world.settle()
    world.clients[0].put_subs({}, remove=[P])
    world.settle()
    world.advance(100)
    assert not world.server.is_in_use(PATH)


def loses_a_reader(world: World) -> None:
    world.clients[1].put_subs({P: {}})
    world.settle()
    world.block(1)
    for name in "abc":
        put(world, 0, name)
        world.carry_everything()
    world.cut(1)
    world.settle()


def brings_a_slow_reader_up_to_date(world: World) -> None:
    world.clients[1].put_subs({P: {}})
    world.settle()
    world.block(1)
    put(world, 0, "a")
    world.clients[1].ask("GET", P)
    world.clients[1].ask("GET", "/a/items")
    say(world, 1)
    world.settle()


def lists(world: World) -> None:
    for path in ("/", "/a", "/apps", "/a/items", P):
        world.clients[0].ask("GET", path)
    world.settle()


def leaves_lists_behind(world: World) -> None:
    for number in range(9):
        world.clients[0].ask("GET", f"/a{number}/items")
        world.clients[0].ask("GET", "/apps")
    say(world)
    world.cut(0)
    world.settle()


def fails(world: World) -> None:
    world.clients[0].put_subs({P: {}})
    put(world, 1, "a")
    world.clients[0].ask("GET", "/apps")
    say(world)
    for ticket in list(world.operations):
        world.fail(ticket)
    world.settle()


def calls(world: World) -> None:
    world.get(P, "somebody")
    world.get("/apps", "somebody else")
    world.settle()


@pytest.mark.parametrize(
    "play",
    [
        forgets_a_collection,
        loses_a_reader,
        brings_a_slow_reader_up_to_date,
        lists,
        leaves_lists_behind,
        fails,
        calls,
    ],
    ids=lambda play: play.__name__,
)
@pytest.mark.parametrize("turn_items", [2, 1000])
def test_what_is_let_go_leaves_no_cycles(play: Callable[[World], None], turn_items: int) -> None:
    def world() -> World:
        return World(2, limits=Limits(turn_items=turn_items), store=stored(*"qrstuvwxyz"))

    play(world())  # what is made once, such as decoders, is there from now on
    fresh = world()
    with no_cycles():
        play(fresh)
