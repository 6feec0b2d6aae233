"""What becomes of patched items decides: conditions, bounds, rules and stamps."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from sharedstate_core import (
    Access,
    Commit,
    Limits,
    Load,
    Patch,
    Update,
)
from sharedstate_core.rules.rules import Rules
from sharedstate_core.testing import World, check_copies
from tests.support.work import LONG_TURN, work_of

from .patching_scenes import error, holding, item, patch
from .scenes import PATH, P, say, under_way


def test_conditions() -> None:
    world = holding(b'{"id":"p","n":1}')
    epoch = world.store.epoch
    seen = {"epoch": epoch, "version": 1, "ids": ["p"]}
    first = patch(world, {"id": "p", "inc": {"n": 1}}, when=seen)
    second = patch(world, {"id": "absent"}, when=seen)
    world.settle()
    assert first.ok
    assert error(second)["code"] == "conflict"


@pytest.mark.parametrize("watched", [True, False])
def test_the_size_of_what_patches_lead_to_is_bounded(watched: bool) -> None:
    limits = Limits(collection_items=2, collection_bytes=1024)
    world = holding(b'{"id":"p"}', watched=watched, limits=limits)
    texts = [
        patch(world, {"id": "p", "set": {"a": "x" * 600}}),
        patch(world, {"id": "p", "set": {"b": "x" * 600}}),
        patch(world, {"id": "p", "set": {"a": "x" * 300}}),
        patch(world, {"id": "p", "set": {"b": "x" * 600}}),
        patch(world, {"id": "q", "upsert": True}),
        patch(world, {"id": "r", "upsert": True}),
        patch(world, {"id": "p", "inc": {"a": 1}}),
        patch(world, {"id": "p", "unset": ["a"], "now": ["at"]}),
    ]
    world.settle()
    assert [each.code for each in texts] == [
        None,
        "too_large",
        None,
        None,
        None,
        "too_large",
        "mismatch",
        None,
    ]
    check_copies(world)


@pytest.mark.parametrize("fits", [True, False])
def test_a_large_update_of_a_bounded_collection_is_measured_by_turns(fits: bool) -> None:
    ids = [f"i{number}" for number in range(5_000)]
    texts = [b'{"id":"%b","n":1,"l":[1,2,3]}' % id.encode() for id in ids]
    world = holding(*texts, limits=Limits(collection_bytes=sum(map(len, texts)) + 5_000 * fits))
    update = Update(patch=tuple(Patch(id, inc={"n": b"9"}) for id in ids))
    world.put(P, update, "me")
    work = []
    while not world.operations and world.server.next_wakeup() is not None:
        work.append(work_of(world.turn))
        assert len(work) < 1_000
    assert max(work) < LONG_TURN
    if fits:
        (write,) = under_way(world, Commit).writes
        assert not write.update.patch
        assert write.condition is not None
        world.commit_elsewhere(PATH, Update(patch=(Patch("i0", inc={"n": b"1"}),)))
    world.settle()
    (answer,) = world.callers.answers
    assert (answer.error is None) is fits
    assert item(world, "i0") == (b'{"id":"i0","n":11,"l":[1,2,3]}' if fits else texts[0])
    check_copies(world)


def ruled(rules: dict[str, Any], *texts: bytes, watched: bool = False) -> World:
    access = Access(rules=Rules.parse([{"path": "/a/items/*", **rules}]))
    world = holding(*texts, watched=False, access=access)
    world.clients[0].ask("PUT", "/session", {"token": "t"})
    say(world)
    (ticket,) = world.proofs
    world.accept(ticket, {"id": "ann"})
    if watched:
        world.clients[0].put_subs({P: {}})
    world.settle()
    return world


OWN = {
    "read": True,
    "insert": "new.by == user.id",
    "update": "item.by == user.id && new.n <= 3.0",
    "remove": False,
}


def test_rules_see_what_patches_lead_to() -> None:
    world = ruled(OWN, b'{"id":"p","by":"ann","n":2.0}', b'{"id":"q","by":"bob","n":1.0}')
    asked = [
        patch(world, {"id": "p", "inc": {"n": 1}}),
        patch(world, {"id": "p", "inc": {"n": 1}}),
        patch(world, {"id": "p"}, {"id": "q", "inc": {"n": 1}}),
        patch(world, {"id": "q", "inc": {"by": 1}}),
        patch(world, {"id": "r", "set": {"by": "ann", "n": 9}, "upsert": True}),
        patch(world, {"id": "s", "set": {"by": "bob"}, "upsert": True}),
        patch(world, {"id": "p", "inc": {"by": 1}}),
        patch(world, {"id": "absent"}),
    ]
    world.settle()
    told = [None if each.ok else (error(each)["code"], error(each)["place"]) for each in asked]
    assert told == [
        None,
        ("forbidden", "patch[0]"),
        ("forbidden", "patch[1]"),
        ("forbidden", "patch[0]"),
        None,
        ("forbidden", "patch[0]"),
        ("mismatch", "patch[0].inc.by"),
        ("mismatch", "patch[0]"),
    ]
    assert item(world, "p") == b'{"id":"p","by":"ann","n":3.0}'


def test_the_place_of_what_is_denied_beside_items_and_patches() -> None:
    world = ruled(OWN, b'{"id":"p","by":"ann","n":1.0}')
    fine = {"id": "a", "by": "ann"}
    asked = [
        patch(world, {"id": "p", "inc": {"n": 9}}, insert=[fine, {"id": "b", "by": "ann"}]),
        patch(world, {"id": "p"}, insert=[fine, {"id": "b", "by": "bob"}]),
        patch(world, {"id": "a", "set": {"by": "bob"}}, insert=[fine]),
        patch(world, {"id": "p"}, remove=["p"]),
    ]
    world.settle()
    places = ["patch[0]", "insert[1]", "patch[0]", "patch[0]"]
    assert [error(each)["place"] for each in asked] == places


def test_what_is_checked_is_stored_as_it_was_seen() -> None:
    """Another server makes the number larger in between: it is checked again, and then denied."""
    world = ruled(OWN, b'{"id":"p","by":"ann","n":1.0}')
    first, second = (patch(world, {"id": "p", "inc": {"n": 1}}) for _ in range(2))
    world.finish(under_way(world, Load).ticket)
    assert len(under_way(world, Commit).writes) == 1, "the second depends on the first"
    elsewhere = Update(patch=(Patch("p", inc={"n": b"1"}),))
    world.commit_elsewhere(PATH, elsewhere)
    world.settle()
    assert first.ok
    assert error(second)["code"] == "forbidden"
    assert item(world, "p") == b'{"id":"p","by":"ann","n":3.0}'


def test_stamps_are_set_on_what_patches_lead_to() -> None:
    rules = {**OWN, "update": True, "insert": True, "stamp": {"by": "user.id", "at": "now"}}
    world = ruled(rules, b'{"id":"p","by":"bob","n":1.10,"huge":1e400}')
    asked = patch(world, {"id": "p", "set": {"by": "eve"}, "inc": {"m": 1}, "now": ["then"]})
    world.settle()
    assert asked.ok
    assert item(world, "p").startswith(b'{"id":"p","n":1.10,"huge":1e400,')
    stored = json.loads(item(world, "p"))
    assert stored == {
        "id": "p",
        "n": 1.1,
        "huge": math.inf,
        "m": 1,
        "by": "ann",
        "at": world.now,
        "then": world.now,
    }


def test_patches_that_nobody_looks_at_need_no_content() -> None:
    world = ruled(
        {"read": True, "insert": True, "update": True, "remove": False}, b'{"id":"p","n":1}'
    )
    asked = patch(world, {"id": "p", "inc": {"n": 1}, "now": ["at"]})
    assert under_way(world, Commit).writes[0].update.patch[0].set == {"at": b"%r" % world.now}
    world.settle()
    assert asked.ok
