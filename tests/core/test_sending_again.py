"""Updates with a number in the server: whatever was lost, sent again they are stored once, and answered truly."""

from __future__ import annotations

from typing import Any

import pytest

from sharedstate_core import Access, Commit, Limits, Server, Update
from sharedstate_core.rules.rules import Rules
from sharedstate_core.testing import Asked, MemoryStore, World, check_copies

from .scenes import PATH, P, hear, say, text, under_way

KEY = "k" * 22


def world_of(**more: Any) -> World:
    """A world whose one client has a session with a key, and is subscribed."""
    world = World(1, store=MemoryStore(), **more)
    sign_in(world)
    world.clients[0].put_subs({P: {}})
    world.settle()
    hear(world)
    return world


def sign_in(world: World) -> None:
    world.clients[0].ask("PUT", "/session", {"key": KEY})
    say(world)


def put(world: World, number: int | None, *ids: str, **more: Any) -> Asked:
    arg: dict[str, Any] = {"insert": [{"id": id, "value": 0} for id in ids], **more}
    if number is not None:
        arg["op"] = number
    asked = world.clients[0].ask("PUT", P, arg)
    say(world)
    return asked


def answered(world: World, asked: Asked) -> dict[str, Any]:
    world.settle()
    assert asked.reply is not None
    return asked.reply


def refusal(world: World, asked: Asked) -> tuple[str, str | None]:
    """The code, and what is said of the outcome."""
    reply = answered(world, asked)
    assert not reply["ok"]
    return reply["error"]["code"], reply["error"].get("outcome")


def items(world: World) -> set[str]:
    return set(world.store.state(PATH))


def test_sent_again() -> None:
    world = world_of()
    first = answered(world, put(world, 1, "a"))
    assert (first["ok"], first["version"], first.get("duplicate")) == (True, 1, None)
    world.commit_elsewhere(PATH, Update(insert={"b": text("b")}))
    again = answered(world, put(world, 1, "a", again=True))
    assert again == {**again, "ok": True, "data": 1, "version": 2, "duplicate": True}
    assert answered(world, put(world, 2, "c"))["version"] == 3
    world.settle()
    check_copies(world)


def test_a_lost_connection() -> None:
    """The update of the old connection waits, and so does what is sent again: within one commit, it is stored once."""
    world = world_of()
    put(world, 1, "a")
    commit = under_way(world, Commit)
    put(world, 2, "b")
    world.cut(0)
    world.connect(0)
    sign_in(world)
    again = [put(world, each, id, again=True) for each, id in ((1, "a"), (2, "b"))]
    third = put(world, 3, "c")
    world.finish(commit.ticket)
    assert [answered(world, each).get("duplicate") for each in (*again, third)] == [
        True,
        True,
        None,
    ]
    assert world.store.head(PATH).version == 3


def test_what_is_asked_of_storage() -> None:
    world = world_of(limits=Limits(updates_per_second=1, updates_burst=1))
    put(world, 1, "a")
    world.settle()
    assert refusal(world, put(world, 2, "b")) == ("too_many", None)
    again = put(world, 1, "a", again=True)
    (write,) = under_way(world, Commit).writes
    assert write.refusal is not None
    assert write.refusal.code == "too_many"
    assert answered(world, again)["duplicate"]
    assert refusal(world, put(world, 2, "b", again=True)) == ("too_many", None)
    world.advance(10)
    put(world, 3, "c")
    (write,) = under_way(world, Commit).writes
    assert write.op is not None
    assert write.op.refused == ((2, "too_many"),)
    world.settle()
    assert refusal(world, put(world, 2, "b", again=True)) == ("too_many", None)
    assert items(world) == {"a", "c"}


def test_refusals_before_storage_are_remembered() -> None:
    """With their code, once a later one is stored."""
    world = world_of(limits=Limits(collection_items=1))
    assert refusal(world, put(world, 1, "a", "b")) == ("too_large", None)
    assert refusal(world, put(world, 2, "a", "b")) == ("too_large", None)
    put(world, 3, "a")
    (write,) = under_way(world, Commit).writes
    assert write.op is not None
    assert write.op.refused == ((1, "too_large"), (2, "too_large"))
    world.settle()
    put(world, 4, "a")
    (write,) = under_way(world, Commit).writes
    assert write.op is not None
    assert not write.op.refused
    assert refusal(world, put(world, 2, "a", again=True)) == ("too_large", None)
    assert refusal(world, put(world, 1, "a")) == ("too_large", None)


def test_conflicts_are_remembered() -> None:
    world = world_of()
    world.commit_elsewhere(PATH, Update(insert={"x": text("x")}))
    never = {"epoch": "none", "version": 0}
    assert refusal(world, put(world, 1, "a", **{"if": never})) == ("conflict", None)
    answered(world, put(world, 2, "b"))
    assert refusal(world, put(world, 1, "a", again=True, **{"if": never})) == ("conflict", None)
    assert items(world) == {"x", "b"}


def test_too_large_a_collection() -> None:
    """What would not fit any more may be there."""
    world = world_of(limits=Limits(collection_items=2))
    answered(world, put(world, 1, "a", "b"))
    assert answered(world, put(world, 1, "a", "b", again=True))["duplicate"]
    assert refusal(world, put(world, 2, "c")) == ("too_large", None)
    both = [put(world, 2, "c", again=True), put(world, 1, "a", "b", again=True)]
    assert refusal(world, both[0]) == ("too_large", None)
    assert answered(world, both[1])["duplicate"]


def test_rules() -> None:
    """What is denied by now may have been stored: its author removed nothing since, but may not insert any more."""
    access = Access(rules=Rules.parse([{"path": "/a/items/*", "read": True, "update": True}]))
    world = World(1, store=MemoryStore(), access=Access())
    world.clients[0].ask("PUT", "/session", {"key": KEY, "token": "t"})
    say(world)
    (ticket,) = world.proofs
    world.accept(ticket, {"id": "ann"})
    answered(world, put(world, 1, "a"))
    world.change_access(access)
    world.settle()
    assert refusal(world, put(world, 2, "b")) == ("forbidden", None)
    assert answered(world, put(world, 1, "a", again=True))["duplicate"]
    assert refusal(world, put(world, 2, "b", again=True)) == ("forbidden", None)
    many = [f"{number}" for number in range(300)]  # checked by turns
    assert refusal(world, put(world, 2, *many, again=True)) == ("forbidden", None)
    assert answered(world, put(world, 1, *many, again=True))["duplicate"]
    assert items(world) == {"a"}


def test_storage_that_fails() -> None:
    """That it was not stored now is no answer to whether it was before."""
    world = world_of()
    for again, outcome in ((False, None), (True, "unknown")):
        asked = put(world, 1, "a", again=again)
        world.fail(under_way(world, Commit).ticket)
        assert refusal(world, asked) == ("unavailable", outcome)
    asked = put(world, 1, "a", again=True)
    world.lose(under_way(world, Commit).ticket, applied=True)
    assert refusal(world, asked) == ("unavailable", "unknown")
    assert answered(world, put(world, 1, "a", again=True))["duplicate"]


def test_no_room() -> None:
    """It is not queued: so nothing is known of one that was sent before."""
    world = world_of(limits=Limits(pending_bytes=64 * 1024))
    put(world, 1, *(f"{number}" for number in range(1000)))
    for again, outcome in ((False, None), (True, "unknown")):
        put(world, 2, *(f"{number}" for number in range(1000)))
        asked = put(world, 3, "a", again=again)
        hear_until(world, asked)
        assert asked.reply is not None
        assert asked.reply["error"].get("outcome") == outcome


def hear_until(world: World, asked: Asked) -> None:
    while asked.reply is None and world.links[0].inbox:
        world.to_client(0)


@pytest.mark.parametrize(
    ("arg", "place"),
    [
        ({"op": 0}, "op"),
        ({"op": 2**53}, "op"),
        ({"op": -1}, "op"),
        ({"op": "1"}, "op"),
        ({"op": 1.5}, "op"),
        ({"again": True}, "again"),
        ({"op": 1, "again": 1}, "again"),
    ],
)
def test_bad_numbers(arg: dict[str, Any], place: str) -> None:
    world = world_of()
    reply = answered(world, put(world, None, "a", **arg))
    assert (reply["error"]["code"], reply["error"]["place"]) == ("bad_update", place)
    assert not items(world)


def test_without_a_key() -> None:
    world = World(1, store=MemoryStore())
    reply = answered(world, put(world, 1, "a"))
    assert (reply["error"]["code"], reply["error"]["place"]) == ("bad_update", "op")


def test_features() -> None:
    world = world_of()
    asked = world.clients[0].ask("GET", "/session")
    say(world)
    assert "op" in answered(world, asked)["data"]["features"]


def test_bad_services() -> None:
    with pytest.raises(ValueError, match="resendable"):
        Server(["items"], resendable=["others"])
