"""An orderly stop: nothing more is accepted, what was accepted is finished, then everybody is closed."""

from __future__ import annotations

import pytest

from sharedstate_core import (
    Close,
    Commit,
    CommitResult,
    Committed,
    Limits,
    Load,
    Loaded,
    Server,
    Update,
)
from sharedstate_core.testing import World, check_copies, check_requests

from .scenes import PATH, P, put, say, stored, under_way, watching

WORDS = "the server is shutting down"


def closed(world: World) -> list[bool]:
    return [link.connection is None for link in world.links]


def test_with_nothing_under_way_everybody_is_closed_at_once() -> None:
    world = watching(2, "p")
    world.stop(10.0)
    assert world.server.is_stopping
    assert world.server.is_stopped
    assert [link.closed_with for link in world.links] == [1001, 1001]
    assert world.server.next_wakeup() == world.now + world.limits.linger_seconds
    assert world.server.stop(world.now, world.now + 1) == []


def test_what_is_said_goes_with_the_close() -> None:
    server: Server[int] = Server(["items"])
    assert server.connection_opened(1) == []
    assert server.stop(0.0, 1.0) == [Close(1, 1001, WORDS)]
    assert server.stop(0.0, 1.0) == []
    assert server.connection_opened(2) == [Close(2, 1001, WORDS)]
    assert server.receive_text(2, "what?", 0.5) == []
    assert server.connection_closed(1, 0.5) == server.connection_closed(2, 0.5) == []
    assert server.next_wakeup() is None


def test_what_was_accepted_is_stored_told_and_answered_and_nothing_more() -> None:
    world = watching(3, "p")
    before = [put(world, 0, "q"), put(world, 1, "r")]
    read = world.clients[1].ask("GET", P)
    say(world, 1)
    world.stop(10.0)
    late = [put(world, 0, "s"), put(world, 2, "t")]
    assert closed(world) == [False] * 3
    assert not world.server.is_stopped
    world.finish(under_way(world, Commit).ticket)
    assert closed(world) == [False] * 3
    world.finish(under_way(world, Commit).ticket)
    assert closed(world) == [True] * 3
    assert world.server.is_stopped
    assert not world.server.is_busy
    assert all(each.ok for each in (*before, read))
    assert [each.reply for each in late] == [None, None]
    assert list(world.clients[2].copies[P].state) == ["p", "q", "r"]
    check_copies(world)
    check_requests(world)


def test_texts_that_come_together_after_it_are_taken_and_not_accepted() -> None:
    world = watching(1, "p")
    put(world, 0, "q")
    world.stop(10.0)
    for id in "rs":
        world.clients[0].put(P, insert=[{"id": id}])
    world.all_to_server(0)
    assert not world.clients[0].outbox
    world.settle()
    assert list(world.store.state(PATH)) == ["p", "q"]
    check_requests(world)


def test_whoever_connects_meanwhile_is_closed() -> None:
    world = watching(2, "p")
    world.cut(1)
    put(world, 0, "q")
    world.stop(10.0)
    world.connect(1)
    assert closed(world) == [False, True]
    assert world.server.census().connections == 1


def test_storage_that_hangs_is_not_waited_for_beyond_the_time() -> None:
    world = watching(2, "p")
    asked = put(world, 0, "q")
    world.stop(10.0)
    assert world.server.next_wakeup() == world.now + 10
    world.advance(9.9)
    assert closed(world) == [False, False]
    world.advance(0.1)
    assert closed(world) == [True, True]
    assert world.server.is_stopped
    assert world.server.is_busy
    assert asked.reply is None
    world.finish(under_way(world, Commit).ticket)  # nobody is left to be told
    assert not world.server.is_busy


def test_another_time_may_be_given() -> None:
    world = watching(1, "p")
    put(world, 0, "q")
    world.stop(10.0)
    world.stop(20.0)
    world.advance(15.0)
    assert closed(world) == [False]
    world.stop(0.0)
    assert closed(world) == [True]


def test_an_answer_that_waits_for_a_load_is_waited_for() -> None:
    world = watching(1, "p")
    world.commit_elsewhere(PATH, Update(("p",)))
    asked = put(world, 0, "q")
    world.stop(10.0)
    world.finish(under_way(world, Commit).ticket)
    assert closed(world) == [False]
    world.finish(under_way(world, Load).ticket)
    assert closed(world) == [True]
    assert asked.ok
    check_copies(world)


def test_listings_are_waited_for() -> None:
    world = World(store=stored("p"))
    asked = world.clients[0].ask("GET", "/a/items")
    say(world)
    world.stop(10.0)
    assert closed(world) == [False]
    world.settle()
    assert asked.ok


def test_a_reader_who_is_slow_is_not_waited_for() -> None:
    world = watching(2, "p")
    world.block(1)
    world.clients[1].ask("GET", P)
    deferred = put(world, 1, "r")
    asked = put(world, 0, "q")
    world.stop(10.0)
    world.finish(under_way(world, Commit).ticket)
    assert closed(world) == [True, True]
    assert asked.ok
    assert deferred.reply is None
    world.settle()
    assert list(world.clients[1].copies[P].state) == ["p", "q"]  # where it resumes
    check_requests(world)


def test_a_reader_who_catches_up_in_time_gets_what_it_is_owed() -> None:
    world = watching(2, "p")
    world.block(1)
    world.clients[1].ask("GET", P)
    deferred = put(world, 1, "r")
    put(world, 0, "q")
    world.stop(10.0)
    world.drain(1)
    world.finish(under_way(world, Commit).ticket)
    world.finish(under_way(world, Commit).ticket)
    assert closed(world) == [True, True]
    assert deferred.ok
    check_copies(world)
    check_requests(world)


@pytest.mark.parametrize("in_step", [False, True])
def test_the_end_is_the_last_that_anybody_is_told(in_step: bool) -> None:
    """What storage still has to say is for nobody, though the transport has not yet told that they are closed."""
    server: Server[int] = Server(["items"], Limits(linger_seconds=1))
    server.connection_opened(1)
    text = '{"type":"REQUEST","cmd":"PUT","path":"/subs","arg":{"insert":[["/a/items/c",{}]]}}'
    effects = server.receive_text(1, text, 0.0)
    (load,) = (each for each in effects if isinstance(each, Load))
    ticket = load.ticket
    if in_step:
        server.load_succeeded(ticket, Loaded("e", 0, 0, []), 0.0)
        put = '{"type":"REQUEST","cmd":"PUT","path":"/a/items/c","arg":{"insert":[{"id":"x"}]}}'
        (commit,) = server.receive_text(1, put, 0.0)
        assert isinstance(commit, Commit)
        ticket = commit.ticket
    assert server.stop(1.0, 2.0) == []
    assert server.wake(1.9) == []
    assert server.wake(2.0) == [Close(1, 1001, WORDS)]
    if in_step:
        result = CommitResult("e", [Committed(1)])
        assert server.commit_succeeded(ticket, result, 3.0) == []
    else:
        assert server.load_succeeded(ticket, Loaded("e", 0, 0, []), 3.0) == []
    assert server.connection_closed(1, 4.0) == []
    assert not server.is_busy


@pytest.mark.parametrize(
    ("until", "error", "words"),
    [
        (float("inf"), ValueError, "until: expected seconds of a monotonic clock, found inf"),
        ("soon", TypeError, "until: expected seconds, a float, found str"),
    ],
)
def test_a_time_that_cannot_be(until: float, error: type[Exception], words: str) -> None:
    server: Server[int] = Server(["items"])
    with pytest.raises(error, match=words):
        server.stop(0.0, until)
    assert not server.is_stopping
