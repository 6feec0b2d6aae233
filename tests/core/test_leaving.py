"""Many subscriptions: what they keep in memory is bounded, and who leaves keeps nobody waiting."""

from __future__ import annotations

import gc
import json
import tracemalloc
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from sharedstate_core import Access, AwaitDrain, Limits, Load, Server
from sharedstate_core.collection.content import COLLECTION_BYTES
from sharedstate_core.rules.rules import Rules
from sharedstate_core.server.registry import AT_ONCE
from sharedstate_core.testing import MemoryStore, World
from tests.support.work import work_of

from .scenes import PATH, P, hear, replies, say, under_way

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_core import Effect

MANY = 5 * AT_ONCE


def path(number: int) -> str:
    return f"/a/items/{number}"


def subscribed(count: int, limits: Limits | None = None) -> World:
    world = World(2, limits=limits)
    world.clients[0].put_subs({path(number): {} for number in range(count)})
    world.settle()
    return world


def test_the_collections_of_who_leaves_are_left_in_turns() -> None:
    world = subscribed(MANY, Limits(linger_seconds=0))
    world.server.connection_closed(world.connection(0), world.now)
    counts = [world.server.census().collections]
    while (at := world.server.next_wakeup()) is not None and at <= world.now:
        world.server.wake(world.now)
        counts.append(world.server.census().collections)
    assert counts[0] >= MANY - AT_ONCE
    assert max(before - after for before, after in pairwise(counts)) <= 2 * AT_ONCE
    assert counts[-1] == 0
    assert world.server._registry.subscribed == 0


def test_what_is_left_in_turns_may_be_watched_again_meanwhile() -> None:
    world = subscribed(MANY, Limits(linger_seconds=0))
    world.clients[0].put_subs({}, [path(number) for number in range(MANY)])
    say(world)
    last = path(MANY - 1)
    world.clients[1].put_subs({last: {}})
    say(world, 1)
    world.settle()
    world.advance(0)
    assert world.server.census().collections == 1
    assert last in world.clients[1].copies


def leaving(count: int) -> int:
    world = subscribed(count)
    return int(work_of(lambda: world.server.connection_closed(world.connection(0), world.now)))


def test_the_work_of_one_leave_is_that_of_a_few_collections() -> None:
    """Beyond them a subscription costs little."""
    few, many = leaving(AT_ONCE), leaving(MANY)
    assert many < 3 * few


def test_collections_whose_time_has_come_together_go_in_turns() -> None:
    world = subscribed(MANY, Limits(linger_seconds=10))
    world.server.connection_closed(world.connection(0), world.now)
    while world.server._registry._changed:
        world.server.wake(world.now)
    assert world.server.census().collections == MANY
    world.now += 10
    world.server.wake(world.now)
    assert world.server.census().collections >= MANY - AT_ONCE
    assert world.server.next_wakeup() <= world.now  # type: ignore[operator]
    world.advance(0)
    assert world.server.census().collections == 0


def test_collections_that_have_to_go_together_go_in_turns() -> None:
    """Something large has come to linger, and all that did so before make room."""
    world = subscribed(MANY, Limits(linger_bytes=2 * MANY * COLLECTION_BYTES))
    world.clients[0].put_subs({}, [path(number) for number in range(MANY)])
    world.settle()
    while world.server.next_wakeup() == world.now:
        world.server.wake(world.now)
    assert world.server.census().collections == MANY
    world.server.change_limits(Limits(linger_bytes=COLLECTION_BYTES))
    world.clients[1].ask("GET", P)
    say(world, 1)
    world.finish(under_way(world, Load).ticket)
    counts = [world.server.census().collections]
    while world.server.next_wakeup() == world.now:
        world.server.wake(world.now)
        counts.append(world.server.census().collections)
    assert counts[0] == MANY
    assert max(before - after for before, after in pairwise(counts)) == AT_ONCE
    assert counts[-1] == 1
    assert world.server.is_in_use(PATH)


def test_the_memory_of_all_subscriptions_is_bounded() -> None:
    """Some are refused, the others stay, and what ends makes room."""
    room = 20
    world = subscribed(MANY, Limits(subscription_bytes=room * 5000))
    assert room - 5 < len(world.clients[0].copies) < room + 5
    assert world.server.census().subscriptions == len(world.clients[0].copies)
    world.clients[1].put_subs({P: {}})
    world.settle()
    assert not world.clients[1].copies
    world.clients[0].put_subs({}, list(world.clients[0].copies))
    world.clients[1].put_subs({P: {}})
    world.settle()
    assert world.server._registry.subscribed < 1000


def test_it_is_about_the_memory_that_subscriptions_take() -> None:
    """Also once their readers are blocked, and owed something for each."""
    count, readers = 700, 5
    server: Server[int] = Server(["items"], Limits(subscription_bytes=1 << 30))
    store = MemoryStore()
    message = {"insert": [[path(number), {}] for number in range(count)], "brief": True}
    text = json.dumps({"type": "REQUEST", "cmd": "PUT", "path": "/subs", "arg": message})

    def settle(effects: Sequence[Effect[int]]) -> None:
        loads = [each for each in effects if isinstance(each, Load)]
        drains = {each.connection for each in effects if isinstance(each, AwaitDrain)}
        for load in loads:
            loaded = store.load(load.collection, load.since)
            settle(server.load_succeeded(load.ticket, loaded, 0.0))
        for connection in drains:
            settle(server.connection_drained(connection, 0.0))

    def subscribe(connection: int) -> None:
        server.connection_opened(connection)
        settle(server.receive_text(connection, text, 0.0))
        while server.next_wakeup() == 0.0:
            settle(server.wake(0.0))

    subscribe(0)  # so that the collections are there
    registry = server._registry
    tracemalloc.start()
    try:
        before, counted = tracemalloc.get_traced_memory()[0], registry.subscribed
        for connection in range(1, 1 + readers):
            subscribe(connection)
            server.connection_blocked(connection, 0.0, ())
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    counted = registry.subscribed - counted
    assert server.census().subscriptions == (1 + readers) * count
    assert counted / 1.5 < taken < counted * 1.02, (taken, counted)


def test_reads_that_wait_count_like_updates() -> None:
    """With the tunnels that they bring."""
    world = World(2, limits=Limits(pending_bytes=2000))
    for client in range(2):
        for _ in range(3):
            world.clients[client].ask("GET", path(client))
        say(world, client)
    refused = [asked.reply for asked in world.clients[1].asked if hear(world, 1) or asked.reply]
    assert [message["error"]["code"] for message in refused if message] == ["unavailable"] * 2
    for ticket in list(world.operations):
        world.finish(ticket)
    hear(world)
    assert replies(world) == [(0, True), (1, True), (2, True)]
    assert world.server._registry.pending.read_bytes == 0


def test_counting_what_there_is_looks_at_no_collection() -> None:
    few, many = subscribed(10).server, subscribed(MANY).server
    assert many.census().loaded == MANY
    assert work_of(many.census) == work_of(few.census)
    assert work_of(lambda: many.loaded("items")) < 3 * MANY


def test_what_a_subscription_takes_changes_with_what_it_shows() -> None:
    rules: Any = {"path": "/*/*/*", "read": "item.room in user.rooms"}
    world = World(access=Access(rules=Rules.parse([rules])), limits=Limits(linger_seconds=0))
    session = world.server._sessions[world.connection(0)]
    sizes: list[int] = []
    for rooms in ([1], [*range(100)], [2, 3]):
        world.clients[0].ask("PUT", "/session", {"token": "t"})
        say(world)
        [ticket] = world.proofs
        world.accept(ticket, {"id": "ann", "rooms": rooms})
        if not sizes:
            world.clients[0].put_subs({P: {}})
            say(world)
        [subscription] = session.subscriptions.values()
        assert world.server._registry.subscribed == subscription.size
        sizes.append(subscription.size)
    assert sizes[0] < sizes[2] < sizes[1]
    world.server.connection_closed(world.connection(0), world.now)
    assert world.server._registry.subscribed == 0
