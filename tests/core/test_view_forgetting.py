"""What views remember is bounded, for all collections together: they may forget it, and nobody misses anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_core import Limits
from sharedstate_core.testing import World, check_copies

from .scenes import P, put, say, stored, turns

if TYPE_CHECKING:
    from sharedstate_core.items.encoded import Encoded
    from sharedstate_core.views.views import Views

SMALL = 20_000


def all_views(world: World) -> list[Views]:
    registry = world.server._registry
    return [views for each in registry.all() if (views := each.views) is not None]


def counted(world: World) -> int:
    """Return the memory of all that is kept, by looking at it."""
    kept = sum(each._notices.bytes for each in world.server._registry.all())
    for views in all_views(world):
        kept += views._index.memory
        kept += sum(view.memory + view.notices.bytes for view in views._views.values())
    return kept


def encoded(world: World) -> Encoded:
    return world.server._registry.encoded


@pytest.mark.parametrize("last", [None, 30])
def test_all_collections_together_remember_no_more_than_they_may(last: int | None) -> None:
    world = World(3, limits=Limits(encoded_bytes=SMALL))
    paths = [f"/a/items/{n}" for n in range(6)]
    sub: dict[str, Any] = {"where": {"id": {"ne": "x"}}}
    if last:
        sub["last"] = last
    for path in paths:
        world.clients[0].put_subs({path: sub})
        subs: dict[str | tuple[str, str], Any]
        subs = {(path, "v"): {"where": {"value": {"in": [0, 1, 2]}}}}
        world.clients[1].put_subs(subs)
    world.settle()
    for number in range(30):
        put(world, 2, *(f"{number}-{n}" for n in range(20)), path=paths[number % len(paths)])
        world.settle()
        turns(world)
        check_copies(world)
        assert counted(world) == encoded(world).bytes
        assert encoded(world).bytes <= SMALL or len(encoded(world).line) == 1
    for client in range(3):
        world.cut(client)
    world.advance(31.0)
    turns(world)
    assert encoded(world).bytes == len(encoded(world).line) == 0


def test_a_view_that_kept_nothing_leaves_the_line() -> None:
    """Somebody has asked whether that takes turns, and has gone."""
    world = World(1, limits=Limits(turn_items=1), store=stored("a", "b", "c"))
    world.clients[0].put_subs({P: {}})
    world.settle()
    named: dict[str | tuple[str, str], Any] = {(P, "v"): {"where": {"id": {"ne": "x"}}}}
    world.clients[0].put_subs(named)
    say(world)
    world.clients[0].put_subs({}, [P, (P, "v")])
    say(world)
    (views,) = all_views(world)
    (view,) = views._views.values()
    assert view.notices in encoded(world).line
    world.settle()
    world.advance(31.0)
    turns(world)
    assert not len(world.server._registry)
    assert encoded(world).bytes == len(encoded(world).line) == 0


def test_those_in_step_are_told_what_has_changed_after_it_was_forgotten() -> None:
    world = World(2, store=stored("a", "b", "c"))
    world.clients[0].put_subs({P: {"where": {"id": {"ne": "x"}}}})
    world.settle()
    put(world, 1, "d")
    world.settle()
    (views,) = all_views(world)
    (view,) = views._views.values()
    assert view.memory > 0
    view.clear()
    assert view.memory == 0
    deliveries, resets = world.server.counters.deliveries, world.server.counters.bytes
    put(world, 1, "e")
    world.settle()
    assert world.server.counters.deliveries == deliveries + 1
    assert world.server.counters.bytes - resets < 400
    check_copies(world)
