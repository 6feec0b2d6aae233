"""Collections that held nothing, and that storage has forgotten."""

from __future__ import annotations

from sharedstate_core import Cursor
from sharedstate_core.testing import Copy, check_copies

from .scenes import PATH, P, elsewhere, put, watching


def test_a_collection_that_was_forgotten_and_comes_again() -> None:
    """Who is there sees the net change, who comes back gets everything, whoever forgot it."""
    world = watching(2, "p")
    asked = put(world, 0, remove=["p"])
    world.settle()
    world.cut(1)
    world.forget(PATH)
    elsewhere(world, "q")
    world.settle()
    check_copies(world)
    assert asked.ok
    for client in range(2):
        copy = world.clients[client].copies[P]
        assert list(copy.state) == ["q"]
        assert copy.cursor == ("epoch-1", 3)


def test_a_cursor_from_before_it_was_forgotten_is_behind_the_head() -> None:
    world = watching(1, "p")
    put(world, 0, remove=["p"])
    world.settle()
    world.cut(0)
    world.restart()
    world.forget(PATH)
    world.settle()
    assert world.clients[0].copies[P] == Copy(Cursor("epoch-1", 2))
    assert not world.doubts
