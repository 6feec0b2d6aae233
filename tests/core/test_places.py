"""Where in an update the fault is, and which rule denies it: members of the error, for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharedstate_core import Access, Update
from sharedstate_core.clock import WallClock
from sharedstate_core.rules.rules import Rules
from sharedstate_core.testing import MemoryStore, World

from .scenes import PATH, P, say

if TYPE_CHECKING:
    from sharedstate_core.testing import Asked

RULES: list[dict[str, Any]] = [
    {
        "path": "/a/items/*",
        "let": {"mine": "item.by == user.id"},
        "insert": "new.by == user.id",
        "update": "mine && new.by == user.id",
        "remove": "mine",
        "admin": "has(user.admin)",
    }
]

ids = st.sampled_from("abcdef")


def stored(by: dict[str, str], *, admin: bool = False) -> World:
    """A world with these items, by their owners, and with Ann."""
    world = World(1, store=MemoryStore(), access=Access(rules=Rules.parse(RULES)))
    world.commit_elsewhere(PATH, Update(insert={id: of(id, who) for id, who in by.items()}))
    world.clients[0].ask("PUT", "/session", {"token": "t"})
    say(world)
    (ticket,) = world.proofs
    world.accept(ticket, {"id": "ann", "admin": True} if admin else {"id": "ann"})
    world.carry_everything()
    return world


def of(id: str, who: str) -> bytes:
    return json.dumps({"id": id, "by": who}).encode()


def error_of(world: World, **arg: Any) -> dict[str, Any] | None:
    asked: Asked = world.clients[0].ask("PUT", P, arg)
    world.settle()
    assert asked.reply is not None
    error: dict[str, Any] | None = asked.reply.get("error")
    return error


def items(*ids: str, by: str = "ann") -> list[dict[str, Any]]:
    return [{"id": id, "by": by} for id in ids]


@pytest.mark.parametrize(
    ("arg", "place", "rule"),
    [
        ({"insert": items("c", "b")}, "insert[1]", "update"),
        ({"insert": items("c") + items("d", by="bob")}, "insert[1]", "insert"),
        ({"remove": ["a", "x", "b"]}, "remove[2]", "remove"),
        ({"remove": ["a", "x"], "insert": items("b")}, "insert[0]", "update"),
        ({"reset": True}, "reset", "remove"),
        ({"reset": True, "remove": ["a"], "insert": items("c")}, "reset", "remove"),
    ],
)
def test_what_is_denied_has_a_place_and_for_administrators_a_rule(
    arg: dict[str, Any], place: str, rule: str
) -> None:
    by = {"a": "ann", "b": "bob"}
    told = error_of(stored(by), **arg)
    assert told is not None
    assert told.pop("message").startswith("you may not ")
    assert told == {"code": "forbidden", "place": place}
    told = error_of(stored(by, admin=True), **arg)
    assert told is not None
    assert told.pop("message").count(f"rules[0].{rule}") == 1
    assert told == {"code": "forbidden", "place": place, "rule": f"rules[0].{rule}"}


def test_an_item_after_a_reset_is_denied_in_its_own_place() -> None:
    told = error_of(stored({"a": "ann"}), reset=True, insert=items("b") + items("c", by="bob"))
    assert told is not None
    assert told["place"] == "insert[1]"


@given(
    by=st.dictionaries(ids, st.sampled_from(["ann", "bob"])),
    remove=st.lists(ids, max_size=5),
    insert=st.lists(st.tuples(ids, st.sampled_from(["ann", "bob"])), max_size=5),
)
def test_the_place_is_that_of_the_message_whatever_is_listed_twice(
    by: dict[str, str], remove: list[str], insert: list[tuple[str, str]]
) -> None:
    left = {id: who for id, who in by.items() if id not in remove}
    last = dict(insert)
    denied = {f"remove[{n}]" for n, id in enumerate(remove) if by.get(id) == "bob"}
    for n, (id, who) in enumerate(insert):
        if last[id] == who and "bob" in {who, left.get(id)}:
            denied.add(f"insert[{n}]")
    told = error_of(stored(by), remove=remove, insert=[{"id": id, "by": who} for id, who in insert])
    if told is None:
        assert not denied
    else:
        assert told["place"] in denied
        named = told["message"].removeprefix("you may not ").split()[1]
        place = told["place"].rstrip("]").split("[")
        listed = remove if place[0] == "remove" else [id for id, _ in insert]
        assert repr(listed[int(place[1])]) == named


def test_who_has_not_signed_in_is_told_the_place_and_no_rule() -> None:
    rules = [{"path": "/a/items/*", "insert": "user != null || new.by == 'x'", "admin": True}]
    world = World(1, store=MemoryStore(), access=Access(rules=Rules.parse(rules)))
    told = error_of(world, insert=items("a", by="x") + items("b"))
    assert told is not None
    assert (told["code"], told["reason"]) == ("unauthenticated", "missing")
    assert told["place"] == "insert[1]"
    assert "rule" not in told


def test_a_clock_that_is_not_set_is_in_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    world = stored({"a": "ann"})
    monkeypatch.setattr(WallClock, "at", lambda *_: None)
    told = error_of(world, insert=items("a"))
    assert told is not None
    assert told["code"] == "unavailable"
    assert "place" not in told


@pytest.mark.parametrize(
    ("arg", "place"),
    [
        ({"insert": [{"id": "p"}, {"id": ""}]}, "insert[1].id"),
        ({"insert": [{"id": "p"}, 7]}, "insert[1]"),
        ({"insert": [{"id": "p"}, {}]}, "insert[1].id"),
        ({"remove": ["p", ""]}, "remove[1]"),
        ({"remove": ["p", 7]}, "remove[1]"),
        ({"remove": 7}, "remove"),
        ({"reset": 7}, "reset"),
        ({"if": {"epoch": "e", "version": 1.5}}, "if"),
    ],
)
def test_what_cannot_be_an_update_has_a_place(arg: dict[str, Any], place: str) -> None:
    told = error_of(World(1, store=MemoryStore()), **arg)
    assert told is not None
    assert told["code"] == "bad_update"
    assert told["place"] == place
    assert told["message"].startswith(f"{place}: ")


def test_an_update_that_is_wrong_as_a_whole_is_in_no_place() -> None:
    world = World(1, store=MemoryStore())
    asked = world.clients[0].ask("PUT", P, 7)
    world.settle()
    assert asked.reply is not None
    assert set(asked.reply["error"]) == {"code", "message"}


def test_a_call_is_told_the_same() -> None:
    world = stored({"a": "bob"}, admin=True)
    world.put(P, Update(insert={"b": of("b", "ann"), "a": of("a", "ann")}), "me", client=0)
    world.settle()
    (answer,) = world.callers.answers
    assert answer.error is not None
    assert (answer.error.place, answer.error.rule) == ("insert[1]", "rules[0].update")
