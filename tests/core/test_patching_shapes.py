"""Patches that are wrong whatever is stored, and as many as there may be."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from sharedstate_core import (
    Limits,
    Patch,
    Update,
)

from .patching_scenes import error, holding, item, patch
from .scenes import PATH, P, say, watching


@pytest.mark.parametrize(
    ("arg", "code", "place"),
    [
        ({"patch": {}}, "bad_update", "patch"),
        ({"patch": None}, "bad_update", "patch"),
        ({"patch": [7]}, "bad_update", "patch[0]"),
        ({"patch": [{"id": "p"}, {"id": ""}]}, "bad_update", "patch[1].id"),
        ({"patch": [{"id": "p", "add": {"l": 1}}]}, "bad_update", "patch[0].add.l"),
        ({"patch": [{"id": "p", "unset": "x"}]}, "bad_update", "patch[0].unset"),
        ({"patch": [{"id": "p", "inc": {"/x~": 1}}]}, "bad_update", "patch[0].inc['/x~']"),
        (
            {"patch": [{"id": "p", "set": {"a": [[[[1]]]]}}]},
            "bad_update",
            "patch[0].set.a",
        ),
        ({"patch": [{"id": "p", "now": ["/a/b/c/d/e"]}]}, "bad_update", "patch[0].now['/a/b/c/d/e']"),
        ({"patch": [{"id": "p", "unset": list("abcd")}]}, "too_many", "patch[0]"),
        ({"patch": [{"id": "p", "unset": ["a", "b"]}] * 2}, "too_many", "patch[1]"),
        ({"patch": [{"id": "p"}] * 6}, "too_many", None),
        ({"patch": [{"id": "p"}] * 4, "insert": [{"id": "q"}], "remove": ["r"]}, "too_many", None),
    ],
)  # fmt: skip
def test_what_is_refused_at_once(arg: dict[str, Any], code: str, place: str | None) -> None:
    world = holding(b'{"id":"p"}', limits=Limits(items=5, depth=4, patch_operations=3))
    asked = world.clients[0].ask("PUT", P, arg)
    say(world)
    world.to_client(0)
    assert not world.operations
    assert (error(asked)["code"], error(asked).get("place")) == (code, place)


def test_as_much_as_is_allowed() -> None:
    world = holding(b'{"id":"p"}', limits=Limits(items=5, depth=4, patch_operations=3))
    changed = {"id": "p", "set": {"/a/b/c": [1], "b": [[[1]]], "c": 1}}
    asked = patch(world, changed, *[{"id": "p"}] * 2, insert=[{"id": "q"}], remove=["r"])
    world.settle()
    assert asked.ok


def test_a_huge_update_of_patches() -> None:
    """What names too many is refused as text; a list that is too long for one patch, too."""
    world = watching(1, limits=Limits(items=50_000))
    patches = [{"id": f"i{number}", "set": {"n": 1}, "upsert": True} for number in range(30_000)]
    fine = patch(world, *patches)
    long = patch(world, {"id": "p", "add": {"l": [1] * 50_000}, "upsert": True})
    wrong = patch(world, *patches, {"set": {}})
    many = patch(world, *patches, *patches)
    world.settle()
    assert fine.ok
    assert (error(long)["code"], error(long)["place"]) == ("too_large", "patch[0]")
    assert (error(wrong)["code"], error(wrong)["place"]) == ("bad_update", "patch[30000].id")
    assert error(many)["code"] == "too_many"
    assert len(world.store.state(PATH)) == 30_000


@pytest.mark.parametrize(
    ("change", "kind", "text"),
    [
        ({"id": 7}, TypeError, r"patch\[0\].id"),
        ({"set": {"a": 1}}, TypeError, r"patch\[0\].set.a: expected JSON text"),
        ({"set": {"a": b"x"}}, ValueError, r"patch\[0\].set.a"),
        ({"set": [1]}, TypeError, r"patch\[0\].set: expected a mapping"),
        ({"now": ["a"]}, TypeError, r"patch\[0\].now: expected a tuple"),
        ({"unset": (1,)}, TypeError, r"patch\[0\].unset"),
        ({"upsert": 1}, TypeError, r"patch\[0\].upsert"),
        ({"whole": b'{"id":"q"}'}, ValueError, r"patch\[0\].whole"),
    ],
)
def test_arguments(change: dict[str, Any], kind: type[Exception], text: str) -> None:
    world = watching(1)
    with pytest.raises(kind, match=text):
        world.put(P, Update(patch=(Patch(**{"id": "p", **change}),)))
    with pytest.raises(TypeError, match="patch: expected a tuple"):
        world.put(P, replace(Update(), patch=7))


def test_requests_without_a_message() -> None:
    world = holding(b'{"id":"p","n":1}')
    world.put(P, Update(patch=(Patch("p", inc={"n": b"1"}, now=("at",)),)), "fine")
    world.put(P, Update(patch=(Patch("p", set={"id": b"1"}),)), "wrong")
    world.put(P, Update(patch=(Patch("x"),)), "absent")
    world.settle()
    told = {answer.author: answer.error for answer in world.callers.answers}
    assert told["fine"] is None
    wrong, absent = told["wrong"], told["absent"]
    assert wrong is not None
    assert absent is not None
    assert (wrong.code, wrong.place) == ("bad_update", "patch[0].set.id")
    assert (absent.code, absent.place, absent.ids) == ("mismatch", "patch[0]", ("x",))
    assert json.loads(item(world, "p")) == {"id": "p", "n": 2, "at": world.now}
