"""Whatever the embedding program gets wrong is told at once, by the name of the argument; nothing has changed then."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_core import Commit, Limits, ListCollections, Load, Server
from sharedstate_core.paths import CollectionPath
from sharedstate_core.testing import MemoryStore, World

from .answers import portrait
from .scenes import P, put, say, stored, under_way, watching

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PUT = '{"type":"REQUEST","cmd":"PUT","path":"/a/items/c","arg":{"insert":[{"id":"q"}]}}'
LIST = '{"type":"REQUEST","cmd":"GET","path":"/a/items"}'


@pytest.mark.parametrize(
    ("services", "error", "problem"),
    [
        ("items", TypeError, "services: expected several names"),
        (b"items", TypeError, "services: expected several names"),
        (None, TypeError, "services: expected names, found None"),
        (3, TypeError, "services: expected names, found 3"),
        (["items", None], TypeError, r"services\[1\]: expected a str, found None"),
        (["a/b"], ValueError, r"services\[0\]: expected one segment of a path, found 'a/b'"),
        ([""], ValueError, r"services\[0\]: expected one segment"),
        ([".."], ValueError, r"services\[0\]: .*a segment may not be '..'"),
        (["\ud800"], ValueError, r"services\[0\]: .*lone surrogate"),
    ],
)
def test_services(services: Any, error: type[Exception], problem: str) -> None:
    with pytest.raises(error, match=problem):
        Server[int](services)


def test_services_may_be_any_collection() -> None:
    for services in ({"items": 1}, {"items"}, ("items",), iter(["items"])):
        assert Server[int](services)._registry.services == ("items",)  # type: ignore[arg-type]


def limits_of(name: str, value: Any) -> Limits:
    return dataclasses.replace(Limits(), **{name: value})


@pytest.mark.parametrize("field", dataclasses.fields(Limits), ids=lambda field: field.name)
def test_limits(field: dataclasses.Field[Any]) -> None:
    name = field.name
    for value in ("5", b"5", [1], True, 1j):
        with pytest.raises(TypeError, match=f"{name}"):
            limits_of(name, value)
    for value in (-5, math.nan, math.inf, -0.5):
        pair = (value, 1) if name == "retry_seconds" else value
        with pytest.raises((TypeError, ValueError), match=f"{name}.*: expected .*, found {value}"):
            limits_of(name, pair)
    assert limits_of(name, field.default) == Limits()


def test_limits_that_would_keep_everybody_waiting() -> None:
    for name in ("group", "loads", "window_bytes", "part_bytes", "unanswered", "drain_seconds"):
        with pytest.raises(ValueError, match=f"{name}: expected"):
            limits_of(name, 0)
    for pauses in ((5.0, 0.1), (0, 1)):
        with pytest.raises(ValueError, match="retry_seconds"):
            Limits(retry_seconds=pauses)
    with pytest.raises(TypeError, match="retry_seconds: expected the first and the longest pause"):
        Limits(retry_seconds=(1,))  # type: ignore[arg-type]


def test_what_are_no_limits() -> None:
    for limits in ({"group": 3}, 3, "none", Limits):
        with pytest.raises(TypeError, match="limits: expected a Limits"):
            Server[int](["items"], limits)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="limits: expected a Limits, found None"):
        Server[int](["items"]).change_limits(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", [b"{}", None, 3, ["{}"]])
def test_a_message_that_is_not_text(text: Any) -> None:
    world = watching(1, "p")
    connection, before = world.connection(0), portrait(world.server)
    with pytest.raises(TypeError, match="text: expected a str"):
        world.server.receive_text(connection, text, world.now)
    with pytest.raises(TypeError, match="text: expected a str"):
        world.server.receive_texts(connection, [PUT, text], world.now)
    assert portrait(world.server) == before


@pytest.mark.parametrize("texts", ["{}", b"{}"])
def test_several_messages_that_are_a_single_one(texts: Any) -> None:
    world = watching(1)
    with pytest.raises(TypeError, match="receive_text takes a single one"):
        world.server.receive_texts(world.connection(0), texts, world.now)


def test_a_text_with_halves_of_characters_is_answered() -> None:
    """It is the transport's mistake, too, but one that a peer could bring about."""
    world = World()
    for text in ('{"type":"REQUEST","tunnel":"\ud800"}', "\udfff"):
        world._perform(world.server.receive_text(world.connection(0), text, world.now))
    assert [b'"bad_message"' in message for message in world.links[0].inbox] == [True, True]


@pytest.mark.parametrize(
    ("now", "error"),
    [
        (None, TypeError),
        ("1", TypeError),
        (True, TypeError),
        (math.nan, ValueError),
        (math.inf, ValueError),
    ],
)
def test_what_is_no_time(now: Any, error: type[Exception]) -> None:
    world = watching(1, "p")
    client, server, connection = world.clients[0], world.server, world.connection(0)
    put(world, 0, "q")
    client.ask("GET", "/a/items")
    client.ask("GET", "/a/items/another")
    say(world)
    commit, listing, load = world.operations
    kinds = [type(operation.effect) for operation in world.operations.values()]
    assert kinds == [Commit, ListCollections, Load]
    for ticket in world.operations:
        world.execute(ticket)
    result: Any
    inputs: list[Callable[[], object]] = [
        lambda: server.receive_text(connection, PUT, now),
        lambda: server.receive_texts(connection, [PUT], now),
        lambda: server.connection_blocked(connection, now),
        lambda: server.connection_drained(connection, now),
        lambda: server.connection_closed(connection, now),
        lambda: server.commit_failed(commit, "gone", now, outcome_unknown=True),
        lambda: server.load_failed(load, "gone", now),
        lambda: server.list_failed(listing, "gone", now),
        lambda: server.list_succeeded(listing, ["c"], now),
        lambda: server.wake(now),
    ]
    for ticket, name in ((commit, "commit_succeeded"), (load, "load_succeeded")):
        result = world.operations[ticket].result
        inputs.append(lambda n=name, t=ticket, r=result: getattr(server, n)(t, r, now))  # type: ignore[misc]
    before = portrait(server)
    for attempt in inputs:
        with pytest.raises(error, match="now: expected seconds"):
            attempt()
        assert portrait(server) == before
    world.settle()


@pytest.mark.parametrize("unsent", [b"message", "message", [1], ["message"], [None]])
def test_what_a_transport_cannot_keep(unsent: Any) -> None:
    world = watching(1, "p")
    before = portrait(world.server)
    with pytest.raises(TypeError, match="unsent: expected several messages, each of bytes"):
        world.server.connection_blocked(world.connection(0), world.now, unsent)
    with pytest.raises(TypeError, match="unsent: expected several messages, found 17"):
        world.server.connection_blocked(world.connection(0), world.now, 17)  # type: ignore[arg-type]
    assert portrait(world.server) == before


@pytest.mark.parametrize("bad", [None, OSError("the socket is gone")])
def test_an_iterator_that_fails_loses_nothing_that_was_taken_before(bad: OSError | None) -> None:
    """Its effects come with the next input, whosever that is, and before what follows from that."""
    world = World(2, store=stored("p"))
    server = world.server

    def texts() -> Iterator[Any]:
        yield LIST
        yield PUT
        if bad is not None:
            raise bad
        yield None

    with pytest.raises(OSError if bad else TypeError):
        server.receive_texts(world.connection(0), texts(), world.now)
    assert server.is_busy
    assert server.next_wakeup() == world.now
    effects = server.receive_text(world.connection(1), '{"type":"REQUEST"}', world.now)
    assert [type(effect).__name__ for effect in effects] == ["ListCollections", "Send", "Commit"]
    world._perform(effects)
    assert server.next_wakeup() is None
    for ticket in list(world.operations):
        world.finish(ticket)
    assert not server.is_busy
    assert [b'"ok":true' in message for message in world.links[0].inbox] == [True, True]


def test_an_iterator_that_fails_is_made_good_by_the_clock() -> None:
    world = World(1)

    def texts() -> Iterator[str]:
        yield PUT
        raise OSError("the socket is gone")

    with pytest.raises(OSError, match="the socket is gone"):
        world.server.receive_texts(world.connection(0), texts(), world.now)
    world.advance(0)
    world.finish(under_way(world, Commit).ticket)
    assert not world.server.is_busy


def test_a_store_for_tests() -> None:
    with pytest.raises(TypeError, match="epoch: expected a str, found 3"):
        MemoryStore(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="tombstones: expected a whole number from 0, found -1"):
        MemoryStore(tombstones=-1)


# --- effects that must be answered ---------------------------------------------------------------


def given_a_window_full(drain_seconds: float = 10) -> World:
    """A World in which client 0 was given much, so that the core waits to hear that it has left."""
    limits = Limits(window_bytes=100, drain_seconds=drain_seconds)
    world = World(2, store=stored(*"pqrst"), limits=limits)
    world.clients[1].put_subs({P: {}})
    world.settle()
    world.clients[0].ask("GET", P)
    say(world)
    assert world.links[0].draining
    return world


def test_a_transport_that_forgets_to_tell_that_all_has_left_loses_the_connection_only() -> None:
    world = given_a_window_full()
    assert world.server.next_wakeup() == world.now + 10
    world.advance(9)
    assert world.links[0].connection is not None
    world.advance(1)
    assert world.links[0].connection is None
    assert world.links[0].closed_with == 1008
    put(world, 1, "u")
    world.settle()  # and the client is back
    assert world.clients[1].asked[-1].ok


def test_who_tells_in_time_has_as_long_the_next_time() -> None:
    world = given_a_window_full()
    for _ in range(3):
        world.advance(9)
        world.drain(0)
        assert world.server.next_wakeup() is None
        world.clients[0].ask("GET", P)
        say(world)
        assert world.server.next_wakeup() == world.now + 10
    world.advance(9)
    world.block(0)  # the socket is full, but has taken something
    assert world.server.next_wakeup() == world.now + 10
    world.settle()
    assert all(asked.ok for asked in world.clients[0].asked)


def test_other_limits_hold_for_it() -> None:
    world = given_a_window_full()
    world.server.change_limits(dataclasses.replace(world.limits, drain_seconds=20))
    world.drain(0)
    world.clients[0].ask("GET", P)
    say(world)
    assert world.server.next_wakeup() == world.now + 20


def test_an_unknown_service() -> None:
    world = watching(1, "p")
    before = portrait(world.server)
    with pytest.raises(ValueError, match=r"service: expected one of .*, found 'nope'"):
        world.server.loaded("nope")
    with pytest.raises(ValueError, match=r"path\.service: expected one of .*, found 'nope'"):
        world.server.collection_changed(CollectionPath("a", "nope", "c"), None, world.now)
    assert portrait(world.server) == before
