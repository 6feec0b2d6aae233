"""What the core counts. The simulation holds deliveries and bytes against what is sent; here is the rest."""

from __future__ import annotations

from typing import Any

from sharedstate_core import Census, Counters, Cursor, Limits, Update
from sharedstate_core.testing import Copy, World

from .scenes import PATH, P, elsewhere, put, stored, watching


def test_nothing_has_happened() -> None:
    assert World(0).server.counters == Counters()
    assert World(0).server.census() == Census(0, 0, 0, 0, 0, 0, 0, 0)


def test_connections_and_what_they_do() -> None:
    world = watching(3, "a")
    assert world.server.census() == Census(3, 3, 0, 1, 1, 0, 0, 0)
    for id in ("b", "c"):
        put(world, 0, id)
        world.settle()
    counters = world.server.counters
    assert (counters.connections, counters.updates, counters.deliveries) == (3, 2, 3 + 2 * 3)
    world.cut(2)
    world.connect(2)
    assert world.server.census().subscriptions == 2
    assert world.server.counters.connections == 4
    assert (counters.rejected, counters.conflated, counters.blocked) == (0, 0, 0)


def test_views_and_what_they_remember() -> None:
    world = watching(2, "a")
    subs: dict[str | tuple[str, str], dict[str, Any]]
    subs = {(P, "v"): {"where": {"value": 1}}, (P, "w"): {"where": {"value": {"ne": 1}}}}
    for client in world.clients:
        client.put_subs(subs)
    world.settle()
    put(world, 0, "b")
    world.settle()
    census = world.server.census()
    assert (census.views, census.scanned_views) == (2, 1)
    assert 50 < census.view_bytes < 5000
    for client in world.clients:
        client.put_subs({}, list(subs))
    world.settle()
    assert world.server.census().views == 2  # they linger
    world.advance(100.0)
    world.settle()
    census = world.server.census()
    assert census.views == census.scanned_views == census.view_bytes == 0


def test_an_update_whose_condition_does_not_hold() -> None:
    world = watching(1, "a")
    world.clients[0].put(P, insert=[{"id": "b"}], condition=(Cursor("epoch-1", 0), None))
    world.settle()
    assert (world.server.counters.updates, world.server.counters.rejected) == (0, 1)


def test_versions_that_a_slow_reader_was_not_told_one_by_one() -> None:
    world = watching(2)
    world.block(1)
    assert world.server.census().blocked == 1
    for number in range(5):
        put(world, 0, str(number))
        for ticket in list(world.operations):
            world.finish(ticket)
    told = world.server.counters.deliveries
    world.drain(1)
    world.settle()
    counters = world.server.counters
    assert counters.deliveries == told + 1
    assert (counters.blocked, counters.conflated) == (1, 4)
    assert world.server.census().blocked == 0
    world.block(1)
    world.drain(1)
    assert (counters.blocked, counters.conflated) == (2, 4), "it has missed nothing"


def test_resumes() -> None:
    world = World(3, store=stored("a", "b"))
    for client, cursor in enumerate((Cursor("epoch-1", 1), Cursor("epoch-1", 2), None)):
        if cursor is not None:
            state = world.store.state_at(PATH, cursor) or {}
            world.clients[client].copies[P] = Copy(cursor, state)
        world.clients[client].put_subs({P: {}})
    world.settle()
    counters = world.server.counters
    assert (counters.resumes_met, counters.resumes_missed) == (2, 0)


def test_resumes_that_cannot_be() -> None:
    world = World(2, store=stored("a", "b", tombstones=0), limits=Limits(tombstones=0))
    world.commit_elsewhere(PATH, Update(remove=("a",)))
    elsewhere(world, "c")
    for client, version in enumerate((1, 4)):
        cursor = Cursor("epoch-1", version)
        world.clients[client].copies[P] = Copy(cursor, world.store.state_at(PATH, cursor) or {})
        world.clients[client].put_subs({P: {}})
    world.settle()
    counters = world.server.counters
    assert (counters.resumes_met, counters.resumes_missed) == (1, 1)


def test_a_resume_from_what_was_just_pruned_cannot_be() -> None:
    world = World(2, store=stored("a", "b"), limits=Limits(tombstones=0))
    world.clients[0].put_subs({P: {}})
    world.settle()
    before = world.clients[0].copies[P].cursor
    assert before is not None
    world.clients[0].put(P, remove=["a"])
    world.settle()
    state = world.store.state_at(PATH, before) or {}
    world.clients[1].copies[P] = Copy(before, state)
    world.clients[1].put_subs({P: {}})
    world.settle()
    counters = world.server.counters
    assert (counters.resumes_met, counters.resumes_missed) == (0, 1)
