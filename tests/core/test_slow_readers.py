"""A reader that does not keep up costs a cursor and no more, and gets the net change once it reads again."""

from __future__ import annotations

import json

from sharedstate_core import Commit, Limits, Load, Update
from sharedstate_core.subscribers import Subscription
from sharedstate_core.testing import World, check_copies, check_requests

from .scenes import PATH, P, change, changes, hear, kinds, put, say, stored, under_way, watching


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


def test_what_is_owed_comes_in_order() -> None:
    """The net change before later acknowledgements; a read, and what follows it, is carried out after the drain."""
    world = World(store=stored("p"))
    world.block(0)
    client = world.clients[0]
    client.put_subs({P: {}})
    client.put(P, insert=[{"id": "q"}])
    client.ask("GET", P)
    client.ask("GET", "/clock")
    client.put(P, insert=[{"id": "r"}])
    client.ask("GET", "/nowhere")
    say(world)
    for _ in range(2):  # the load, and the commit before the read
        world.finish(max(world.operations))
    assert not world.links[0].inbox
    assert not world.operations
    world.drain(0)
    assert kinds(hear(world)) == [0, "NOTIFY", 2, 3, 5, 1]
    world.finish(under_way(world, Commit).ticket)
    assert kinds(hear(world)) == ["NOTIFY", 4]
    assert client.copies[P].cursor == ("epoch-1", 3)


def test_a_read_that_waited_for_content_is_postponed_with_what_follows() -> None:
    world = World(store=stored("p"))
    client = world.clients[0]
    client.ask("GET", P)
    client.put(P, insert=[{"id": "q"}])
    world.clients[0].ask("GET", P)
    say(world)
    world.block(0)
    client.put(P, insert=[{"id": "r"}])
    say(world)
    world.finish(under_way(world, Load).ticket)
    assert not world.operations
    world.drain(0)
    assert kinds(hear(world)) == [0]
    world.settle()
    check_requests(world)
    assert [len(asked.items or ()) for asked in client.asked] == [1, 0, 2, 0]


def test_one_input_hands_out_no_more_than_the_window_and_a_message() -> None:
    """Many reads, and many subscriptions, of large collections at once."""
    world = World(2, store=stored(*"pqrstuvwxy"), limits=Limits(window_bytes=300))
    world.clients[1].put_subs({P: {}})
    world.settle()
    reader = 0
    for _ in range(4):
        world.clients[reader].ask("GET", P)
    say(world, reader)
    assert kinds(hear(world, reader)) == [0]
    world.drain(reader)
    assert kinds(hear(world, reader)) == [1]
    world.clients[reader].put_subs({"a/items/c": {}, "/a/items/c/": {}, P: {}})
    say(world, reader)
    heard = []
    for _ in range(10):
        world.drain(reader)
        heard.append(kinds(hear(world, reader)))
    assert heard[:6] == [[2], [3], [4, "NOTIFY"], ["NOTIFY"], ["NOTIFY"], []]
    world.settle()
    check_copies(world)


def test_who_is_brought_to_now_in_turns_is_never_kept_waiting_by_what_changes_meanwhile() -> None:
    world = World(2, limits=Limits(window_bytes=100))
    reader = 1
    world.clients[reader].put_subs({"/a/items/d": {}, P: {}, "/a/items/e": {}})
    world.settle()
    world.block(reader)
    told = []
    for n in range(6):
        for path in ("/a/items/d", P, "/a/items/e"):
            put(world, 0, f"{n}{'x' * 100}", path=path)
        while world.operations:
            world.finish(min(world.operations))
        world.drain(reader)
        told += [message["path"] for message in hear(world, reader)]
    assert told == ["/a/items/d", P, "/a/items/e"] * 2


def test_an_acknowledgement_waits_for_content_that_its_author_waits_for_after_the_drain() -> None:
    world = watching(1, "p")
    client = world.clients[0]
    world.block(0)
    client.put_subs({P: {"since": {"epoch": "epoch-1", "version": 99}}}, [P])
    client.put(P, insert=[{"id": "q"}])
    say(world)
    world.finish(under_way(world, Load).ticket)
    world.finish(under_way(world, Commit).ticket)
    world.commit_elsewhere(PATH, Update(("absent",), {}))
    world.tell(PATH, vaguely=True)
    load = under_way(world, Load)
    world.drain(0)
    assert kinds(hear(world)) == [1]
    world.finish(load.ticket)
    assert kinds(hear(world)) == ["NOTIFY", 2]


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
        world.clients[0].ask("GET", "/clock")
    say_while_open(world)
    assert world.links[0].connection is not None
    for _ in range(3):
        world.clients[0].ask("GET", "/clock")
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
    assert world.clients[0].copies[P] == world.clients[1].copies[P]


def test_requests_keep_their_order_when_they_are_postponed_again() -> None:
    """A busy collection takes some of them, another's answer fills the window meanwhile."""
    other = "/a/items/d"
    world = World(2, store=stored("p"), limits=Limits(window_bytes=100))
    world.clients[1].put_subs({P: {}, other: {}})
    world.settle()
    put(world, 1, "x" * 200, path=other)
    world.settle()
    world.block(0)
    client = world.clients[0]
    first = client.ask("GET", P)
    write = client.put(P, insert=[{"id": "q"}])
    client.ask("GET", other)
    last = client.ask("GET", P)
    say(world)
    put(world, 1, "r")
    world.drain(0)
    world.settle()
    check_requests(world)
    assert [len(asked.items or ()) for asked in (first, last)] == [2, 3]
    assert write.ok


def test_a_subscription_that_ends_is_not_owed_by_what_its_end_sets_free() -> None:
    """Ending it gives an acknowledgement that waited for content, and that fills the window."""
    world = World(1, store=stored("p"), limits=Limits(window_bytes=120))
    client = world.clients[0]
    client.put_subs({P: {}})
    world.settle()
    world.commit_elsewhere(PATH, Update(("absent",), {}))
    put(world, 0, "q")
    world.finish(under_way(world, Commit).ticket)
    world.fail(under_way(world, Load).ticket)
    world.block(0)
    world.drain(0)
    client.put_subs({}, [P])
    say(world)
    assert world.links[0].draining
    session = world.server._sessions[world.connection(0)]
    assert not [owed for owed in session._owed if isinstance(owed, Subscription)]
    world.settle()
    check_requests(world)


def test_an_acknowledgement_waits_for_a_subscription_that_is_owed_anew() -> None:
    """It waited for content after a drain that ended early, and so went to the end of the queue."""
    world = World(1, store=stored("p"), limits=Limits(window_bytes=150))
    client = world.clients[0]
    client.put_subs({P: {}})
    world.settle()
    world.block(0)
    client.put_subs({P: {"since": {"epoch": "epoch-1", "version": 99}}}, [P])
    client.put(P, insert=[{"id": "q"}])
    client.ask("GET", "/clock")
    say(world)
    world.finish(under_way(world, Load).ticket)
    world.finish(under_way(world, Commit).ticket)
    world.tell(PATH, vaguely=True)
    load = under_way(world, Load)
    world.drain(0)
    assert world.links[0].draining
    world.finish(load.ticket)
    world.settle()
    check_copies(world)
    assert client.asked[-2].ok


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
