"""What waits is committed in groups of a bounded size, and a large commit is applied and told by turns."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sharedstate_core import Commit, Limits, Load, Row, Server, Update
from sharedstate_core.collection.queue import GROUP_BYTES
from sharedstate_core.items import applying
from sharedstate_core.items.replica import Replica
from sharedstate_core.storage import CommitResult, Committed, Cursor, Loaded
from sharedstate_core.testing import World, check_copies, check_requests
from tests.support.work import LONG_TURN, work_of

from .scenes import PATH, P, changes, hear, put, say, under_way, watching

if TYPE_CHECKING:
    from sharedstate_core.effects import Effect
    from tests.support.work import Work

MANY = 20_000
SUBSCRIBE = f'{{"type":"REQUEST","cmd":"PUT","path":"/subs","arg":{{"insert":[["{P}",{{}}]]}}}}'


def server_with(rows: int) -> Server[str]:
    """A server with a reader, who is in step with a collection of this many items, and somebody else."""
    server: Server[str] = Server(["items"], Limits(unanswered=MANY))
    for connection in ("reader", "me"):
        server.connection_opened(connection)
    (*_, load) = server.receive_text("reader", SUBSCRIBE, 0.0)
    assert isinstance(load, Load)
    held = [Row(f"r{n}", b'{"id":"r%d"}' % n, 1, n, 1) for n in range(rows)]
    server.load_succeeded(load.ticket, Loaded("e", 1, 0, held), 0.0)
    while server.next_wakeup() == 0.0:
        server.wake(0.0)
    return server


def request(arg: str) -> str:
    return f'{{"type":"REQUEST","cmd":"PUT","path":"{P}","arg":{arg},"tunnel":1}}'


def inserting(ids: int, size: int = 0, name: str = "") -> str:
    items = ",".join(f'{{"id":"{name}{n}","v":"{"x" * size}"}}' for n in range(ids))
    return request(f'{{"insert":[{items}]}}')


def commit(server: Server[str], texts: list[str], version: int = 1) -> tuple[Commit, list[Work]]:
    """Ask for updates at a version, and carry out the commit: the work of each input from storage's answer on."""
    (asked,) = server.receive_texts("me", texts, 0.0)
    assert isinstance(asked, Commit)
    result = CommitResult("e", [Committed(n) for n, _ in enumerate(asked.writes, version + 1)])
    told: list[Effect[str]] = []
    work = [work_of(lambda: told.extend(server.commit_succeeded(asked.ticket, result, 0.0)))]
    while server.next_wakeup() == 0.0:
        work.append(work_of(lambda: told.extend(server.wake(0.0))))
    assert [effect for effect in told if getattr(effect, "connections", ()) == ("me",)]
    return asked, work


def test_no_turn_is_long_whatever_one_commit_holds() -> None:
    removal = ",".join(f'"r{n}"' for n in range(MANY))
    rest = ",".join(f'{{"id":"{n}"}}' for n in range(MANY))
    for rows, texts in (
        (0, [inserting(MANY)]),
        (0, [inserting(10_000, 80)]),
        (0, [inserting(1, 1_000_000)]),
        (MANY, [request(f'{{"remove":[{removal}]}}')]),
        (5 * MANY, [request(f'{{"reset":true,"insert":[{rest}]}}')]),
        (0, [inserting(1000, name=f"{n}-") for n in range(20)]),
        (0, [inserting(10, name=f"{n}-") for n in range(1000)]),
        (0, [inserting(1, name=f"{n}-") for n in range(1000)]),
        (0, [inserting(1, 1000, name=f"{n}-") for n in range(1000)]),
    ):
        _, work = commit(server_with(rows), texts)
        assert max(work) < LONG_TURN, (texts[0][:100], max(work))


def test_all_tombstones_beyond_the_bound_are_forgotten_in_the_end() -> None:
    server = server_with(MANY)
    commit(server, [request(json.dumps({"remove": [f"r{n}" for n in range(MANY)]}))])
    collection = server._registry.get(PATH)
    assert collection is not None
    assert collection._content.replica is not None
    assert len(collection._content.replica.tombstones) == Limits().tombstones


def test_small_updates_are_committed_in_large_groups() -> None:
    asked, _ = commit(server_with(0), [inserting(1, 300, name=f"{n}-") for n in range(1500)])
    assert len(asked.writes) == Limits().group


def test_a_commit_takes_no_more_than_fits_but_one_update() -> None:
    large = GROUP_BYTES - 1000
    asked, _ = commit(server_with(0), [inserting(1, large), inserting(1, large)])
    assert len(asked.writes) == 1
    asked, _ = commit(server_with(0), [inserting(1), inserting(1), inserting(1, large)])
    assert len(asked.writes) == 2


# --- nobody sees what is half applied -------------------------------------------------------------


def applying_in(clients: int, *ids: str) -> World:
    """A world in which a large update has just been stored."""
    world = watching(clients, "a", limits=Limits(turn_items=2))
    put(world, 0, *ids)
    world.finish(under_way(world, Commit).ticket)
    return world


def test_who_subscribes_meanwhile_sees_all_or_nothing() -> None:
    turns = 0
    world = applying_in(2, *"bcdefghi")
    while world.server.next_wakeup() == world.now:
        assert not changes(world)
        world.clients[1].put_subs({P: {}}, reset=True)
        world.clients[1].put_subs({}, reset=True)
        world.clients[1].put_subs({P: {}})
        say(world, 1)
        for _, version, data in changes(world, 1):
            assert (version, len(data["insert"])) in {(1, 1), (2, 9)}
        world.turn()
        turns += 1
        if changes(world):
            break
    assert turns > 4
    world.settle()
    check_copies(world)
    check_requests(world)


def test_a_slow_reader_that_catches_up_meanwhile_sees_all_or_nothing() -> None:
    for turns in range(10):
        world = watching(2, "a", limits=Limits(turn_items=20))
        world.clients[1].put_subs({}, reset=True)
        world.settle()
        world.block(1)
        world.clients[1].put_subs({P: {}})
        say(world, 1)
        world.server.change_limits(Limits(turn_items=2))
        put(world, 0, *"bcdefghi")
        world.finish(under_way(world, Commit).ticket)
        world.server.change_limits(Limits(turn_items=20))
        for _ in range(turns):
            world.turn()
        world.drain(1)
        for _, version, data in changes(world, 1):
            assert (version, len(data["insert"])) == (2, 8)
        world.settle()
        check_copies(world)


def test_what_is_asked_meanwhile_waits() -> None:
    world = applying_in(2, *"bcdefghi")
    read = world.clients[1].ask("GET", P)
    say(world, 1)
    put(world, 1, "z")
    world.turn()
    assert not hear(world, 1)
    assert not world.operations
    world.settle()
    assert read.reply is not None
    assert len(read.reply["data"]) == 9
    check_copies(world)
    check_requests(world)


def test_the_author_is_answered_after_the_notification() -> None:
    world = applying_in(1, *"bcdefghi")
    heard = hear(world)
    while not heard or world.server.next_wakeup() == world.now:
        world.turn()
        heard += hear(world)
    assert [message["cmd"] for message in heard] == ["NOTIFY", "PUT"]


def test_news_of_the_same_commit_is_no_reason_to_load() -> None:
    world = applying_in(1, *"bcdefghi")
    world.turn()
    world.server.collection_changed(PATH, Cursor(world.store.epoch, 2), world.now)
    while world.server.next_wakeup() == world.now:
        world.turn()
    assert not world.operations
    world.settle()
    check_copies(world)


def test_news_of_a_large_commit_that_come_before_its_outcome_are_no_reason_to_load() -> None:
    world = watching(1, "a", limits=Limits(turn_items=2))
    put(world, 0, *"bcdefghi")
    commit = under_way(world, Commit)
    world.execute(commit.ticket)
    world.server.collection_changed(PATH, world.store.head(PATH), world.now)
    world.finish(commit.ticket)
    while world.server.next_wakeup() == world.now:
        world.turn()
    assert not world.operations
    world.settle()
    check_copies(world)


def test_many_tombstones_are_forgotten_by_turns() -> None:
    server = server_with(2 * MANY)
    for version, first in enumerate((0, MANY), 1):
        ids = [f"r{n}" for n in range(first, first + MANY)]
        _, work = commit(server, [request(json.dumps({"remove": ids}))], version)
        assert max(work) < LONG_TURN
        server.change_limits(Limits(tombstones=10, unanswered=MANY))


def test_portions_do_what_the_whole_does() -> None:
    def replica() -> Replica:
        start = Replica(Loaded("e", 0, 0, []))
        start.follow([Update(insert=dict.fromkeys("abcdefgh", b"0"))])
        return start

    updates = [
        Update(("a", "c", "e", "x"), dict.fromkeys("ycfaz", b"1")),
        Update(insert=dict.fromkeys("pqrst", b"2")),
        Update(("p",)),
    ]
    for more in ([], [Update(insert=dict.fromkeys("mnop", b"3"), reset=True)]):
        whole, portions = replica(), replica()
        whole.follow([*updates, *more])
        work = applying.apply(portions, [*updates, *more], 2)
        assert sum(1 for _ in work) > 5
        assert portions.cursor == whole.cursor
        assert list(portions.texts()) == list(whole.texts())
        for since in range(whole.horizon, whole.version):
            assert portions.changes_since(since) == whole.changes_since(since)
