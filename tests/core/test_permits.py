"""What an author may do to a collection: checked on what is stored, with no gap between the check and the commit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_core import Commit, Load, RequestError, Update
from sharedstate_core.collection.checking import CHECKED_AT_ONCE, TRIES
from sharedstate_core.server.rights import Rights
from sharedstate_core.testing import MemoryStore, World, check_copies, check_requests
from tests.support.work import LONG_TURN, work_of

from .scenes import PATH, P, hear, say, under_way

if TYPE_CHECKING:
    from sharedstate_core.testing import Asked


class Owners:
    """Everybody may insert items, and change or remove those of which they are the owner; `at` is stamped."""

    def __init__(self, *, looks: bool = True) -> None:
        self.looks = looks
        self.looks_at_new = True

    def insert(self, id: str, new: bytes, now: float) -> bytes:
        assert json.loads(new)["id"] == id
        return json.dumps(json.loads(new) | {"at": now}).encode()

    def update(self, id: str, old: bytes, new: bytes, now: float) -> bytes:
        self._check(id, old)
        return self.insert(id, new, now)

    def remove(self, id: str, old: bytes | None, now: float) -> None:
        assert now > 0
        if old is not None:
            self._check(id, old)

    def _check(self, id: str, old: bytes) -> None:
        if json.loads(old)["by"] != "ann":
            raise RequestError("forbidden", f"{id!r} is not yours")


@pytest.fixture(autouse=True)
def _owners(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = Rights.__init__

    def limited(self: Rights[Any], *args: Any) -> None:
        begin(self, *args)
        self.are_limited = True

    monkeypatch.setattr(Rights, "__init__", limited)
    monkeypatch.setattr(Rights, "permit", lambda *_: Owners())


def item(id: str, by: str = "ann") -> dict[str, Any]:
    return {"id": id, "by": by}


def owned(**owners: str) -> World:
    """A world in which nobody watches, with these items and their owners."""
    world = World(store=MemoryStore())
    texts = {id: json.dumps(item(id, by)).encode() for id, by in owners.items()}
    world.commit_elsewhere(PATH, Update(insert=texts))
    return world


def ask(world: World, **arg: Any) -> Asked:
    asked = world.clients[0].ask("PUT", P, arg)
    say(world)
    return asked


def give_away(world: World, id: str) -> None:
    """Another server gives an item to somebody else."""
    world.commit_elsewhere(PATH, Update(insert={id: json.dumps(item(id, "bob")).encode()}))


def finish(world: World) -> None:
    (ticket,) = world.operations
    world.finish(ticket)


def test_what_is_stored_is_read_before_an_update_that_depends_on_it() -> None:
    world = owned(p="ann")
    asked = ask(world, insert=[item("p")])
    under_way(world, Load)
    finish(world)
    commit = under_way(world, Commit)
    assert commit.writes[0].condition is not None
    assert commit.writes[0].condition.ids == ("p",)
    world.settle()
    assert asked.ok
    assert json.loads(world.store.state(PATH)["p"])["at"] == world.now


@pytest.mark.parametrize(
    "arg",
    [
        {"insert": [item("p")]},
        {"insert": [item("mine"), item("p")]},
        {"remove": ["p"]},
        {"remove": ["mine", "p"]},
        {"remove": ["p"], "insert": [item("p")]},
        {"reset": True},
        {"reset": True, "insert": [item("p")]},
    ],
)
def test_all_of_an_update_is_refused_if_one_item_is_somebody_elses(arg: dict[str, Any]) -> None:
    world = owned(p="bob", mine="ann")
    before = dict(world.store.state(PATH))
    asked = ask(world, **arg)
    world.settle()
    assert asked.code == "forbidden"
    assert world.store.state(PATH) == before
    assert asked.reply is not None
    assert asked.reply["version"] == 1


@pytest.mark.parametrize(
    "arg",
    [
        {"insert": [item("mine"), item("new", "bob")]},
        {"remove": ["mine", "nothing"]},
        {"remove": ["mine"], "insert": [item("mine")]},
    ],
)
def test_what_may_be_done(arg: dict[str, Any]) -> None:
    world = owned(p="bob", mine="ann")
    asked = ask(world, **arg)
    world.settle()
    assert asked.ok
    check_requests(world)


def test_a_reset_of_what_is_all_ones_own() -> None:
    world = owned(p="ann", q="ann")
    asked = ask(world, reset=True, insert=[item("r")])
    world.settle()
    assert asked.ok
    assert list(world.store.state(PATH)) == ["r"]


def test_what_changes_between_the_check_and_the_commit_is_checked_again() -> None:
    world = owned(p="ann", q="ann")
    asked = ask(world, remove=["p"])
    finish(world)
    give_away(world, "p")
    finish(world)
    assert asked.reply is None
    world.settle()
    assert asked.code == "forbidden"
    assert "p" in world.store.state(PATH)


def test_what_else_changes_meanwhile_does_not_matter() -> None:
    world = owned(p="ann", q="ann")
    asked = ask(world, remove=["p"])
    finish(world)
    give_away(world, "q")
    finish(world)
    world.settle()
    assert asked.ok
    assert list(world.store.state(PATH)) == ["q"]


def test_a_reset_depends_on_everything() -> None:
    world = owned(p="ann")
    asked = ask(world, reset=True)
    finish(world)
    give_away(world, "new")
    finish(world)
    world.settle()
    assert asked.code == "forbidden"
    assert set(world.store.state(PATH)) == {"p", "new"}


def test_what_changes_again_and_again_is_given_up() -> None:
    world = owned(p="ann")
    asked = ask(world, insert=[item("p")])
    for _ in range(TRIES):
        assert asked.reply is None
        finish(world)  # a load
        world.commit_elsewhere(PATH, Update(insert={"p": json.dumps(item("p")).encode()}))
        finish(world)  # a commit
    hear(world)
    assert asked.code == "unavailable"


def test_what_was_overtaken_is_not_tried_again() -> None:
    world = owned(p="ann", q="ann")
    first, second = ask(world, remove=["p"]), None
    finish(world)
    world.clients[0].ask("GET", "/clock")
    give_away(world, "p")
    finish(world)
    world.settle()
    assert first.code == "forbidden"
    texts = [{"remove": ["p"]}, {"remove": ["q"]}]
    give_back = Update(insert={"p": json.dumps(item("p")).encode()})
    world.commit_elsewhere(PATH, give_back)
    world.tell(PATH)
    world.settle()
    first, second = (world.clients[0].ask("PUT", P, arg) for arg in texts)
    world.all_to_server(0)
    while not any(isinstance(each.effect, Commit) for each in world.operations.values()):
        finish(world)
    assert len(under_way(world, Commit).writes) == 2
    give_away(world, "p")
    finish(world)
    world.settle()
    assert (first.code, second.ok) == ("unavailable", True)


def test_updates_of_different_items_are_committed_together() -> None:
    world = owned(p="ann", q="ann")
    asked = [
        world.clients[0].ask("PUT", P, arg)
        for arg in ({"remove": ["p"]}, {"remove": ["q"]}, {"insert": [item("p", "bob")]})
    ]
    world.all_to_server(0)
    finish(world)
    assert len(under_way(world, Commit).writes) == 2
    world.settle()
    assert all(each.ok for each in asked)


def test_an_update_is_checked_on_what_the_one_before_it_leaves() -> None:
    world = owned(p="ann")
    asked = [
        world.clients[0].ask("PUT", P, arg)
        for arg in ({"insert": [item("p", "bob")]}, {"insert": [item("p", "ann")]})
    ]
    world.all_to_server(0)
    world.settle()
    assert [each.code for each in asked] == [None, "forbidden"]
    assert json.loads(world.store.state(PATH)["p"])["by"] == "bob"


@pytest.mark.parametrize("ids", [["p"], ["q"], [], None])
def test_the_authors_own_condition_holds_too(ids: list[str] | None) -> None:
    world = owned(p="ann", q="ann")
    seen = {"epoch": world.store.epoch, "version": 1, "ids": ids}
    asked = ask(world, remove=["p"], **{"if": seen})
    finish(world)
    world.settle()
    assert asked.ok
    asked = ask(world, insert=[item("r")], **{"if": seen})
    world.settle()
    assert asked.code == (None if ids in (["q"], []) else "conflict")
    check_requests(world)


def test_the_authors_own_condition_fails_between_the_check_and_the_commit() -> None:
    world = owned(p="ann", q="ann")
    seen = {"epoch": world.store.epoch, "version": 1, "ids": ["q"]}
    asked = ask(world, remove=["p"], **{"if": seen})
    finish(world)
    give_away(world, "q")
    finish(world)
    world.settle()
    assert asked.code == "conflict"
    assert "p" in world.store.state(PATH)


def test_a_condition_from_another_epoch() -> None:
    world = owned(p="ann")
    asked = ask(world, remove=["p"], **{"if": {"epoch": "other", "version": 1}})
    world.settle()
    assert asked.code == "conflict"


def test_a_large_update_is_checked_by_turns() -> None:
    many = 3 * CHECKED_AT_ONCE
    world = owned(**{f"i{n}": "ann" for n in range(many)})
    asked = ask(world, reset=True, insert=[item(f"j{n}") for n in range(many)])
    finish(world)
    turns = 0
    while world.server.next_wakeup() == world.now:
        world.turn()
        turns += 1
    assert turns >= 5
    under_way(world, Commit)
    world.settle()
    assert asked.ok
    assert len(world.store.state(PATH)) == many


def test_a_large_update_is_refused_by_turns() -> None:
    many = 3 * CHECKED_AT_ONCE
    world = owned(**{f"i{n}": "ann" for n in range(many)}, last="bob")
    asked = ask(world, reset=True)
    other = ask(world, remove=["i0"])
    world.settle()
    assert asked.code == "forbidden"
    assert other.ok


def test_no_turn_is_long() -> None:
    many = 20_000
    world = owned()
    asked = ask(world, insert=[item(f"j{n}") for n in range(many)])
    work = []
    finish(world)
    while world.server.next_wakeup() == world.now:
        work.append(work_of(world.turn))
    assert max(work) < LONG_TURN
    assert len(work) > 100
    world.settle()
    assert asked.ok


def of_long_items() -> tuple[World, list[str]]:
    ids = [f"i{n}" for n in range(40)]
    texts = {id: json.dumps(item(id) | {"text": 500_000 * "a"}).encode() for id in ids}
    world = World(store=MemoryStore())
    world.commit_elsewhere(PATH, Update(insert=texts))
    return world, ids


def check_turns(world: World) -> None:
    work = [work_of(lambda: finish(world))]
    while world.server.next_wakeup() == world.now:
        work.append(work_of(world.turn))
    assert max(work) < LONG_TURN


@pytest.mark.parametrize("key", ["remove", "insert", "reset"])
def test_no_turn_is_long_where_items_are(key: str) -> None:
    world, ids = of_long_items()
    asked = ask(world, **{key: {"remove": ids, "insert": [*map(item, ids)], "reset": True}[key]})
    check_turns(world)
    world.settle()
    assert asked.ok


def test_no_turn_is_long_for_many_updates_of_long_items() -> None:
    world, ids = of_long_items()
    asked = [world.clients[0].ask("PUT", P, {"remove": [id]}) for id in ids]
    say(world)
    check_turns(world)
    world.settle()
    assert all(each.ok for each in asked)


def test_where_storage_cannot_be_read_nothing_is_done() -> None:
    world = owned(p="ann")
    asked = ask(world, remove=["p"])
    (ticket,) = world.operations
    world.fail(ticket)
    world.settle()
    assert asked.code == "unavailable"
    assert "p" in world.store.state(PATH)


def test_a_permit_that_does_not_look_needs_no_content(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Rights, "permit", lambda *_: Owners(looks=False))
    world = owned(p="bob")
    asked = ask(world, insert=[item("p")], remove=["q"])
    commit = under_way(world, Commit)
    assert commit.writes[0].condition is None
    assert b'"at": ' in commit.writes[0].update.insert["p"]
    world.settle()
    assert asked.ok
    check_copies(world)
