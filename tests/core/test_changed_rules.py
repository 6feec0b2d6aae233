"""What a change of the rules takes back: by turns over all connections, and nothing is shown before its own turn."""

from __future__ import annotations

from typing import Any

import pytest

from sharedstate_core import Commit, Limits, Update
from sharedstate_core.errors import CLOSE_RESTARTED
from sharedstate_core.paths import parse_collection_path
from sharedstate_core.testing import MemoryStore, World, check_copies
from tests.support.work import LONG_TURN, work_of

from .examining import ANN, BOB, LIMITS, NEWS, PATHS, access, become, change, shown, watching
from .scenes import hear, put, say, text, turns, under_way


def test_other_rules_take_back_what_they_do_not_allow() -> None:
    world = watching("ann", "bob", paths=PATHS[:1])
    assert [len(client.subscribed) for client in world.clients] == [1, 0]
    world.change_access(access(BOB))
    assert turns(world)
    assert [each["cmd"] for each in hear(world)] == ["NOTIFY", "END"]
    read = [world.clients[client].ask("GET", PATHS[0]) for client in range(2)]
    world.settle()
    assert [each.code for each in read] == ["forbidden", None]


def test_nothing_is_shown_that_other_rules_do_not_allow() -> None:
    world = watching(*["ann"] * 4, paths=[*PATHS[:3], NEWS["path"]], rules=(NEWS, ANN))
    world.change_access(access(NEWS, BOB))
    world.put(PATHS[0], Update(insert={"y": text("y")}))
    world.finish(under_way(world, Commit).ticket)
    change(world, *PATHS[1:3], NEWS["path"])
    assert [len(link.inbox) for link in world.links] == [0] * 4
    turns(world)
    assert [shown(hear(world, client)) for client in range(4)] == [[NEWS["path"]]] * 4
    world.settle()
    check_copies(world)


def test_requests_are_decided_by_other_rules_at_once() -> None:
    world = watching("ann")
    world.change_access(access(BOB))
    asked = [
        world.clients[0].ask("GET", PATHS[0]),
        world.clients[0].put(PATHS[0], insert=[{"id": "x"}]),
        world.clients[0].put_subs({"/a/items/other": {}}),
    ]
    say(world)
    world.settle()
    turns(world)
    world.settle()
    assert [each.code for each in asked] == ["forbidden", "forbidden", None]
    assert not world.clients[0].subscribed
    assert world.store.state(parse_collection_path(PATHS[0])) == {}


def test_an_update_that_was_taken_is_decided_by_the_rules_of_before() -> None:
    world = watching("ann", paths=PATHS[:1])
    first, second = (put(world, 0, id, path=PATHS[0]) for id in "pq")
    world.change_access(access(BOB))
    world.settle()
    turns(world)
    world.settle()
    assert first.ok
    assert second.ok
    assert put_later(world).code == "forbidden"


def put_later(world: World) -> Any:
    asked = put(world, 0, "r", path=PATHS[0])
    world.settle()
    return asked


def test_what_waits_for_content_is_examined_first_and_is_in_nobodys_way() -> None:
    world = World(5, store=MemoryStore(), access=access(ANN), limits=LIMITS)
    for client in range(4):
        become(world, "ann", client=client)
        world.clients[client].put_subs({PATHS[0]: {}})
        say(world, client)
    world.change_access(access({**ANN, "read": "user != null"}))
    world.cut(4)
    world.connect(4)
    become(world, "bob", client=4)
    world.clients[4].put_subs({PATHS[0]: {}})
    say(world, 4)
    change(world, PATHS[0])
    assert [shown(hear(world, client)) for client in range(4)] == [[]] * 4
    turns(world)
    assert [shown(hear(world, client)) for client in range(5)] == [[PATHS[0]]] * 5
    world.settle()
    check_copies(world)


def test_a_reader_that_drains_before_its_turn_waits_for_it() -> None:
    world = watching("ann")
    world.block(0)
    world.change_access(access(BOB))
    change(world, PATHS[0])
    world.drain(0)
    assert hear(world) == []
    turns(world)
    assert shown(hear(world)) == []
    assert world.server.census().subscriptions == 0


def test_rules_that_change_again_before_all_are_examined() -> None:
    world = watching(*["ann"] * 3)
    world.change_access(access(BOB))
    world.turn()
    world.change_access(access(ANN))
    turns(world)
    world.settle()
    change(world, *PATHS)
    world.settle()
    check_copies(world)
    for client in world.clients:
        assert all(client.copies[path].state for path in client.subscribed)


def test_who_has_to_sign_in_from_now_on() -> None:
    world = watching(None, "ann", rules=(NEWS,), paths=[NEWS["path"]])
    world.change_access(access(NEWS, required=True, deadline_seconds=5.0))
    turns(world)
    assert [each["cmd"] for each in hear(world)] == ["NOTIFY", "END"]
    world.advance(6.0)
    assert [link.closed_with for link in world.links] == [1008, None]


def test_who_need_not_sign_in_any_more() -> None:
    world = World(1, access=access(NEWS, required=True, deadline_seconds=5.0))
    world.turn()
    world.change_access(access(NEWS))
    turns(world)
    world.advance(6.0)
    assert world.links[0].closed_with is None


@pytest.mark.parametrize("begins", [False, True])
def test_a_server_that_begins_or_ceases_to_know_users_closes_its_connections(begins: bool) -> None:
    known = access(NEWS, required=True)
    world = World(2, access=None if begins else known)
    world.change_access(known if begins else None)
    turns(world)
    assert [link.closed_with for link in world.links] == [CLOSE_RESTARTED] * 2
    world.connect(0)
    world.change_access(access(NEWS) if begins else None)
    turns(world)
    assert world.links[0].connection is not None
    assert world.server.next_wakeup() is None


def test_what_cannot_be_an_access() -> None:
    world = World(1)
    with pytest.raises(TypeError, match="access"):
        world.server.change_access("everything", world.now)  # type: ignore[arg-type]


def test_no_turn_is_long_however_many_connections_there_are() -> None:
    paths = [f"/a/items/{n}" for n in range(40)]
    world = watching(*["ann"] * 40, paths=paths, limits=Limits())
    assert work_of(lambda: world.change_access(access(BOB))) < LONG_TURN
    while world.server.next_wakeup() == world.now:
        assert work_of(world.turn) < LONG_TURN
    assert world.server.census().subscriptions == 0
