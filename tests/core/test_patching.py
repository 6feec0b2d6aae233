"""Patches in the server: from the wire to storage and back to readers, with times, rules, bounds and other servers."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from msgspec.structs import replace

from sharedstate_core import (
    Access,
    Commit,
    CommitResult,
    Committed,
    Limits,
    Load,
    Patch,
    Server,
    Update,
)
from sharedstate_core.patches.patching import MAX_ITEM_BYTES
from sharedstate_core.rules.rules import Rules
from sharedstate_core.testing import Asked, MemoryStore, World, check_copies, check_requests
from tests.support.work import LONG_TURN, work_of

from .scenes import PATH, P, changes, hear, say, under_way, watching


def holding(*texts: bytes, clients: int = 1, watched: bool = True, **more: Any) -> World:
    """A world at rest whose collection holds these items."""
    world = World(clients, store=MemoryStore(), **more)
    insert = {json.loads(text)["id"]: text for text in texts}
    world.commit_elsewhere(PATH, Update(insert=insert))
    if watched:
        for client in world.clients:
            client.put_subs({P: {}})
    world.settle()
    for number in range(clients):
        hear(world, number)
    return world


def patch(
    world: World, *patches: dict[str, Any], client: int = 0, when: object = None, **more: Any
) -> Asked:
    arg = {"patch": list(patches), **more}
    if when is not None:
        arg["if"] = when
    asked = world.clients[client].ask("PUT", P, arg)
    say(world, client)
    return asked


def error(asked: Asked) -> dict[str, Any]:
    assert asked.reply is not None
    assert not asked.ok
    found: dict[str, Any] = asked.reply["error"]
    return found


def item(world: World, id: str) -> bytes:
    return world.store.state(PATH)[id]


def test_readers_get_whole_items() -> None:
    world = holding(b'{"id":"p","price":1.10,"n":1}')
    asked = patch(world, {"id": "p", "inc": {"n": 2}, "set": {"/o/x": None}})
    world.carry_everything()
    assert asked.ok
    assert asked.reply is not None
    assert asked.reply["data"] == 1
    assert item(world, "p") == b'{"id":"p","price":1.10,"n":3,"o":{"x":null}}'
    world.settle()
    check_copies(world)
    assert world.clients[0].copies[P].state == {"p": item(world, "p")}


def test_the_text_that_is_told_is_the_text_that_is_stored() -> None:
    world = holding(b'{"id":"p","price":1.10,"n":9007199254740993}')
    patch(world, {"id": "p", "inc": {"n": 1}})
    (commit,) = (each.effect for each in world.operations.values())
    assert isinstance(commit, Commit)
    world.finish(commit.ticket)
    assert '"insert":[{"id":"p","price":1.10,"n":9007199254740994}]' in str(world.links[0].inbox[0])


def test_blind_increments_of_many_are_one_commit() -> None:
    world = holding(b'{"id":"n","n":0}', clients=5, watched=False)
    first = patch(world, {"id": "n", "inc": {"n": 1}})
    asked = [
        patch(world, {"id": "n", "inc": {"n": 1}}, client=client)
        for client in range(5)
        for _ in range(4)
    ]
    world.finish(under_way(world, Commit).ticket)
    assert len(under_way(world, Commit).writes) == 20
    world.carry_everything()
    assert item(world, "n") == b'{"id":"n","n":21}'
    assert first.ok
    assert all(each.ok for each in asked)
    check_requests(world)


def test_a_mismatch_is_refused_alone() -> None:
    world = holding(b'{"id":"p","n":"x"}', b'{"id":"q","n":1}', watched=False)
    first = patch(world, {"id": "q", "inc": {"n": 1}})
    middle = patch(world, {"id": "q"}, {"id": "p", "inc": {"n": 1}}, insert=[{"id": "r"}])
    last = patch(world, {"id": "absent"})
    world.settle()
    assert first.ok
    assert error(middle) == {
        "code": "mismatch",
        "message": "patch[1].inc.n: the member is not a number",
        "place": "patch[1].inc.n",
        "ids": ["p"],
    }
    assert middle.cursor is not None
    assert middle.cursor.version == 2
    assert (error(last)["place"], error(last)["ids"]) == ("patch[0]", ["absent"])
    assert list(world.store.state(PATH)) == ["p", "q"]


def test_the_reply_counts_each_id_once() -> None:
    world = holding(b'{"id":"p"}', b'{"id":"q"}')
    asked = patch(world, {"id": "p"}, {"id": "p"}, {"id": "r", "upsert": True}, remove=["q"])
    world.settle()
    assert asked.reply is not None
    assert asked.reply["data"] == 3


def test_the_order_of_what_an_update_does() -> None:
    world = holding(b'{"id":"p","n":1}', b'{"id":"q"}')
    asked = patch(
        world,
        {"id": "new", "set": {"n": 1}, "upsert": True},
        {"id": "r", "inc": {"n": 1}},
        {"id": "new", "inc": {"n": 1}},
        remove=["p"],
        insert=[{"id": "r", "n": 1}],
    )
    world.settle()
    assert asked.ok
    state = world.store.state(PATH)
    assert list(state.values()) == [b'{"id":"q"}', b'{"id":"r","n":2}', b'{"id":"new","n":2}']
    check_copies(world)


# --- time -----------------------------------------------------------------------------------------


def test_now_is_the_time_of_the_commit() -> None:
    world = holding(b'{"id":"p"}')
    patch(world, {"id": "p", "set": {"x": 1}})
    began = world.now
    asked = patch(world, {"id": "p", "now": ["at", "/by/at"]})
    world.advance(5.0)
    world.settle()
    assert asked.ok
    stored = json.loads(item(world, "p"))
    assert stored == {"id": "p", "x": 1, "at": began + 5.0, "by": {"at": began + 5.0}}
    assert isinstance(stored["at"], float)
    (write,) = [
        version.update
        for version in world.store.history(PATH)
        if version.update and len(version.update.patch) == 1 and "at" in version.update.patch[0].set
    ]
    assert write.patch[0].now == ()
    check_copies(world)


def test_without_a_clock_there_are_no_patches() -> None:
    server: Server[int] = Server(["items"], patchable=["items"])
    server.connection_opened(1)
    told: Any = server.put("/a/items/c", Update(patch=(Patch("p"),)), 1.0, author="me")[-1]
    assert told.error.code == "unavailable"


# --- who does not take them -----------------------------------------------------------------------


def test_a_service_whose_storage_takes_none_refuses_them() -> None:
    server: Server[int] = Server(["old", "new"], patchable=["new"])
    server.set_clock(5.0, 0.0)
    server.connection_opened(1)

    def ask(path: str, arg: object) -> dict[str, Any]:
        message = {"type": "REQUEST", "cmd": "PUT", "path": path, "arg": arg, "tunnel": 1}
        effects: list[Any] = server.receive_text(1, json.dumps(message), 1.0)
        reply: dict[str, Any] = json.loads(bytes(effects[-1].message))
        return reply

    refused = ask("/a/old/c", {"patch": [{"id": "p"}]})["error"]
    assert (refused["code"], refused["place"]) == ("bad_update", "patch")
    assert "'old' takes no patches" in refused["message"]
    assert "patch" in ask("/session", {})["data"]["features"]
    told: Any = server.put("/a/old/c", Update(patch=(Patch("p"),)), 1.0, author="me")[-1]
    assert told.error.code == "bad_update"


def test_a_server_without_any_does_not_list_them() -> None:
    server: Server[int] = Server(["items"])
    server.connection_opened(1)
    message = {"type": "REQUEST", "cmd": "GET", "path": "/session", "tunnel": 1}
    (send,) = server.receive_text(1, json.dumps(message), 1.0)
    assert b'"patch"' not in bytes(send.message)  # type: ignore[union-attr]


@pytest.mark.parametrize("names", [["x"], ["items", "x"]])
def test_only_services_take_patches(names: list[str]) -> None:
    with pytest.raises(ValueError, match="patchable: expected some of items"):
        Server(["items"], patchable=names)


# --- what storage does ----------------------------------------------------------------------------


@pytest.mark.parametrize("large", [False, True])
def test_what_does_not_follow_is_loaded(large: bool) -> None:
    """Storage has another item than is in memory, so that the patch does not fit here."""
    limits = Limits(turn_items=10) if large else None
    world = holding(b'{"id":"p","n":1}', b'{"id":"q","n":1}', limits=limits)
    many = [{"id": "q", "inc": {"n": 1}}] * (60 if large else 1)
    patch(world, *many, {"id": "p", "inc": {"n": 1}})
    commit = under_way(world, Commit)
    history = world.store.history(PATH)
    state = {"p": b'{"id":"p","n":"x"}', "q": b'{"id":"q","n":1}'}
    history[-1] = history[-1]._replace(state=state)
    inside = world.server._registry.get(PATH)
    assert inside is not None
    replica = inside._content.replica
    assert replica is not None
    entry = replica.entry("p")
    assert entry is not None
    entry.text = b'{"id":"p","n":"x"}'
    effects = world.server.commit_succeeded(
        commit.ticket, CommitResult(world.store.epoch, [Committed(2)]), world.now
    )
    while not effects and world.server.next_wakeup() is not None:
        effects = world.server.wake(world.now)
    (load,) = [each for each in effects if isinstance(each, Load)]
    assert load.since == (world.store.epoch, 1)


def test_increments_of_two_servers_all_count() -> None:
    world = holding(b'{"id":"n","n":0}')
    one = Update(patch=(Patch("n", inc={"n": b"1"}),))
    for _ in range(3):
        patch(world, {"id": "n", "inc": {"n": 1}})
        world.commit_elsewhere(PATH, one)
        world.settle()
    assert item(world, "n") == b'{"id":"n","n":6}'
    check_copies(world)


def test_a_large_update_is_applied_by_turns() -> None:
    ids = [f"i{number}" for number in range(5_000)]
    texts = [b'{"id":"%b","n":1,"l":[1,2,3]}' % id.encode() for id in ids]
    world = holding(*texts)
    update = Update(patch=tuple(Patch(id, inc={"n": b"1"}) for id in ids))
    world.put(P, update, "me")
    commit = under_way(world, Commit)
    result = world.store.commit(PATH, commit.writes)
    work = [work_of(lambda: world.server.commit_succeeded(commit.ticket, result, world.now))]
    while world.server.next_wakeup() is not None:
        work.append(work_of(lambda: world.server.wake(world.now)))
        assert len(work) < 1_000
    assert max(work) < LONG_TURN
    inside = world.server._registry.get(PATH)
    assert inside is not None
    assert inside._content.replica is not None
    assert inside._content.replica.text("i4999") == b'{"id":"i4999","n":2,"l":[1,2,3]}'


def test_patches_of_long_items_do_not_share_a_commit() -> None:
    long = b'{"id":"p","n":0,"x":"%b"}' % (b"x" * (MAX_ITEM_BYTES - 1000))
    world = holding(long)
    for _ in range(3):
        patch(world, {"id": "p", "inc": {"n": 1}})
    world.finish(under_way(world, Commit).ticket)
    assert len(under_way(world, Commit).writes) == 1
    world.carry_everything()
    assert len(world.store.history(PATH)) == 5
    check_copies(world)


# --- conditions, bounds and rules -----------------------------------------------------------------


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


# --- shapes ---------------------------------------------------------------------------------------


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


def test_views_see_what_patches_lead_to() -> None:
    world = holding(b'{"id":"p","room":"a"}', b'{"id":"q","room":"b"}', watched=False)
    world.clients[0].subscribe(P, where={"room": "a"}, view="v")
    world.settle()
    hear(world)
    patch(world, {"id": "q", "set": {"room": "a"}})
    world.finish(under_way(world, Commit).ticket)
    (entered,) = [data for _, _, data in changes(world)]
    assert entered["insert"] == [{"id": "q", "room": "a"}]
