"""What is large is encoded by turns: no input encodes more than a portion, and nothing changes meanwhile."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharedstate_core import Commit, Cursor, Limits, Load, Loaded, Update
from sharedstate_core.items import encoding
from sharedstate_core.items import replica as replica_module
from sharedstate_core.items.replica import Replica
from sharedstate_core.items.source import Changes
from sharedstate_core.messages import PIECE_BYTES
from sharedstate_core.testing import World, check_copies, check_requests
from sharedstate_core.wire.encode import NO_NAMES, Part
from tests.support.work import Work, counting

from .scenes import PATH, P, changes, hear, put, say, stored, text, turns, under_way, watching
from .test_turns import IDS, LIMITS, SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

EPOCH = "epoch-1"


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note how many entries were looked at; nobody may look at all of them at once."""
    seen: list[int] = []
    newest, each_text = Replica.newest, Replica.each_text
    changes_since = Replica.changes_since

    def counted(each: Iterator[Any]) -> Iterator[Any]:
        for one in each:
            seen.append(1)
            yield one

    def at_once(*_: object) -> NoReturn:
        raise AssertionError("all of it was encoded at once")

    def changes_of_a_commit(self: Replica, since: int) -> Changes:
        found = changes_since(self, since)
        seen.extend(1 for _ in found.insert)
        return found

    monkeypatch.setattr(Replica, "newest", lambda *args: counted(newest(*args)))
    monkeypatch.setattr(Replica, "each_text", lambda self: counted(each_text(self)))
    monkeypatch.setattr(Replica, "texts", at_once)
    monkeypatch.setattr(Replica, "changes_since", changes_of_a_commit)
    return seen


def settled(clients: int = 3, **sub: Any) -> World:
    """A world in which the first client watches a large collection, which has just changed."""
    world = watching(1, *IDS, limits=LIMITS)
    for _ in range(clients - 1):
        world.clients.append(type(world.clients[0])())
        world.links.append(type(world.links[0])())
        world.connect(len(world.clients) - 1)
    put(world, 0, "z")
    world.settle()
    return world


def unheard(world: World, client: int) -> list[dict[str, Any]]:
    """Return what was sent to a client, which does not hear it."""
    inbox = world.links[client].inbox
    return [json.loads(bytes(inbox.popleft())) for _ in range(len(inbox))]


def counted_turns(world: World, looked_at: list[int]) -> list[int]:
    """Give turns until none is asked for; return how much each looked at."""
    found: list[int] = []
    for _ in range(100):
        if world.server.next_wakeup() != world.now:
            return found
        looked_at.clear()
        world.turn()
        found.append(len(looked_at))
    raise AssertionError("it goes on and on")


@pytest.mark.parametrize("sub", [{}, {"parts": True}, {"since": {"epoch": EPOCH, "version": 1}}])
def test_a_newcomer_is_told_by_turns(sub: dict[str, Any], looked_at: list[int]) -> None:
    world = settled()
    looked_at.clear()
    world.clients[1].put_subs({P: sub})
    say(world, 1)
    assert [each["type"] for each in unheard(world, 1)] == ["REPLY"]
    found = [len(looked_at), *counted_turns(world, looked_at)]
    assert len(found) >= len(IDS) / SIZE
    assert max(found[1:]) <= 2 * SIZE + 1
    items = [item["id"] for each in unheard(world, 1) for item in each["data"]["insert"]]
    assert items == ([*IDS[1:], "z"] if "since" in sub else [*IDS, "z"])


def test_who_waits_for_storage_takes_no_turns(looked_at: list[int]) -> None:
    world = settled()
    world.commit_elsewhere(PATH, Update(insert={"y": text("y")}))
    world.tell(PATH)
    world.fail(under_way(world, Load).ticket)
    world.clients[1].put_subs({P: {}})
    say(world, 1)
    assert counted_turns(world, looked_at) in ([], [0])
    world.settle()
    check_copies(world)


def test_reads_are_answered_by_turns_and_share_them(looked_at: list[int]) -> None:
    world = settled()
    for client in (1, 2):
        world.clients[client].ask("GET", P)
        say(world, client)
    assert not hear(world, 1)
    found = counted_turns(world, looked_at)
    assert max(found) <= 2 * SIZE + 1
    assert sum(found) <= 2 * len(IDS)
    for client in (1, 2):
        (reply,) = hear(world, client)
        assert [item["id"] for item in reply["data"]] == [*IDS, "z"]
    check_requests(world)


def test_what_others_write_meanwhile_comes_after_it(looked_at: list[int]) -> None:
    world = settled()
    world.clients[1].put_subs({P: {}})
    say(world, 1)
    assert looked_at
    put(world, 0, "y")
    assert not world.operations
    world.clients[2].ask("GET", P)
    say(world, 2)
    turns(world)
    ((_, version, data),) = changes(world, 1)
    assert (version, len(data["insert"])) == (len(IDS) + 1, len(IDS) + 1)
    world.finish(under_way(world, Commit).ticket)
    turns(world)
    ((base, _, data),) = changes(world, 1)
    assert (base, [item["id"] for item in data["insert"]]) == (len(IDS) + 1, ["y"])
    (reply,) = hear(world, 2)
    assert [item["id"] for item in reply["data"]] == [*IDS, "z", "y"]
    check_copies(world)


def test_a_newcomer_waits_for_a_commit_and_then_for_its_turns() -> None:
    world = settled()
    put(world, 0, "y")
    commit = under_way(world, Commit)
    world.clients[1].put_subs({P: {}})
    say(world, 1)
    assert turns(world) == 0  # nothing is done in vain
    hear(world, 1)
    world.finish(commit.ticket)
    assert not hear(world, 1)
    turns(world)
    ((_, _, data),) = changes(world, 1)
    assert len(data["insert"]) == len(IDS) + 2


def test_a_small_change_has_no_turns() -> None:
    world = settled()
    world.clients[1].put_subs({P: {"since": {"epoch": EPOCH, "version": len(IDS)}}})
    say(world, 1)
    assert turns(world) == 0
    _, told = unheard(world, 1)
    assert (told["base"], [item["id"] for item in told["data"]["insert"]]) == (len(IDS), ["z"])


def test_a_small_change_does_not_wait_for_a_commit() -> None:
    world = settled()
    put(world, 0, "y")
    world.clients[1].put_subs({P: {"since": {"epoch": EPOCH, "version": len(IDS) - 1}}})
    say(world, 1)
    _, told = unheard(world, 1)
    assert [item["id"] for item in told["data"]["insert"]] == [IDS[-1], "z"]
    under_way(world, Commit)


def test_what_is_encoded_once_has_no_turns() -> None:
    world = settled()
    for client in (1, 2):
        world.clients[client].put_subs({P: {}})
        say(world, client)
        assert (turns(world) == 0) == (client == 2)
        assert len(changes(world, client)) == 1


def test_a_slow_reader_who_comes_back_is_told_by_turns(looked_at: list[int]) -> None:
    world = settled()
    world.clients[1].put_subs({P: {}})
    world.settle()
    world.block(1)
    for id in IDS:
        put(world, 0, id)
        world.settle()
    world.links[1].blocked = True
    world.block(1)
    put(world, 0, *IDS[:2])
    world.carry_everything()
    world.drain(1)
    counted_turns(world, looked_at)
    world.settle()
    check_copies(world)


def test_subscribers_in_step_are_told_of_a_large_load_by_turns(looked_at: list[int]) -> None:
    world = watching(2, *IDS, limits=LIMITS)
    for id in IDS:
        world.commit_elsewhere(PATH, Update(insert={id: text(id, 1)}))
    world.tell(PATH)
    load = under_way(world, Load)
    assert load.since == Cursor(EPOCH, len(IDS))
    world.finish(load.ticket)
    found = counted_turns(world, looked_at)
    assert max(found) <= 2 * SIZE + 1
    for client in (0, 1):
        ((base, _, data),) = changes(world, client)
        assert (base, [item["id"] for item in data["insert"]]) == (len(IDS), [*IDS])


def test_a_read_that_nobody_else_needs_is_answered_although_others_write_meanwhile() -> None:
    world = World(1, limits=LIMITS, store=stored(*IDS))
    asked = world.clients[0].ask("GET", P)
    say(world)
    world.finish(under_way(world, Load).ticket)
    for n in range(100):
        if world.server.next_wakeup() != world.now:
            break
        if world.server.loaded("items"):
            world.commit_elsewhere(PATH, Update(insert={"x": text("x", n)}))
            world.tell(PATH)
        world.turn()
    hear(world)
    assert asked.ok


@pytest.mark.parametrize("in_parts", [False, True])
def test_pieces_are_as_long_as_those_of_what_is_encoded_at_once(in_parts: bool) -> None:
    """A transport that joins small pieces would copy all of it."""
    replica = Replica(Loaded(EPOCH, 1, 0, []))
    texts = {f"{n}": text(f"{n:0200}") for n in range(2000)}
    replica.follow([Update(insert=texts)])
    parts = taken(encoding.encode(replica, None, Limits(turn_items=100), in_parts=in_parts))
    assert len(parts) == 1 + in_parts
    items = [json.loads(bytes(part.items)) for part in parts]
    assert [item for part in items for item in part] == [*map(json.loads, texts.values())]
    for part in parts:
        assert {len(piece) for piece in part.items.pieces[:-1]} == {PIECE_BYTES}
        assert part.items.size == sum(map(len, part.items.pieces))


@given(
    st.lists(st.integers(1, 60).map(lambda n: b"x" * n), max_size=40),
    st.integers(1, 150),
    st.integers(1, 12),
    st.integers(1, 150),
)
def test_parts_are_the_same_by_turns(
    texts: list[bytes], part_bytes: int, turn_items: int, turn_bytes: int
) -> None:
    replica = Replica(Loaded(EPOCH, 1, 0, []))
    replica.follow([Update(insert={f"{n}": text for n, text in enumerate(texts)})])
    limits = Limits(turn_items=turn_items, part_bytes=part_bytes)
    at_once = encoding.divide(Changes((), texts), NO_NAMES, 0, part_bytes, reset=True)
    with patch.object(encoding, "TURN_BYTES", turn_bytes):
        for in_parts in (False, True):
            parts = taken(encoding.encode(replica, None, limits, in_parts=in_parts))
            assert b"[%b]" % b",".join(texts) == bytes(parts[0].items) or in_parts
    assert [bytes(each.items) for each in parts] == [bytes(each.items) for each in at_once]
    assert [(each.reset, each.more) for each in parts] == [
        (each.reset, each.more) for each in at_once
    ]


def taken(work: encoding.Encoding) -> Sequence[Part]:
    """Return what is encoded by turns."""
    for _ in range(1000):
        try:
            next(work)
        except StopIteration as end:
            parts: Sequence[Part] = end.value
            return parts
    raise AssertionError("it goes on and on")


def test_large_texts_have_turns_however_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica_module, "TURN_BYTES", 40)
    monkeypatch.setattr(encoding, "TURN_BYTES", 40)
    world = watching(2, "a", "b", "c", "d", limits=Limits(turn_items=100))
    put(world, 0, "z")
    world.carry_everything()
    world.clients[1].put_subs({P: {}}, reset=True)
    world.clients[1].ask("GET", P)
    say(world, 1)
    assert turns(world) >= 2
    world.settle()
    check_copies(world)
    check_requests(world)


def test_parts_have_turns_however_short(looked_at: list[int]) -> None:
    """A part may end before the turn does."""
    replica = Replica(Loaded(EPOCH, 1, 0, []))
    replica.follow([Update(insert={f"{n}": text(f"{n:0200}") for n in range(1000)})])
    limits = Limits(turn_items=100, part_bytes=2000)
    looked_at.clear()
    found = []
    for _ in encoding.encode(replica, None, limits, in_parts=True):
        found.append(len(looked_at))
        looked_at.clear()
    assert len(found) >= 1000 / 100 - 1
    assert max(found) <= 100 + 1


def most(removed: int, since: int) -> Work:
    """Return the work of the turn that does most when somebody comes back from before many items were removed."""
    ids = [f"{n:09}" for n in range(removed)]
    world = World(2, limits=Limits(turn_items=50, tombstones=100_000), store=stored("p"))
    world.clients[0].put_subs({P: {}})
    for _ in range(2):
        put(world, 0, *ids)
        world.settle()
        world.clients[0].put(P, remove=ids)
        world.settle()
    works = []
    world.clients[1].put_subs({P: {"since": {"epoch": EPOCH, "version": since}}})
    with counting() as meter:
        say(world, 1)
        while world.server.next_wakeup() == world.now:
            works.append(meter.take())
            world.turn()
        works.append(meter.take())
    _, told = unheard(world, 1)
    assert sorted(told["data"]["remove"]) == ids
    return max(works)


@pytest.mark.parametrize("since", [1, 4])
def test_what_was_removed_is_told_by_turns(since: int) -> None:
    few, many = most(200, since), most(2000, since)
    assert many < 2 * few, (few, many)


def test_many_that_were_removed_do_not_keep_a_newcomer_waiting_for_a_commit() -> None:
    world = watching(2, *IDS, limits=LIMITS)
    world.clients[1].put_subs({}, remove=[P])
    world.clients[0].put(P, remove=IDS)
    world.settle()
    put(world, 0, "y")
    commit = under_way(world, Commit)
    world.clients[1].put_subs({P: {}})
    say(world, 1)
    assert len(changes(world, 1)) == 1
    world.finish(commit.ticket)
    world.settle()
    check_copies(world)


def test_a_collection_that_is_gone_has_no_turn() -> None:
    world = watching(2, *IDS, limits=Limits(turn_items=SIZE, linger_bytes=0))
    world.block(1)
    for id in IDS:
        put(world, 0, id)
        world.carry_everything()
    world.drain(1)
    assert world.server.next_wakeup() == world.now
    for client in (1, 0):
        world.cut(client)
    assert not world.server.is_in_use(PATH)
    turns(world)


def test_a_newcomer_does_not_wait_for_what_was_removed() -> None:
    world = watching(2, *"abcdefgh", limits=Limits(turn_items=3))
    world.clients[1].put_subs({}, reset=True)
    for id in "abcde":
        put(world, 0, remove=[id])
    world.settle()
    world.clients[1].copies.clear()
    world.clients[1].put_subs({P: {"parts": True}})
    say(world, 1)
    assert len(changes(world, 1)) == 1


def test_an_update_from_before_the_subscription_is_acknowledged_after_it_is_shown() -> None:
    """Its collection was not in memory any more when the subscription came, and is another object now."""
    world = World(1, limits=Limits(turn_items=2))
    world.block(0)
    asked = put(world, 0, "p", "q", "r")
    for ticket in [*world.operations]:
        world.finish(ticket)
    assert world.server.census().collections == 0
    world.clients[0].put_subs({P: {}})
    say(world)
    for ticket in [*world.operations]:
        world.finish(ticket)
    world.drain(0)
    world.settle()
    assert asked.ok
    check_copies(world)
