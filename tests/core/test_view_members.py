"""The members by which the views of a collection are found are few; beyond them, a view is asked about every item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_core import Limits
from sharedstate_core.expressions.evaluator import Program
from sharedstate_core.testing import World, check_copies
from sharedstate_core.views.view_index import MAX_MEMBERS

from .scenes import PATH, P, say, stored, turns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sharedstate_core.expressions.tree import Node
    from sharedstate_core.testing import Asked
    from sharedstate_core.views.views import Views

FEW = Limits(scanned_views=4, linger_seconds=1.0)


def ask(world: World, filters: Mapping[str, dict[str, Any]], client: int = 0) -> Asked:
    """Subscribe to views, by name."""
    subs: dict[str | tuple[str, str], Mapping[str, Any]]
    subs = {(P, view): {"where": where} for view, where in filters.items()}
    asked = world.clients[client].put_subs(subs)
    say(world, client)
    turns(world)
    world.settle()
    return asked


def views(world: World) -> Views:
    collection = world.server._registry.get(PATH)
    assert collection is not None
    assert collection.views is not None
    return collection.views


def of_members(number: int, first: int = 0) -> dict[str, dict[str, Any]]:
    """Filters, each for a value of another member."""
    return {f"v{n}": {f"m{n}": 1} for n in range(first, first + number)}


@pytest.mark.parametrize("at_once", [True, False])
def test_views_that_ask_for_further_members_are_asked_about_every_item(at_once: bool) -> None:
    world = World(limits=FEW, store=stored("a"))
    filters = of_members(MAX_MEMBERS + 3)
    requests = [filters] if at_once else [{name: where} for name, where in filters.items()]
    asked = [ask(world, each) for each in requests]
    errors = asked[-1].reply["errors"]  # type: ignore[index]
    assert [(error["code"], view) for _, error, view in errors] == [
        ("too_many", f"v{MAX_MEMBERS + 2}")
    ]
    assert views(world).scanned == 2
    ask(world, {"again": {"m1": 2}, "and": {"m2": 1, "n": 3}})
    assert views(world).scanned == 2
    several = ask(world, {"or": {"or": [{"m2": 1}, {"n": 3}]}})
    assert several.reply["data"][-1][1]["view"] == "and"  # type: ignore[index]


def test_they_show_what_they_hold_for() -> None:
    world = World(2, limits=FEW, store=stored())
    last = MAX_MEMBERS + 1
    ask(world, of_members(MAX_MEMBERS + 2))
    for value in (1, 2, 1):
        world.clients[1].put(P, insert=[{"id": "x", f"m{last}": value, "m0": 1}, {"id": "y"}])
        say(world, 1)
        world.settle()
        held = world.clients[0].copies
        assert [*held[P, "v0"].state] == ["x"]
        assert [*held[P, f"v{last}"].state] == (["x"] if value == 1 else [])
    check_copies(world)


def test_there_is_room_for_others_when_views_are_gone() -> None:
    world = World(2, limits=FEW, store=stored("a"))
    world.clients[1].put_subs({P: {}})  # so that the collection stays
    say(world, 1)
    ask(world, of_members(MAX_MEMBERS + 2))
    for filters in ({}, of_members(MAX_MEMBERS, 20)):
        world.clients[0].put_subs({}, list(world.clients[0].copies))
        say(world)
        world.settle()
        for _ in range(2):
            world.clients[1].put(P)
            say(world, 1)
            world.settle()
            world.advance(2.0)
            turns(world)
        ask(world, filters or {"one": {"n": 1}})
        assert views(world).scanned == 0
    assert len(views(world)) == MAX_MEMBERS
    assert set(views(world)._index._users.values()) == {1}


def test_what_is_read_once_leaves_no_index() -> None:
    world = World(limits=FEW, store=stored("a", "b"))
    ask(world, of_members(1))
    for member in ("id", "value"):
        asked = world.clients[0].ask("GET", P, {"where": {member: {"in": ["a", 0]}}})
        say(world)
        turns(world)
        world.settle()
        assert asked.ok
        assert asked.reply["data"]  # type: ignore[index]
    indexed = views(world)._index._by_value
    assert {path for _, path in indexed} <= {("m0",)}


def test_a_view_that_is_there_is_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(2, store=stored("a"))
    made: list[Program] = []
    begin = Program.__init__

    def counted(program: Program, tree: Node) -> None:
        made.append(program)
        begin(program, tree)

    monkeypatch.setattr(Program, "__init__", counted)
    same = {"v": {"or": [{"n": 1}, {"n": 2}]}, "w": {"or": [{"n": 2}, {"n": 1}]}}
    ask(world, same)
    ask(world, same, 1)
    assert len(made) == 1
    assert len(views(world)) == 1
