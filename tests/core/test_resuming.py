"""`since`: the net change from what a client holds; and snapshots in parts."""

from __future__ import annotations

from typing import Any

import pytest

from sharedstate_core import Commit, Cursor, Limits, Load, Update
from sharedstate_core.testing import Copy, World, check_copies

from .scenes import (
    PATH,
    P,
    change,
    changes,
    elsewhere,
    hear,
    put,
    say,
    stored,
    text,
    under_way,
    watching,
)


def resume(world: World, epoch: str, version: int) -> list[tuple[int, int, Any]]:
    """Let the client that holds this state subscribe; return what it is told."""
    cursor = Cursor(epoch, version)
    client = world.clients[0]
    client.put_subs({}, [P])
    say(world)
    hear(world)
    client.copies[P] = Copy(cursor, world.store.state_at(PATH, cursor) or {})
    client.put_subs({P: {}})
    say(world)
    for ticket in list(world.operations):
        world.finish(ticket)
    told = changes(world)
    check_copies(world)
    return told


def snapshot(*ids: str) -> dict[str, Any]:
    return {"remove": [], "insert": [{"id": id, "value": 0} for id in ids], "reset": True}


def test_the_net_change_is_all_that_a_resuming_client_gets() -> None:
    world = World(store=stored("p", "q"))
    world.commit_elsewhere(PATH, Update(("p",), {"q": text("q"), "r": text("r")}))
    ((base, version, data),) = resume(world, "epoch-1", 1)
    assert (base, version, data["reset"]) == (1, 3, False)
    assert [item["id"] for item in data["insert"]] == ["q", "r"]
    assert "p" in data["remove"]


def test_a_client_that_missed_nothing_gets_an_empty_change() -> None:
    world = World(store=stored("p", "q"))
    assert resume(world, "epoch-1", 2) == [(2, 2, change())]


@pytest.mark.parametrize(
    ("epoch", "version"), [("epoch-0", 2), ("epoch-1", 7), ("epoch-1", -1), ("", 0)]
)
def test_a_state_that_never_was_here_gets_a_snapshot(epoch: str, version: int) -> None:
    world = World(2, store=stored("p", "q"))
    world.clients[0].ask(
        "PUT",
        "/subs",
        {"insert": [[P, {"since": {"epoch": epoch, "version": version}}]]} | _EDIT,
    )
    world.settle()
    assert list(world.clients[0].copies[P].state) == ["p", "q"]
    assert world.clients[0].copies[P].cursor == ("epoch-1", 2)
    assert world.doubts == (version > 2), "of a state that storage has not reached, the store hears"


_EDIT = {"remove": [], "reset": False}


def test_before_the_horizon_is_a_snapshot_and_at_it_is_not() -> None:
    world = World(store=stored("p", "q", tombstones=0))
    world.commit_elsewhere(PATH, Update(("p",)))
    world.commit_elsewhere(PATH, Update(insert={"r": text("r")}))
    assert resume(world, "epoch-1", 2) == [(0, 4, snapshot("q", "r"))]
    ((base, version, data),) = resume(world, "epoch-1", 3)
    assert (base, version, data["reset"]) == (3, 4, False)


def test_from_a_reset_on_the_change_can_be_told() -> None:
    world = World(store=stored("p", "q"))
    world.commit_elsewhere(PATH, Update(insert={"r": text("r")}, reset=True))
    world.commit_elsewhere(PATH, Update(insert={"s": text("s")}))
    assert resume(world, "epoch-1", 2) == [(0, 4, snapshot("r", "s"))]
    ((base, _, data),) = resume(world, "epoch-1", 3)
    assert (base, data["reset"]) == (3, False)


def test_after_a_restart_clients_resume_from_what_the_store_remembers() -> None:
    world = World(store=stored("p"))
    world.clients[0].put_subs({P: {}})
    world.settle()
    world.restart()
    world.commit_elsewhere(PATH, Update(("p",), {"q": text("q")}))
    world.connect(0)
    say(world)
    world.finish(max(world.operations))
    assert [base for base, _, _ in changes(world)] == [1]
    world.settle()


def test_the_server_remembers_for_the_reader_as_many_tombstones_as_it_may() -> None:
    world = World(2, limits=Limits(tombstones=2), store=stored(*"pqrst"))
    world.clients[1].put_subs({P: {}})
    world.settle()
    for id in "pqr":
        put(world, 1, remove=[id])
        world.settle()
    assert [base for base, _, _ in resume(world, "epoch-1", 5)] == [0]
    assert [base for base, _, _ in resume(world, "epoch-1", 6)] == [6]


def test_a_large_snapshot_comes_in_parts_to_those_who_ask() -> None:
    ids = [f"item-{n}" for n in range(10)]
    world = World(2, limits=Limits(part_bytes=100), store=stored(*ids))
    world.clients[0].put_subs({P: {"parts": True}})
    world.clients[1].put_subs({P: {}})
    for client in range(2):
        say(world, client)
    world.finish(max(world.operations))
    whole = [m for m in hear(world, 1) if m["type"] == "MESSAGE"]
    parts = [m for m in hear(world, 0) if m["type"] == "MESSAGE"]
    assert len(whole) == 1
    assert "more" not in whole[0]
    assert [m.get("more", False) for m in parts] == [True, True, False]
    assert [m["data"]["reset"] for m in parts] == [True, False, False]
    assert [item for m in parts for item in m["data"]["insert"]] == whole[0]["data"]["insert"]
    assert {m["version"] for m in parts} == {10}
    check_copies(world)
    put(world, 1, "small")
    world.settle()
    assert world.clients[0].copies == world.clients[1].copies


def test_a_small_snapshot_comes_whole_also_to_those_who_take_parts() -> None:
    for ids in ("", "p"):
        world = World(store=stored(*ids))
        world.clients[0].put_subs({P: {"parts": True}})
        world.settle()
        assert list(world.clients[0].copies[P].state) == list(ids)


def test_claims_to_have_seen_more_do_not_keep_others_waiting() -> None:
    world = watching(2, "p")

    def claim() -> None:
        forged = {"since": {"epoch": "epoch-1", "version": 99}}
        world.clients[1].put_subs({P: forged}, [P])
        say(world, 1)

    claim()
    asked = put(world, 0, "q")
    for _ in range(3):
        load = under_way(world, Load)
        claim()
        world.finish(load.ticket)
        if not isinstance(next(iter(world.operations.values())).effect, Load):
            break
    world.finish(under_way(world, Commit).ticket)
    world.settle()
    assert asked.ok
    check_copies(world)


def test_a_crowd_that_resumes_shares_what_is_encoded() -> None:
    world = World(90, store=stored(*(f"item-{n}" for n in range(80))))
    for number, client in enumerate(world.clients):
        cursor = Cursor("epoch-1", number % 80)
        client.copies[P] = Copy(cursor, world.store.state_at(PATH, cursor) or {})
        client.put_subs({P: {}})
        say(world, number)
    world.finish(max(world.operations))
    first, again = world.links[70].inbox[-1], world.links[70].inbox[-1]
    assert first is again
    world.settle()
    check_copies(world)
    collection = world.server._registry._collections[PATH]
    assert len(collection._notices._changes) <= 65  # without the latest


def test_two_who_resume_from_the_same_state_get_the_same_message() -> None:
    world = World(3, store=stored("p", "q"))
    for number, version in enumerate((1, 1, 2)):
        cursor = Cursor("epoch-1", version)
        world.clients[number].copies[P] = Copy(cursor, world.store.state_at(PATH, cursor) or {})
        world.clients[number].put_subs({P: {}})
        say(world, number)
    world.finish(max(world.operations))
    one, two, three = (world.links[number].inbox[-1] for number in range(3))
    assert one is two
    assert one != three


def test_a_load_that_brings_nothing_leaves_what_is_encoded() -> None:
    world = watching(1, "p")
    notices = world.server._registry._collections[PATH]._notices
    before = dict(notices._changes)
    assert before
    world.tell(PATH, vaguely=True)
    world.settle()
    assert notices._changes == before


def test_nothing_is_kept_encoded_of_a_state_that_is_over() -> None:
    world = watching(2, "p")
    for client in range(2):
        world.clients[client].ask("GET", P)
        world.settle()
    notices = world.server._registry._collections[PATH]._notices
    assert notices._whole
    assert notices._changes
    for client in range(2):
        world.block(client)
    elsewhere(world, "q")
    world.tell(PATH)
    world.carry_everything()
    assert notices._whole is None
    assert not notices._changes
    assert notices.bytes == world.server._registry.encoded.bytes == 0
