"""A reader that does not keep up costs a cursor and no more, and gets the net change once it reads again."""

from __future__ import annotations

import json

from sharedstate_core import Commit, Limits
from sharedstate_core.testing import World, check_copies

from .scenes import P, change, changes, hear, kinds, put, say, stored, under_way, watching


def test_a_blocked_reader_gets_nothing_and_then_the_net_change() -> None:
    world = watching(2, "p")
    world.block(1)
    for id in "qrq":
        put(world, 0, id)
        world.finish(under_way(world, Commit).ticket)
    put(world, 0, remove=["q"])
    world.finish(under_way(world, Commit).ticket)
    assert not world.links[1].inbox
    world.drain(1)
    assert changes(world, 1) == [(1, 5, change(["q"], "r"))]
    put(world, 0, "s")
    world.settle()
    check_copies(world)


def test_a_reader_that_missed_nothing_gets_nothing() -> None:
    world = watching(1, "p")
    world.block(0)
    world.drain(0)
    assert hear(world) == []
    put(world, 0, "q")
    world.settle()
    assert list(world.clients[0].copies[P].state) == ["p", "q"]


def test_beyond_the_horizon_a_drained_reader_gets_a_snapshot() -> None:
    world = watching(2, "p", "q", "r", limits=Limits(tombstones=1))
    world.block(1)
    for id in "pq":
        put(world, 0, remove=[id])
        world.finish(under_way(world, Commit).ticket)
    world.drain(1)
    ((base, version, data),) = changes(world, 1)
    assert (base, version, data["reset"], len(data["insert"])) == (0, 5, True, 1)


def test_reading_from_a_blocked_connection_pauses() -> None:
    world = watching(1)
    world.block(0)
    assert not world.links[0].reading
    world.drain(0)
    assert world.links[0].reading


def test_a_drained_connection_with_many_requests_under_way_stays_paused() -> None:
    world = World(limits=Limits(unanswered=4))
    world.block(0)
    asked = [world.clients[0].ask("GET", "/a/items") for _ in range(3)]
    say(world)
    world.drain(0)
    assert not world.links[0].reading
    world.settle()
    assert world.links[0].reading
    assert all(a.ok for a in asked)


def test_progress_moves_the_deadline() -> None:
    world = watching(1, "p", limits=Limits(drain_seconds=10))
    world.block(0)
    world.advance(9)
    world.block(0)
    world.advance(9)
    assert world.links[0].connection is not None
    world.advance(1)
    assert world.links[0].closed_with == 1008


def test_a_subscription_begun_while_blocked_is_synchronised_after_the_drain() -> None:
    world = watching(2, "p")
    world.block(1)
    world.clients[1].put_subs({"a/items/c": {}})
    say(world, 1)
    world.drain(1)
    messages = hear(world, 1)
    assert kinds(messages) == [1, "NOTIFY"]
    assert messages[1]["path"] == "a/items/c"


def test_a_subscription_that_waits_for_content_waits_after_the_drain_too() -> None:
    world = World(store=stored("p"))
    world.clients[0].put_subs({P: {}})
    say(world)
    world.block(0)
    world.drain(0)
    assert kinds(hear(world)) == [0]
    world.settle()
    assert list(world.clients[0].copies[P].state) == ["p"]


def test_a_subscription_removed_while_blocked_gets_nothing() -> None:
    world = watching(2, "p")
    world.block(1)
    world.clients[1].put_subs({}, [P])
    say(world, 1)
    put(world, 0, "q")
    world.finish(under_way(world, Commit).ticket)
    world.drain(1)
    assert kinds(hear(world, 1)) == [1]


def test_one_who_waits_for_content_when_blocked_is_still_owed_everything() -> None:
    world = World(store=stored("p"))
    world.clients[0].put_subs({P: {}})
    say(world)
    world.block(0)
    world.finish(max(world.operations))
    assert kinds(hear(world)) == [0]
    world.drain(0)
    assert changes(world) == [
        (0, 1, {"remove": [], "insert": [{"id": "p", "value": 0}], "reset": True})
    ]


def test_a_reader_that_does_not_drain_in_time_is_closed() -> None:
    world = watching(1, "p", limits=Limits(drain_seconds=10))
    world.block(0)
    assert world.server.next_wakeup() == world.now + 10
    world.advance(9)
    assert world.links[0].connection is not None
    world.advance(1)
    assert world.links[0].connection is None
    assert world.links[0].closed_with == 1008
    assert not world.server._sessions


def test_a_reader_that_drains_in_time_is_not() -> None:
    world = watching(1, "p")
    world.block(0)
    world.drain(0)
    assert world.server.next_wakeup() is None


def test_replies_held_for_a_blocked_reader_are_bounded_in_bytes() -> None:
    world = watching(2, "p", limits=Limits(held_bytes=300))
    world.block(0)
    for _ in range(3):
        world.clients[0].ask("GET", "/")
    say_while_open(world)
    assert world.links[0].connection is not None
    for _ in range(3):
        world.clients[0].ask("GET", "/")
    say_while_open(world)
    assert world.links[0].connection is None
    assert world.links[0].closed_with == 1008


def say_while_open(world: World) -> None:
    while world.links[0].connection is not None and world.clients[0].outbox:
        world.to_server(0, even_if_paused=True)


def test_a_closed_connection_that_the_transport_has_not_ended_yet_is_left_alone() -> None:
    world = World(limits=Limits(held_bytes=50))
    server, connection = world.server, world.connection(0)
    server.connection_blocked(connection, 1.0)
    text = json.dumps({"type": "REQUEST", "cmd": "GET", "path": "/", "tunnel": "x" * 50})
    (effect,) = server.receive_text(connection, text, 1.0)
    assert type(effect).__name__ == "Close"
    assert server.receive_text(connection, text, 1.0) == []
    assert server.connection_drained(connection, 1.0) == []
    assert server.connection_blocked(connection, 1.0) == []
    assert server.wake(99.0) == []
    assert server.connection_closed(connection, 99.0) == []


def test_blocking_twice_is_blocking_once() -> None:
    world = watching(1, "p")
    world.block(0)
    world.block(0)
    world.drain(0)
    world.drain(0)
    assert hear(world) == []


def test_a_large_change_comes_in_parts_for_those_who_take_them() -> None:
    world = World(2, store=stored("p", "q"), limits=Limits(part_bytes=20))
    for client, sub in enumerate(({"parts": True}, {})):
        world.clients[client].put_subs({P: sub})
    world.settle()
    put(world, 0, *"rstuv", remove=["p"])
    world.finish(under_way(world, Commit).ticket)
    whole = hear(world, 1)
    assert [len(message["data"]["insert"]) for message in whole] == [5]
    parts = [message for message in hear(world, 0) if message["type"] == "MESSAGE"]
    assert len(parts) > 1
    assert [message.get("more", False) for message in parts] == [True] * (len(parts) - 1) + [False]
    assert [message["data"]["remove"] for message in parts] == [["p"], *[[]] * (len(parts) - 1)]
    assert not any(message["data"]["reset"] for message in parts)
    check_copies(world)
    assert world.clients[0].copies[P].state == world.clients[1].copies[P].state


def test_a_reply_that_was_held_and_given_is_not_counted_any_more() -> None:
    world = watching(1, limits=Limits(held_bytes=2000))
    for _ in range(40):
        world.block(0)
        world.clients[0].ask("GET", "/")
        say(world)
        world.drain(0)
        hear(world)
    assert world.links[0].closed_with is None
    assert all(asked.ok for asked in world.clients[0].asked)
