"""What the updates take that wait for storage, of all connections together: counted, bounded, and never forgotten."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest

from sharedstate_core import Commit, Limits, Load, Server
from sharedstate_core.testing import World, check_copies, check_requests

from .scenes import PATH, P, hear, kinds, put, say, stored, under_way, watching

SMALL = 700
"""Bytes that a `put` of one short item counts for, at the least."""


def waiting(world: World) -> int:
    return world.server._registry.pending.bytes


@pytest.mark.parametrize("path", [P, "/a/items/d"])
def test_beyond_the_bound_updates_are_refused_at_once_and_what_waits_goes_on(path: str) -> None:
    world = World(3, limits=Limits(pending_bytes=3 * SMALL))
    taken = [put(world, client, *"pq", path=path) for client in (0, 1)]
    taken += [put(world, 0, "r")]
    refused = put(world, 2, "s")
    hear(world, 2)
    assert refused.code == "unavailable"
    text = "the storage queue is full (2100 bytes of updates); try again later"
    assert refused.reply is not None
    assert refused.reply["data"] == text
    read = world.clients[2].ask("GET", P)
    world.settle()
    assert all(each.ok for each in (*taken, read))
    assert waiting(world) == 0
    again = put(world, 2, "t")
    world.settle()
    assert again.ok
    check_requests(world)
    assert world.store.head(PATH).version == (4 if path == P else 2)


def test_one_update_may_exceed_the_bound() -> None:
    world = World(2, limits=Limits(pending_bytes=10))
    asked = put(world, 0, "p" * 100)
    assert put(world, 1, "q").reply is None
    hear(world, 1)
    assert world.clients[1].asked[0].code == "unavailable"
    world.settle()
    assert asked.ok


def test_a_refused_update_is_not_looked_at() -> None:
    world = World(2, limits=Limits(pending_bytes=10))
    put(world, 0, "p")
    asked = world.clients[1].ask("PUT", P, {"insert": [{"id": 7}]})
    elsewhere = world.clients[1].ask("PUT", "/a/nothing/c", {})
    say(world, 1)
    hear(world, 1)
    assert [asked.code, elsewhere.code] == ["unavailable", "no_service"]


@pytest.mark.parametrize(
    "arg",
    [
        {},
        {"insert": [{"id": "p", "text": "x" * 10_000}]},
        {"insert": [{"id": "p", "text": "\N{SNOWMAN}" * 10_000}]},
        {"insert": [{"id": f"p{n}"} for n in range(1000)]},
        {"remove": [f"p{n}" for n in range(1000)]},
        {"if": {"epoch": "e", "version": 1, "ids": [f"p{n}" for n in range(1000)]}},
    ],
)
@pytest.mark.parametrize("tunnel", [1, "t" * 5000])
def test_it_is_about_the_memory_that_they_take(arg: dict[str, Any], tunnel: object) -> None:
    server: Server[int] = Server(["items"])
    message = {"type": "REQUEST", "cmd": "PUT", "path": P, "arg": arg, "tunnel": tunnel}
    server.connection_opened(0)
    kept = [server.receive_text(0, json.dumps(message, ensure_ascii=False), 0.0)]
    pending = server._registry.pending
    tracemalloc.start()
    try:
        before, counted = tracemalloc.get_traced_memory()[0], pending.bytes
        texts = (json.dumps(message, ensure_ascii=False) for _ in range(10))
        kept += [server.receive_text(0, text, 0.0) for text in texts]
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert taken / 1.2 < pending.bytes - counted < 3 * taken


@pytest.mark.parametrize("fate", ["finish", "fail", "lose"])
def test_however_a_commit_ends_also_when_its_authors_have_left(fate: str) -> None:
    world = watching(2, "p")
    for client in (0, 1, 0):
        put(world, client, "q")
    assert waiting(world) > 3 * SMALL - 100
    world.cut(0)
    (ticket,) = world.operations
    getattr(world, fate)(ticket)
    while world.operations:
        world.finish(min(world.operations))
    assert waiting(world) == 0


def test_updates_that_cannot_be_loaded_for() -> None:
    world = World()
    world.clients[0].put_subs({P: {}})
    put(world, 0, "p")
    assert waiting(world)
    world.fail(under_way(world, Load).ticket)
    assert waiting(world) == 0


def test_updates_that_do_not_fit_their_collection() -> None:
    world = watching(1, limits=Limits(collection_items=1))
    refused = put(world, 0, "p", "q")
    hear(world)
    assert refused.code == "too_large"
    assert waiting(world) == 0


def test_an_answer_that_its_author_does_not_take_keeps_nobody_from_writing() -> None:
    """It keeps no update either: that is stored."""
    world = World(2, limits=Limits(pending_bytes=SMALL))
    world.block(0)
    asked = put(world, 0, "p" * 100)
    world.finish(under_way(world, Commit).ticket)
    assert waiting(world) == 0
    assert 0 < world.server._unsent.bytes < SMALL
    put(world, 1, "q")
    world.finish(under_way(world, Commit).ticket)
    assert world.clients[1].asked[0].reply is None
    hear(world, 1)
    assert world.clients[1].asked[0].ok
    world.drain(0)
    hear(world)
    assert asked.ok
    assert world.server._unsent.bytes == 0


def put_off(world: World, client: int) -> None:
    """Let an update wait behind a read, and both for their author."""
    world.clients[client].ask("GET", f"/a/items/{client}")
    put(world, client, "p" * 100, path=f"/a/items/{client}")
    world.block(client)
    world.finish(max(world.operations))


def test_what_is_put_off_until_its_author_reads_is_owed_to_the_author() -> None:
    world = World(4, store=stored("p"), limits=Limits(pending_bytes=SMALL, owed_bytes=2900))
    for client in range(3):
        put_off(world, client)
        assert waiting(world) == 0
        world.advance(1.1)
    assert [link.closed_with for link in world.links] == [1008, None, None, None]
    asked = put(world, 3, "q")
    world.finish(under_way(world, Commit).ticket)
    hear(world, 3)
    assert asked.ok
    world.drain(1)
    assert kinds(hear(world, 1)) == [0]
    assert waiting(world) >= SMALL
    world.settle()
    check_copies(world)
    check_requests(world)
    assert world.clients[2].asked[1].ok
    assert world.server._unsent.bytes == waiting(world) == 0


def test_an_update_behind_a_read_goes_on_though_its_author_left_without_reading() -> None:
    world = World(2, store=stored("p"))
    world.clients[0].ask("GET", P)
    put(world, 0, "q")
    world.block(0)
    world.cut(0)
    world.finish(under_way(world, Load).ticket)
    world.finish(under_way(world, Commit).ticket)
    assert waiting(world) == 0
    assert not world.server.is_busy
    assert world.server.counters.updates == 1
    assert world.store.head(PATH).version == 2


def test_another_bound_holds_at_once() -> None:
    world = World(2)
    put(world, 0, "p")
    world.server.change_limits(Limits(pending_bytes=SMALL // 2))
    refused = put(world, 1, "q")
    world.server.change_limits(Limits())
    taken = put(world, 1, "q")
    world.settle()
    assert refused.code == "unavailable"
    assert taken.ok


def test_updates_that_come_together_are_counted_one_by_one() -> None:
    world = World(limits=Limits(pending_bytes=2 * SMALL - 200))
    asked = [world.clients[0].put(P, insert=[{"id": id}]) for id in "pqrs"]
    world.all_to_server(0)
    world.settle()
    assert [each.code for each in asked] == [None, None, "unavailable", "unavailable"]
    state = world.store.state_at(PATH, world.store.head(PATH))
    assert state is not None
    assert list(state) == ["p", "q"]
