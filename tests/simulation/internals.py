"""What must hold inside the core, whatever happened: nothing kept for who has left, every buffer bounded."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING

from sharedstate_core.collection.reader import Deferred
from sharedstate_core.collection.subscription import Subscription
from sharedstate_core.collection.waiting_requests import Get, Put
from sharedstate_core.effects import Commit, Load
from sharedstate_core.peer.backlog import HeldReply
from sharedstate_core.server.listing import ListRead
from sharedstate_core.server.listings import AT_ONCE
from sharedstate_core.server.subscription_change import SubscriptionChange

if TYPE_CHECKING:
    from sharedstate_core.collection.collection import Collection
    from sharedstate_core.peer.session import Session
    from sharedstate_core.server.listing import Asked
    from sharedstate_core.server.server import Server
    from sharedstate_core.testing import Connection, World


def check_internals(world: World) -> None:
    server = world.server
    open_now = {link.connection for link in world.links if link.connection is not None}
    assert set(server._sessions) == open_now
    assert set(server._tickets) == set(world.operations)
    if server._registry._dirty:  # what was postponed is carried out at the end of a turn
        assert server.next_wakeup() == world.now, "the next turn goes on with it"
    drains = {session.connection for session in server._drains}
    late = {c for c in open_now if world.links[c.client].blocked or world.links[c.client].draining}
    assert drains == late
    counted = server.counters
    assert (counted.deliveries, counted.bytes) == (world.sent.deliveries, world.sent.bytes)
    _check_census(world)
    _check_sessions(world)
    _check_bounds(world)
    collections = server._registry._collections.values()
    assert set(server._registry.turns._line) <= set(collections)
    for collection in collections:
        _check_collection(world, collection)


def _check_census(world: World) -> None:
    census, sessions = world.server.census(), world.server._sessions.values()
    assert census.connections == len(sessions)
    assert census.subscriptions == sum(len(session.subscriptions) for session in sessions)
    waits = world.server._unsent._line
    blocked = [each._is_full or each in waits or each._is_halfway for each in sessions]
    assert census.blocked == sum(blocked)
    collections = world.server._registry._collections.values()
    assert census.collections == len(collections)
    loaded = {each.path for each in collections if each._content.replica is not None}
    loading = {each.path for each in collections if isinstance(each.operation, Load)}
    services = world.server._registry.services
    known = {path for service in services for path in world.server.loaded(service)}
    assert loaded <= known <= loaded | loading
    assert census.loaded == len(known)


def _check_sessions(world: World) -> None:
    limits, server = world.limits, world.server
    assert set(server._owed._line) <= set(server._sessions.values())
    for session in server._sessions.values():
        link = world.links[session.connection.client]
        blocked = session.state == "blocked"
        assert session._is_full == (link.blocked or link.draining)
        assert session._in_line == (session in server._unsent._line)
        halfway = session._is_halfway
        assert not halfway or session in server._owed._line
        assert blocked == (session._is_full or session._in_line or halfway)
        assert session.is_paused == (not link.reading)
        assert not blocked or session.is_paused
        if session.under_way is not None:
            assert session.postponed is not None
            in_line = session in server._owed._line
            assert in_line or session.state == "closed" or not session.is_examined
        assert session._backlog.held_bytes <= limits.held_bytes
        owed = set(session.subscriptions.values()) if blocked else set()
        found = {each for each in session._backlog if isinstance(each, Subscription)}
        assert found <= owed if halfway else found == owed
        assert blocked or not session._backlog
        held = [len(each.message) for each in session._backlog if isinstance(each, HeldReply)]
        assert session._backlog.held_bytes == sum(held)
        deferred = sum(e.requests for e in session._backlog if isinstance(e, Deferred))
        assert session._backlog.requests == deferred <= session._unanswered
        assert len(session.subscriptions) <= limits.subscriptions
        assert 0 <= session._unanswered <= limits.unanswered
        assert session._unanswered or not session._unanswered_bytes
        for name, subscription in session.subscriptions.items():
            assert (subscription.audience.path, subscription.audience.view) == name
            assert subscription.collection in server._registry._collections.values()


def _check_bounds(world: World) -> None:
    server, limits = world.server, world.limits
    outstanding = server._unsent
    kept = {id(each) for session in server._sessions.values() for each in session._backlog.kept()}
    assert kept <= set(outstanding._times)
    assert outstanding.readers == len(server._sessions)
    assert not outstanding._kept.keys() & outstanding._line.keys()
    counted = [*outstanding._kept.items(), *outstanding._line.items()]
    for session, _ in counted:
        assert session.state == "blocked"
        assert server._sessions[session.connection] is session
    given = {id(each): len(each) for _, kept in counted for each in kept.messages}
    assert outstanding.bytes == sum(given.values())
    assert outstanding.bytes <= limits.owed_bytes * 3 // 2 or len(counted) == 1
    sessions = server._sessions.values()
    subscriptions = [
        each for it in sessions for each in (*it.subscriptions.values(), *_admitted(it))
    ]
    assert server._registry.subscribed == sum(each.size for each in subscriptions)
    collections = server._registry._collections.values()
    assert server._registry._changed.keys() <= set(collections)
    queues = [each._queue for each in collections]
    puts = [put for queue in queues for put in (*queue._committing, *queue)]
    pending = server._registry.pending
    answers = [each._answers for each in collections]
    held = [a for each in answers for a in (*each.held, *chain(*each.behind.values()))]
    waits = sum(put.size for put in puts if isinstance(put, Put))
    assert pending.bytes == waits + sum(answer.author.size for answer in held)
    reads = sum(get.size for queue in queues for get in queue if isinstance(get, Get))
    reads += sum(asked.size for asked in _who_asked_for_lists(world))
    assert pending.read_bytes == reads
    loading = [each for each in server._registry._collections.values() if each._freshness.loading]
    for turns in server._registry._load_queues.values():
        assert turns._under_way == len(loading) <= limits.loads
        assert len(turns) == 0 or len(loading) == limits.loads
        assert set(turns._lines_of) <= set(server._registry._collections.values())
        assert {one for line in turns._lines.values() for one in line} == set(turns._lines_of)
    lingering = server._registry._lingering_bytes
    assert lingering == sum(server._registry._lingering.values())
    assert lingering <= limits.linger_bytes or server._registry.is_unfinished
    assert all(not each._subscribers.count for each in server._registry._lingering)
    encoded = server._registry.encoded
    assert encoded.bytes == sum(each._notices.bytes for each in collections)
    assert {each._notices for each in collections if each._notices.bytes} <= {*encoded.line}
    assert {*encoded.line} <= {each._notices for each in collections}


def _admitted(session: Session[Connection]) -> list[Subscription[Connection]]:
    """Return the subscriptions that have been admitted and have not begun."""
    change = session.under_way
    return change._admitted if isinstance(change, SubscriptionChange) else []


def _who_asked_for_lists(world: World) -> list[Asked[Connection]]:
    """Return all who wait for a list of names, and check that none that has left waits for its turn."""
    server = world.server
    listings, queues = server._listings, server._listings._queues.values()
    reads = [read for read in server._tickets._owners.values() if isinstance(read, ListRead)]
    for service, queue in listings._queues.items():
        assert queue._under_way == sum(read.service == service for read in reads) <= AT_ONCE
        assert len(queue) == 0 or queue._under_way == AT_ONCE
        assert set(queue._lines) <= {*server._sessions.values(), None}
    reads += [read for queue in queues for read in queue._lines_of]
    waiting = {read.listing for read in reads}
    assert set(listings._shared.values()) <= waiting
    asked = [each for listing in waiting for line in listing._asked.values() for each in line]
    return asked + [each for _, line in listings._ended for each in line]


def _check_collection(world: World, collection: Collection[Connection]) -> None:
    server = world.server
    subscribers = collection._subscribers
    expected = {
        subscription
        for session in server._sessions.values()
        for subscription in session.subscriptions.values()
        if subscription.collection is collection
    }
    admitted = [each for session in server._sessions.values() for each in _admitted(session)]
    assert subscribers.count == len(expected) + sum(s.collection is collection for s in admitted)
    in_step = {
        (audience, connection)
        for groups in (subscribers._whole, *subscribers._of_views.values())
        for audience, group in groups._by_audience.items()
        for connection in group.connections
    }
    there = [
        *subscribers.waiting.for_content,
        *subscribers.waiting._woken,
        *(subscribers.waiting._for_text or ()),
        *subscribers.waiting._ahead,
    ]
    waiting = {(s.audience, s.reader.connection) for s in there}
    assert len(there) == len(waiting)
    behind = subscribers.waiting.behind
    assert behind == Counter(s.reader for s in there)
    assert set(collection._answers.behind) <= {*behind, *subscribers.waiting.caught_up}
    awake = {
        (subscription.audience, session.connection)
        for session in server._sessions.values()
        for subscription in expected & {*session.subscriptions.values()}
        if session.is_open and subscription not in session._backlog
    }
    assert not in_step & waiting
    assert in_step | waiting == awake
    operation = collection.operation
    assert collection._freshness.loading == isinstance(operation, Load)
    assert bool(collection._queue._committing) == isinstance(operation, Commit)
    assert operation != "encode" or collection._work is not None
    under_way = server._tickets._owners.values()
    is_telling = operation == "tell"
    is_taking_turns = collection._work is not None or operation in ("tell", "refuse")
    assert not is_taking_turns or collection in server._registry.turns._line
    assert (collection in under_way) == (operation is not None and not is_taking_turns)
    replica = collection._content.replica
    assert not (is_taking_turns and isinstance(operation, Load) and replica)
    if replica is not None and operation != "apply":
        told = [
            group.cursor == replica.cursor for group in subscribers._whole._by_audience.values()
        ]
        assert told == sorted(told)
        assert is_telling or all(told)
        assert replica.cursor == (replica.epoch, replica.version)
        assert is_telling or len(replica.tombstones) <= world.limits.tombstones
        stored = world.store.state_at(collection.path, replica.cursor)
        assert stored is not None
        assert list(replica.texts()) == list(stored.values())
        for view, groups in subscribers._of_views.items():
            for group in groups._by_audience.values():
                assert group.cursor == view.cursor or is_telling
                assert view._remembered.since <= view.cursor.version <= replica.version


def check_empty(server: Server[Connection]) -> None:
    """Nobody is connected, nothing is under way, and the time to linger is over."""
    assert not server._sessions
    assert not server._registry._collections
    assert not server._tickets
    assert not server._registry.turns
    assert server.next_wakeup() is None
    assert not server._registry._lingering
    assert not server._unsent._kept
    assert not server._unsent._line
    assert not server._owed
    assert server._registry.pending.bytes == server._registry.pending.read_bytes == 0
    assert not any(map(len, server._registry._load_queues.values()))
    assert not server.is_busy
