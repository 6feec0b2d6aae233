"""Patches in the server: from the wire to storage and back to readers, with times, rules, bounds and other servers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sharedstate_core import (
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
from sharedstate_core.testing import check_copies, check_requests
from tests.support.work import LONG_TURN, work_of

from .patching_scenes import error, holding, item, patch
from .scenes import PATH, P, changes, hear, under_way


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


def test_views_see_what_patches_lead_to() -> None:
    world = holding(b'{"id":"p","room":"a"}', b'{"id":"q","room":"b"}', watched=False)
    world.clients[0].subscribe(P, where={"room": "a"}, view="v")
    world.settle()
    hear(world)
    patch(world, {"id": "q", "set": {"room": "a"}})
    world.finish(under_way(world, Commit).ticket)
    (entered,) = [data for _, _, data in changes(world)]
    assert entered["insert"] == [{"id": "q", "room": "a"}]
