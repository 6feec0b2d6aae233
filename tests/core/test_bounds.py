"""What all connections together may cost: loads at once, collections in memory, what readers have not taken."""

from __future__ import annotations

from sharedstate_core import CollectionPath, Limits, Load, Update
from sharedstate_core.limits import LiveLimits
from sharedstate_core.peer.unsent_bytes import UnsentBytes
from sharedstate_core.server.load_queue import LoadQueue
from sharedstate_core.testing import World, check_copies, check_requests

from .scenes import P, hear, kinds, say, stored, watching


def path(name: str) -> str:
    return f"/a/items/{name}"


def asked(world: World) -> list[str]:
    """Return the names of the collections that storage is asked for."""
    effects = [operation.effect for operation in world.operations.values()]
    return [effect.collection.collection for effect in effects if isinstance(effect, Load)]


def finish(world: World) -> None:
    world.finish(min(world.operations))


# --- loads ----------------------------------------------------------------------------------------


def test_a_bounded_number_of_loads_is_under_way_and_the_lines_take_turns() -> None:
    world = World(3, limits=Limits(loads=2))
    world.clients[0].put_subs({path(name): {} for name in "abcdef"})
    world.clients[1].put_subs({path("x"): {}, path("d"): {}})
    world.clients[2].ask("GET", path("y"))
    for client in range(3):
        say(world, client)
    begun = asked(world)
    while world.operations:
        finish(world)
        assert len(world.operations) <= 2
        begun += [name for name in asked(world) if name not in begun]
    assert begun == ["a", "b", "c", "x", "y", "d", "e", "f"]
    world.settle()
    check_copies(world)
    check_requests(world)


def test_what_is_not_wanted_any_more_is_not_loaded() -> None:
    world = World(2, limits=Limits(loads=1))
    for round_ in range(5):
        wanted: dict[str, dict[str, object]] = {
            path(f"{round_}-{number}"): {} for number in range(10)
        }
        world.clients[0].put_subs(wanted, reset=True)
        say(world)
    world.clients[1].put_subs({path("x"): {}})
    say(world, 1)
    world.cut(0)
    assert asked(world) == ["0-0"]
    finish(world)
    assert asked(world) == ["x"]
    assert world.server.census().collections == 2  # x, and 0-0 for a while
    world.settle()
    check_copies(world)


def test_a_failed_load_lets_the_next_one_begin() -> None:
    world = World(1, limits=Limits(loads=1, retry_seconds=(1, 1)))
    world.clients[0].put_subs({path("a"): {}, path("b"): {}})
    say(world)
    world.fail(min(world.operations))
    assert asked(world) == ["b"]
    world.settle()
    check_copies(world)


def test_services_do_not_wait_for_each_other() -> None:
    world = World(1, limits=Limits(loads=1), services=("items", "others"))
    world.clients[0].put_subs({path("a"): {}, "/a/others/a": {}})
    say(world)
    assert len(world.operations) == 2


def test_updates_and_reads_wait_for_a_load_that_waits_its_turn() -> None:
    world = World(1, limits=Limits(loads=1))
    world.clients[0].put_subs({path("a"): {}, P: {}})
    world.clients[0].put(P, insert=[{"id": "q"}])
    world.clients[0].ask("GET", P)
    say(world)
    assert asked(world) == ["a"]
    world.settle()
    check_copies(world)
    check_requests(world)
    assert list(world.clients[0].copies[P].state) == ["q"]


def test_an_acknowledgement_waits_while_its_author_subscribes_anew() -> None:
    """What it follows on is not known yet, and is not loaded yet; the author's copy is to show it first."""
    world = World(1, limits=Limits(loads=1), store=stored("p"))
    world.clients[0].put_subs({P: {}})
    world.settle()
    world.clients[0].put_subs({path("a"): {}})
    world.clients[0].put(P, insert=[{"id": "q"}])
    say(world)
    world.commit_elsewhere(CollectionPath("a", "items", "c"), Update(insert={"r": b'{"id":"r"}'}))
    world.finish(max(world.operations))
    assert asked(world) == ["a"]
    world.clients[0].put_subs({P: {"parts": True}})
    say(world)
    world.settle()
    check_copies(world)
    check_requests(world)
    assert world.clients[0].asked[-2].ok


def test_what_another_process_commits_meanwhile_is_seen() -> None:
    world = World(1, limits=Limits(loads=1), store=stored("p"))
    world.clients[0].put_subs({P: {}})
    world.settle()
    world.clients[0].put_subs({path("a"): {}, P: {}})
    say(world)
    collection = CollectionPath("a", "items", "c")
    for id in "qr":
        world.commit_elsewhere(collection, Update(insert={id: b'{"id":"%s"}' % id.encode()}))
        world.tell(collection)
    assert asked(world) == ["a"]
    world.settle()
    check_copies(world)
    assert list(world.clients[0].copies[P].state) == ["p", "q", "r"]


def test_turns() -> None:
    queue: LoadQueue[str] = LoadQueue(lambda: 1)
    assert queue.try_acquire("a", 1)
    assert not queue.try_acquire("b", 1)
    assert not queue.try_acquire("b", 2)
    assert not queue.try_acquire("c", 1)
    assert not queue.try_acquire("c", 1)
    assert len(queue) == 2
    assert queue.next() is None
    queue.release()
    assert queue.next() == "b"  # who needs nothing any more leaves its place to the next
    assert queue.next() == "c"
    assert queue.try_acquire("c", 9)
    queue.release()
    assert queue.next() is None
    assert queue.try_acquire("d", 1)
    assert len(queue) == 0


# --- collections in memory ------------------------------------------------------------------------


def test_collections_that_nobody_watches_go_when_they_take_too_much() -> None:
    world = World(1, limits=Limits(linger_bytes=3 * 4100, linger_seconds=1000))
    for name in "abcd":
        world.clients[0].ask("GET", path(name))
        world.settle()
    assert world.server.census().collections == 3
    world.clients[0].ask("GET", path("b"))  # kept, and used again: not the next to go
    say(world)
    assert not world.operations
    world.clients[0].ask("GET", path("e"))
    world.settle()
    world.clients[0].ask("GET", path("b"))
    say(world)
    assert not world.operations
    world.now += 1001
    world.settle()
    while (at := world.server.next_wakeup()) is not None and at <= world.now:
        world.server.wake(world.now)
    assert world.server.census().collections == 0


def test_what_somebody_watches_stays() -> None:
    world = World(2, limits=Limits(linger_bytes=0), store=stored("p"))
    for client in range(2):
        world.clients[client].put_subs({P: {}})
        world.settle()
    world.cut(0)
    assert world.server.census().loaded == 1
    world.cut(1)
    assert world.server.census().collections == 0


def test_a_look_at_storage_every_second_keeps_nothing_in_memory() -> None:
    world = World(1, limits=Limits(linger_seconds=5), store=stored("p"))
    world.clients[0].ask("GET", P)
    world.settle()
    for _ in range(6):
        world.tell(CollectionPath("a", "items", "c"))
        world.advance(1)
    assert world.server.census().collections == 0


def test_collections_in_use_are_bounded() -> None:
    world = World(2, limits=Limits(collections=3))
    world.clients[0].put_subs({path(name): {} for name in "ab"})
    world.settle()
    world.clients[1].put_subs({path(name): {} for name in "abc"})
    world.settle()
    for client in range(2):
        hear(world, client)
    get = world.clients[1].ask("GET", path("d"))
    known = world.clients[1].ask("GET", path("a"))
    world.settle()
    assert get.reply is not None
    assert get.reply["error"]["code"] == "too_many"
    assert known.ok
    world.clients[0].put_subs({}, reset=True)
    world.clients[1].put_subs({}, reset=True)  # what lingers only does not count
    world.settle()
    again = world.clients[1].ask("GET", path("d"))
    world.settle()
    assert again.ok


def test_one_request_does_not_pass_the_bound_either() -> None:
    world = World(1, limits=Limits(collections=3))
    asked = world.clients[0].put_subs({path(name): {} for name in "abcdef"})
    world.settle()
    assert [entry[0] for entry in asked.reply["data"]] == [path(name) for name in "abc"]  # type: ignore[index]
    assert world.server.census().collections == 3


# --- what readers have not taken ------------------------------------------------------------------


def large(readers: int, owed_bytes: int) -> World:
    """A collection of about 1,000 bytes, larger than the window of each reader, and its readers."""
    store = stored(*"pq")
    world = World(0, store=store)
    text = b'{"id":"p","text":"%s"}' % (b"x" * 1000)
    world.commit_elsewhere(CollectionPath("a", "items", "c"), Update(insert={"p": text}))
    return World(readers, store=store, limits=Limits(window_bytes=500, owed_bytes=owed_bytes))


def spelling(number: int) -> str:
    return "/a/items/c" + "/" * number


def test_messages_of_their_own_for_many_slow_readers() -> None:
    """Each spells the path in another way; beyond the bound those that do not read go, the oldest first."""
    world = large(6, 4000)
    for client in range(6):
        world.clients[client].put_subs({spelling(client): {}})
        say(world, client)
        while world.operations:
            finish(world)
        world.advance(1.1)
    closed = [client for client in range(6) if world.links[client].closed_with is not None]
    assert closed == [0, 1, 2]


def test_those_who_read_are_not_counted() -> None:
    world = large(6, 3500)
    for client in range(6):
        world.clients[client].put_subs({spelling(client): {}})
        world.settle()
    assert all(link.closed_with is None for link in world.links)
    check_copies(world)


def test_one_message_to_many_counts_once() -> None:
    world = large(6, 1500)
    for client in range(6):
        world.clients[client].put_subs({P: {}})
        say(world, client)
    while world.operations:
        finish(world)
    assert [kinds(hear(world, client)) for client in range(6)] == [[0, "NOTIFY"]] * 6
    assert all(link.closed_with is None for link in world.links)


def test_held_replies_count() -> None:
    world = large(3, 2000)
    for client in range(3):
        world.block(client)
        for _ in range(2):
            world.clients[client].ask("GET", "/clock-" + "x" * 190)
            world.clients[client].ask("PUT", "/nowhere", {"x": 1})
        say(world, client)
    assert [link.closed_with is None for link in world.links] == [False, False, True]


def blocked_with_a_broadcast(world: World, client: int, size: int = 1000) -> None:
    """Let a reader be in step, and not take a broadcast that nobody else is told of."""
    world.clients[client].put_subs({P: {}})
    say(world, client)
    while world.operations:
        finish(world)
    hear(world, client)
    world.clients[client].put(P, insert=[{"id": "p", "text": str(client) * size}])
    say(world, client)
    finish(world)
    world.block(client)


def test_broadcasts_that_wait_for_their_readers_count() -> None:
    world = World(6, limits=Limits(owed_bytes=4000), store=stored("p"))
    for client in range(6):
        blocked_with_a_broadcast(world, client)
        world.advance(1.1)
    world.advance(2)
    closed = [client for client in range(6) if world.links[client].closed_with is not None]
    assert closed == [0, 1, 2]
    world.settle()
    check_copies(world)
    assert world.server._unsent.bytes == 0


def test_who_makes_progress_stays_and_what_has_left_does_not_count() -> None:
    world = World(4, limits=Limits(owed_bytes=4000), store=stored("p"))
    for client in range(2):
        blocked_with_a_broadcast(world, client)
    before = world.server._unsent.bytes
    world.to_client(0)
    world.block(0)  # again: its socket has taken a part
    assert world.server._unsent.bytes < before - 1000
    for client in (2, 3):
        blocked_with_a_broadcast(world, client, 1500)
    world.advance(2)
    world.block(0)
    world.advance(2)
    closed = [client for client in range(4) if world.links[client].closed_with is not None]
    assert closed == [1]


def test_an_answer_put_off_once_more_while_its_reader_drains_does_not_count() -> None:
    """It waits for the second subscription; when all is given, the reader is nobody to be sent away for others."""
    world = World(3, limits=Limits(owed_bytes=4000), store=stored("p"))
    world.clients[0].put_subs({P: {}})
    world.settle()
    asked = world.clients[0].put(P, insert=[{"id": "q"}])
    say(world)
    world.block(0)
    finish(world)
    world.clients[0].put_subs({spelling(1): {}})
    say(world)
    world.drain(0)
    world.to_client(0)
    assert world.server._unsent.bytes == 0
    for client in (1, 2):
        blocked_with_a_broadcast(world, client, 4000)
    assert [link.closed_with is None for link in world.links] == [True, False, True]
    world.settle()
    check_copies(world)
    assert asked.ok


def test_one_broadcast_to_many_counts_once() -> None:
    world = watching(6, "p", limits=Limits(owed_bytes=1500))
    for client in range(6):
        hear(world, client)
    world.clients[0].put(P, insert=[{"id": "p", "text": "x" * 1000}])
    say(world)
    finish(world)
    for client in range(6):
        world.block(client)
    assert all(link.closed_with is None for link in world.links)
    assert 1000 < world.server._unsent.bytes < 1500


def test_a_transport_that_does_not_tell_what_it_keeps() -> None:
    world = watching(1, "p")
    world.server.connection_blocked(world.connection(0), world.now)
    assert world.server._unsent.bytes == 0


def test_one_message_may_exceed_the_bound() -> None:
    world = large(1, 10)
    world.clients[0].put_subs({P: {}})
    world.settle()
    check_copies(world)


def test_nothing_is_left_of_who_is_gone() -> None:
    unsent: UnsentBytes[int] = UnsentBytes(LiveLimits(Limits(owed_bytes=100)))
    first, second = object(), object()
    shared = b"x" * 60
    for _ in range(2):
        unsent.add(first, [shared], 0.0)  # type: ignore[arg-type]
    unsent.add(second, [shared, b"y" * 30], 0.0)  # type: ignore[arg-type]
    assert unsent.bytes == 90
    assert unsent.evict(9.0, second) == []  # type: ignore[arg-type]
    unsent.add(second, [b"z" * 30], 0.0)  # type: ignore[arg-type]
    assert unsent.evict(2.9, second) == []  # type: ignore[arg-type]
    assert unsent.evict(3.0, second) == [first]  # type: ignore[arg-type]
    for each in (first, second, second):
        unsent.release(each)  # type: ignore[arg-type]
    assert unsent.bytes == 0
