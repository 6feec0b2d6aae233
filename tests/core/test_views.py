"""Views: who shares one, what is refused, how long they stay, and how much they remember."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sharedstate_core import Limits, Send

from .view_model import Shape
from .view_world import COLLECTION, PATH, ViewWorld


def watching(*shapes: Shape, limits: Limits | None = None) -> ViewWorld:
    """A world in which each reader watches something, beside one who changes the collection."""
    world = ViewWorld(limits or Limits())
    for reader, shape in enumerate(shapes):
        world.connect(reader)
        world.subscribe(reader, "v", shape)
    world.connect(99)
    world.settle()
    return world


def put(world: ViewWorld, **update: Any) -> list[Send[int]]:
    """Let somebody change the collection, and return what the others are sent at once."""
    sent: list[Send[int]] = []
    perform = world.perform

    def noting(place: int, effects: Any) -> None:
        effects = list(effects)
        sent.extend(each for each in effects if isinstance(each, Send))
        perform(place, effects)

    world.perform = noting  # type: ignore[method-assign]
    world.say(99, "PUT", PATH, update, "put")
    world.finish()
    world.perform = perform  # type: ignore[method-assign]
    return [each for each in sent if b"NOTIFY" in bytes(each.message)]


def views(world: ViewWorld) -> Any:
    collection = world.servers[0]._registry.get(COLLECTION)
    assert collection is not None
    return collection.views


def asked(world: ViewWorld, **sub: Any) -> Any:
    """Ask for something, and return the code and the message of the refusal."""
    world.inbox[99].clear()
    world.say(99, "PUT", "/subs", {"insert": [[PATH, sub]], "brief": True}, "x")
    reply = json.loads(world.inbox[99].pop(0)[0])
    error = reply["errors"][0][1]
    return error["code"], error["message"]


def test_those_who_see_the_same_get_the_same_message() -> None:
    world = watching(Shape(1), Shape(1), Shape(2))
    sent = put(world, insert=[{"id": "a", "room": 0}])
    assert sorted(len(each.connections) for each in sent) == [1, 2]
    assert len(views(world)) == 2


def test_a_view_in_which_nothing_changes_is_told_nothing() -> None:
    world = watching(Shape(1), Shape(3))
    assert not put(world, insert=[{"id": "a", "room": 1, "n": 0}])
    (sent,) = put(world, insert=[{"id": "a", "room": 1, "n": 1}])
    assert json.loads(bytes(sent.message))["base"] == 0


def test_a_change_that_does_not_show_is_not_told() -> None:
    world = watching(Shape(0, None, ("room",)))
    assert put(world, insert=[{"id": "a", "room": 1, "n": 0}])
    assert not put(world, insert=[{"id": "a", "room": 1, "n": 1}])
    assert put(world, remove=["a"], insert=[{"id": "a", "room": 1, "n": 1}])


def test_a_view_stays_for_a_while() -> None:
    world = watching(Shape(1), limits=Limits(linger_seconds=10.0))
    world.subscribe(1, "v", Shape(2))
    world.connect(1)
    world.settle()
    world.unsubscribe(0, "v")
    world.turn(9.0)
    assert len(views(world)) == 2
    world.turn(2.0)
    assert len(views(world)) == 1


def test_what_a_view_remembers_is_bounded() -> None:
    world = watching(Shape(1), limits=Limits(tombstones=100))
    for n in range(300):
        put(world, insert=[{"id": f"{n}", "room": 0}], remove=[f"{n - 5}"])
    (view,) = views(world)._views.values()
    assert len(view._remembered) <= 100
    assert view._remembered.since > 200


def test_who_comes_back_from_before_that_is_told_all_the_same() -> None:
    world = watching(Shape(1), limits=Limits(tombstones=100))
    for n in range(5):
        put(world, insert=[{"id": f"{n}", "room": 0}])
    world.settle()
    world.cut(0)
    for n in range(5, 300):
        put(world, insert=[{"id": f"{n}", "room": 0}], remove=[f"{n - 5}"])
    world.connect(0)
    world.settle()
    world.check()


@pytest.mark.parametrize(
    ("sub", "code", "message"),
    [
        ({"where": []}, "bad_message", "sub.where: "),
        ({"where": {"a": {"above": 1}}}, "bad_message", "sub.where.a.above: "),
        ({"where": {"or": [{"a": []}]}}, "bad_message", "sub.where.or[0].a: "),
        ({"where": {f"m{n}": n for n in range(65)}}, "too_many", "sub.where: "),
        ({"last": 0}, "bad_message", "sub.last: "),
        ({"last": "5"}, "bad_message", "last: "),
        ({"last": 1001}, "too_many", "sub.last: at most 1000"),
        ({"fields": []}, "bad_message", "sub.fields: "),
        ({"fields": ["a", "a"]}, "bad_message", "sub.fields: "),
        ({"fields": "a"}, "bad_message", "fields: "),
        ({"view": ""}, "bad_message", "sub.view: "),
        ({"view": "é" * 33}, "bad_message", "sub.view: "),
        ({"view": 5}, "bad_message", "view: "),
    ],
)
def test_what_cannot_be_asked_for_is_refused(sub: Any, code: str, message: str) -> None:
    refused = asked(watching(), **sub)
    assert refused[0] == code
    assert refused[1].startswith(message), refused[1]


def test_views_are_bounded() -> None:
    world = watching(Shape(1), Shape(3), limits=Limits(views=3, scanned_views=1))
    assert asked(world, where={"n": {"gt": 7}}, view="x")[0] == "too_many"
    assert "limits.scanned_views" in asked(world, where={"n": {"gt": 7}}, view="x")[1]
    world.subscribe(99, "y", Shape(2))
    assert asked(world, where={"room": 7}, view="x") == (
        "too_many",
        "at most 3 different filters of a collection (limits.views)",
    )


def test_a_filter_that_holds_for_everything_is_a_filter() -> None:
    """Whoever asks for a part is told the places of the items."""
    world = watching(Shape(1))
    put(world, insert=[{"id": "a"}, {"id": "b"}])
    args: list[Any] = [{"where": {}}, {"before": [9, 9]}]
    for arg in args:
        world.inbox[99].clear()
        world.say(99, "GET", PATH, arg)
        reply = json.loads(world.inbox[99].pop(0)[0])
        assert reply["at"] == [[1, 0], [1, 1]]
    world.say(99, "GET", PATH, {})
    assert "at" not in json.loads(world.inbox[99].pop(0)[0])
