"""Lists of names are given out as there is room for them, to each reader and for all of them together."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_core import CollectionPath, Limits, ListCollections, Send, Server, Update
from sharedstate_core.messages import SPLICED_BYTES, Spliced
from sharedstate_core.testing import MemoryStore, World

from .lists import NAMES, finish, holding, many
from .scenes import hear, say, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_core.effects import Effect


def given(effects: Sequence[Effect[Any]]) -> int:
    return sum(len(bytes(effect.message)) for effect in effects if isinstance(effect, Send))


def test_one_input_answers_only_so_many() -> None:
    """A hundred who share a list do not get it in one step; the next inputs go on by themselves."""
    server: Server[int] = Server(["items"], Limits(window_bytes=10_000))
    names = [f"{number:0100}" for number in range(50)]
    request = '{"type":"REQUEST","cmd":"GET","path":"/a/items"}'
    for connection in range(100):
        server.connection_opened(connection)
    (first,) = server.receive_text(0, '{"type":"REQUEST","cmd":"GET","path":"/b/items"}', 0.0)
    assert isinstance(first, ListCollections)
    for connection in range(100):
        server.receive_text(connection, request, 0.0)
    effects = server.list_succeeded(first.ticket, [], 0.0)
    (second,) = (effect for effect in effects if isinstance(effect, ListCollections))
    steps = [server.list_succeeded(second.ticket, names, 0.0)]
    while (at := server.next_wakeup()) is not None:
        assert server.is_busy
        assert len(steps) < 100
        steps.append(server.wake(at))
    answered = [each.connections[0] for step in steps for each in step if isinstance(each, Send)]
    assert sorted(answered) == list(range(100))
    assert max(map(given, steps)) < 20_000
    assert not server.is_busy


def test_who_waits_for_another_list_does_not_wait_for_all_answers_to_the_first() -> None:
    server: Server[int] = Server(["items", "others"], Limits(window_bytes=10_000))
    names = [f"{number:0100}" for number in range(50)]
    request = '{"type":"REQUEST","cmd":"GET","path":"/%s"}'
    for connection in range(101):
        server.connection_opened(connection)
    (first,) = server.receive_text(0, request % "b/items", 0.0)
    for connection in range(1, 100):
        server.receive_text(connection, request % "a/items", 0.0)
    (other,) = server.receive_text(100, request % "a/others", 0.0)
    assert isinstance(first, ListCollections)
    assert isinstance(other, ListCollections)
    second, *_ = server.list_succeeded(first.ticket, [], 0.0)
    assert isinstance(second, ListCollections)
    server.list_succeeded(second.ticket, names, 0.0)
    effects = [*server.list_succeeded(other.ticket, names, 0.0), *server.wake(0.0)]
    assert (100,) in [each.connections for each in effects if isinstance(each, Send)]
    assert server.next_wakeup() == 0.0, "the others still wait"


def test_a_reader_who_cannot_take_a_list_asks_again_when_it_can() -> None:
    """Until then the list is kept nowhere; and what it gets is what there is then."""
    world = many(20, clients=2)
    world.clients[1].ask("GET", "/first/items")
    say(world, 1)
    asked = [world.clients[0].ask("GET", "/a/items") for _ in range(3)]
    say(world)
    world.block(0)
    finish(world)
    finish(world)
    assert not world.operations
    assert not world.server.is_busy
    world.commit_elsewhere(CollectionPath("a", "items", "x"), Update(insert={"p": text("p")}))
    world.drain(0)
    world.settle()
    assert [each.reply and each.reply["data"] for each in asked] == [[*NAMES, "x"]] * 3


def test_a_list_that_a_blocked_reader_asks_for_is_read_when_it_reads_on() -> None:
    world = many(10)
    world.block(0)
    asked = [world.clients[0].ask("GET", path) for path in ("/a/items", "/a", "/apps")]
    say(world)
    assert not world.operations
    world.drain(0)
    world.settle()
    assert [each.ok for each in asked] == [True] * 3


def test_a_connection_gets_no_more_than_its_window_of_lists() -> None:
    world = World(1, limits=Limits(window_bytes=1024), store=holding(f"/a/items/{'x' * 100}"))
    asked = [world.clients[0].ask("GET", "/a/items") for _ in range(60)]
    say(world)
    while world.operations:
        finish(world)
    assert sum(map(len, world.links[0].inbox)) < 2048
    world.settle()
    assert all(each.ok for each in asked)


LONG = [f"{number:0120}" for number in range(SPLICED_BYTES // 120 + 10)]
"""Names whose list is long enough to be spliced."""


def long_lists(clients: int, **limits: Any) -> World:
    store = MemoryStore()
    store.collections = lambda *_: LONG  # type: ignore[method-assign]
    return World(clients, limits=Limits(**limits), store=store)


def test_a_long_list_is_the_same_text_in_all_answers() -> None:
    server: Server[int] = Server(["items"])
    for connection in range(3):
        server.connection_opened(connection)
    request = '{"type":"REQUEST","cmd":"GET","path":"/%s/items","tunnel":%d}'
    (first,) = server.receive_text(0, request % ("first", 0), 0.0)
    for connection in range(3):
        server.receive_text(connection, request % ("a", connection), 0.0)
    assert isinstance(first, ListCollections)
    read, *_ = server.list_succeeded(first.ticket, [], 0.0)
    assert isinstance(read, ListCollections)
    sent = server.list_succeeded(read.ticket, LONG, 0.0)
    messages = [effect.message for effect in sent if isinstance(effect, Send)]
    for number, message in enumerate(messages):
        assert isinstance(message, Spliced)
        reply = json.loads(bytes(message))
        assert (reply["data"], reply["tunnel"]) == (LONG, number)
        assert len(bytes(message)) == len(message)
    bodies = [message.pieces[1:-1] for message in messages if isinstance(message, Spliced)]
    assert len(bodies) == 3
    assert all(one is other for body in bodies for one, other in zip(body, bodies[0], strict=True))


def test_those_who_read_long_lists_wait_for_room_and_are_not_closed() -> None:
    world = long_lists(8, owed_bytes=2 * SPLICED_BYTES, window_bytes=1000)
    asked = [client.ask("GET", f"/a{n}/items") for n, client in enumerate(world.clients)]
    for client in range(8):
        say(world, client)
    served = 0
    for _ in range(8):
        while world.operations:
            finish(world)
        world.advance(0.0)
        waiting = [message for link in world.links for message in link.inbox]
        assert sum(map(len, waiting)) < 4 * SPLICED_BYTES
        for client in range(8):
            hear(world, client)
            if world.links[client].draining:
                served += 1
                world.drain(client)
        world.advance(0.0)
    assert served == 8
    assert all(each.ok for each in asked)
    assert all(link.closed_with is None for link in world.links)


@pytest.mark.parametrize("end", ["answered", "failed", "left", "deferred"])
def test_who_waits_for_a_list_counts_as_waiting_for_storage(end: str) -> None:
    world = World(3, limits=Limits(pending_bytes=6000), store=holding("/a/items/c"))
    pending = world.server._registry.pending
    asked = [world.clients[0].ask("GET", f"/{app}/items") for app in "abcde"]
    say(world)
    assert pending.read_bytes > 6000
    hear(world)
    assert [each.code for each in asked] == [None, None, None, "unavailable", "unavailable"]
    assert world.clients[1].ask("GET", "/").reply is None
    if end == "left":
        world.cut(0)
    if end == "deferred":
        world.block(0)
    while world.operations:
        (ticket,) = world.operations
        if end == "failed":
            world.fail(ticket)
        else:
            world.finish(ticket)
    assert pending.read_bytes == 0
    world.settle()
    assert pending.read_bytes == 0
