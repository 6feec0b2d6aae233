"""Room for views: those that nobody sees make room, and a subscription that takes the place of another one counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_core import Limits
from sharedstate_core.testing import World, check_copies

from .scenes import PATH, P, put, say, stored, turns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sharedstate_core.views.views import Views

FEW = Limits(views=5, scanned_views=6)


def views(world: World) -> Views:
    collection = world.server._registry.get(PATH)
    assert collection is not None
    assert collection.views is not None
    return collection.views


def refused(
    world: World, client: int, filters: Mapping[str, Any], remove: list[str] | None = None
) -> list[str]:
    """Ask for views, by name, and for others no more; return the names of those that there is no room for."""
    subs: dict[str | tuple[str, str], Mapping[str, Any]]
    subs = {(P, view): {"where": where} for view, where in filters.items()}
    asked = world.clients[client].put_subs(subs, [(P, view) for view in remove or ()])
    world.settle()
    assert asked.reply is not None
    return [view for _, error, view in asked.reply.get("errors", []) if error["code"] == "too_many"]


def typed(number: int) -> dict[str, Any]:
    return {"value": {"prefix": "x" * number}}


@pytest.mark.parametrize("kind", [typed, lambda n: {"value": n}])
def test_views_that_nobody_sees_make_room_for_others(kind: Any) -> None:
    world = World(2, limits=FEW, store=stored("a", "b"))
    world.clients[1].put_subs({P: {}})
    for number in range(20):
        before = [f"search {number - 1}"] if number else []
        assert not refused(world, 0, {f"search {number}": kind(number)}, before)
        put(world, 1, f"i{number}")
        world.settle()
        check_copies(world)
        assert len(views(world)) <= FEW.views
        assert len(views(world)._by_item.scanned) <= FEW.scanned_views
    assert not refused(world, 0, {"again": kind(18)})  # it lingers still
    check_copies(world)


def test_views_that_somebody_sees_do_not() -> None:
    world = World(2, limits=FEW, store=stored("a"))
    assert refused(world, 0, {f"v{n}": typed(n) for n in range(4)}) == ["v3"]
    assert not refused(world, 1, {"other": typed(9), "same": typed(1)})
    assert refused(world, 1, {"another": typed(10)}) == ["another"]
    world.clients[0].put_subs({}, [(P, "v0"), (P, "v1")])
    assert not refused(world, 1, {"another": typed(10)})
    assert refused(world, 1, {f"n{n}": {"value": n} for n in range(3)}) == ["n1", "n2"]
    check_copies(world)


def test_one_connection_leaves_others_as_many_as_it_has() -> None:
    world = World(4, limits=Limits(scanned_views=20), store=stored("a"))
    filters = {f"v{n}": typed(n) for n in range(30)}
    assert len(refused(world, 0, filters)) == 20
    assert len(refused(world, 1, {name: typed(40 + n) for n, name in enumerate(filters)})) == 25
    assert not refused(world, 2, {"mine": typed(100)})
    assert not refused(world, 0, {"theirs": typed(100)})  # it is there
    world.clients[0].put_subs({}, list(world.clients[0].copies))
    world.settle()
    assert not refused(world, 3, {f"v{n}": typed(200 + n) for n in range(7)})
    for client in world.clients[1:]:
        client.put_subs({}, list(client.copies))
    world.settle()
    assert not views(world).scanning
    check_copies(world)


def test_views_that_nobody_sees_are_bounded_by_their_memory() -> None:
    most = 100_000
    world = World(2, limits=Limits(linger_bytes=most), store=stored("a"))
    registry = world.server._registry
    world.clients[1].put_subs({P: {}})
    for number in range(10):
        filters = {f"v{n}": {"value": {"in": [*range(60)]}, "n": 10 * number + n} for n in range(5)}
        assert not refused(world, 0, filters)
        assert refused(world, 0, {}, list(filters)) == []
        turns(world)
        lingering = sum(view.definition.size for view in views(world).unused)
        assert 0 < lingering == registry._lingering_bytes <= most
    assert not refused(world, 0, {"again": {"value": {"in": [*range(60)]}, "n": 94}})
    assert registry._lingering_bytes == sum(view.definition.size for view in views(world).unused)
    check_copies(world)


def test_many_views_go_with_their_collection_by_turns() -> None:
    world = World(1, limits=Limits(linger_bytes=1 << 20), store=stored("a"))
    registry = world.server._registry
    filters = {f"v{n}": {"value": n} for n in range(100)}
    assert not refused(world, 0, filters)
    assert not refused(world, 0, {}, list(filters))
    assert len(views(world).unused) == 100
    assert registry._lingering_bytes > 100_000
    (collection,) = registry.all()
    registry.forget(collection)
    assert registry._lingering_bytes == len(registry) == 0
    assert len(registry.leftovers) == 1
    assert 1 < turns(world) < 10
    assert not registry.leftovers


def test_what_takes_the_place_of_a_subscription_counts() -> None:
    world = World(1, limits=Limits(subscription_bytes=100_000), store=stored("a"))
    small = {f"v{n}": {"value": n} for n in range(10)}
    large = {name: {"value": {"in": [*range(300)]}, "n": n} for n, name in enumerate(small)}
    assert not refused(world, 0, small)
    assert refused(world, 0, large)
    say(world)
    assert world.server._registry.subscribed <= 100_000
    assert not refused(world, 0, small)
    check_copies(world)
    assert world.server._registry.subscribed <= 100_000
