"""What is large is loaded by turns: no input looks at more than a portion, and others are served in between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from msgspec.structs import replace

from sharedstate_core import (
    Commit,
    Limits,
    Load,
    Loaded,
    LocalProtocolError,
    Portions,
    Row,
    Update,
)
from sharedstate_core.leftovers import FASTER
from sharedstate_core.testing import World, check_copies, check_requests
from tests.core.in_memory import Transport

from .scenes import PATH, P, changes, hear, put, say, stored, text, turns, under_way, watching

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 3
IDS = "abcdefghijk"
LIMITS = Limits(turn_items=SIZE)
OTHER = "/a/items/other"


LOOKED_AT: list[int] = []


class Counting(tuple[Row, ...]):
    """Rows that note in `LOOKED_AT` how many of them were looked at."""

    __slots__ = ()

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        LOOKED_AT.append(len(found) if isinstance(index, slice) else 1)
        return found

    def __iter__(self) -> Iterator[Row]:
        LOOKED_AT.append(len(self))
        return super().__iter__()


def loading(clients: int = 2, limits: Limits = LIMITS) -> World:
    """A world in which the first client has just asked for a large collection, and storage has told what it holds."""
    world = World(clients, limits=limits, store=stored(*IDS))
    world.clients[0].put_subs({P: {}})
    say(world)
    hear(world)
    world.finish(under_way(world, Load).ticket)
    return world


def test_no_input_looks_at_more_than_a_portion() -> None:
    world = World(1, limits=LIMITS, store=stored(*IDS))
    world.clients[0].put_subs({P: {}})
    say(world)
    ticket = under_way(world, Load).ticket
    world.execute(ticket)
    operation = world.operations[ticket]
    loaded = operation.result
    assert isinstance(loaded, Loaded)
    operation.result = replace(loaded, rows=Counting(loaded.rows))
    LOOKED_AT.clear()
    world.finish(ticket)
    seen = [sum(LOOKED_AT)]
    while world.server.next_wakeup() == world.now:
        LOOKED_AT.clear()
        world.turn()
        seen.append(sum(LOOKED_AT))
    assert max(seen) == SIZE
    assert sum(seen) == len(IDS)
    assert len(seen) >= 3 * len(IDS) / SIZE  # checked, taken in, brought in order of change
    assert [id for _, _, data in changes(world) for id in data["insert"]]
    world.settle()


def test_what_is_small_has_no_turns() -> None:
    world = loading(limits=Limits(turn_items=len(IDS)))
    assert turns(world) == 0
    assert len(changes(world)) == 1


def test_nobody_sees_what_is_not_complete() -> None:
    world = loading()
    reads = turns(loading())
    for _ in range(reads):
        assert not hear(world)
        assert world.server._registry._collections[PATH].memory < 10_000
        world.clients[1].put_subs({P: {}}, reset=True)
        world.clients[1].ask("GET", P)
        say(world, 1)
        assert [m["cmd"] for m in hear(world, 1)] == ["PUT"]
        world.turn()
    assert turns(world) <= 1 + reads  # two are told, and the reads answered, one in each turn
    for client in (0, 1):
        ((base, _, data),) = changes(world, client)
        assert (base, [item["id"] for item in data["insert"]]) == (0, list(IDS))
    check_copies(world)
    world.settle()
    check_requests(world)


def test_others_are_served_in_between() -> None:
    world = loading()
    world.clients[1].put_subs({OTHER: {}})
    say(world, 1)
    world.finish(under_way(world, Load).ticket)
    hear(world, 1)
    for _ in range(turns(loading())):
        put(world, 1, "x", path=OTHER)
        world.finish(under_way(world, Commit).ticket)
        assert len(hear(world, 1)) == 2
        world.turn()
    assert len(changes(world)) == 1


def test_an_update_waits_for_the_load() -> None:
    world = loading()
    asked = put(world, 0, "x")
    assert not world.operations
    assert world.server.is_busy
    turns(world)
    world.finish(under_way(world, Commit).ticket)
    hear(world)
    assert asked.ok


def test_large_collections_take_turns_one_after_the_other() -> None:
    world = World(2, limits=LIMITS, store=stored(*IDS))
    for id in IDS:
        world.commit_elsewhere(PATH._replace(collection="other"), Update(insert={id: text(id)}))
    for client, path in enumerate((P, OTHER)):
        world.clients[client].put_subs({path: {}})
        say(world, client)
        hear(world, client)
    for ticket in list(world.operations):
        world.finish(ticket)
    alone = turns(loading())
    for _ in range(2 * alone - 2):
        world.turn()
        assert not world.links[0].inbox
        assert not world.links[1].inbox
    assert turns(world) == 2
    assert [len(changes(world, client)) for client in (0, 1)] == [1, 1]


def test_a_large_change_is_merged_by_turns() -> None:
    world = watching(2, *IDS, limits=LIMITS)
    world.clients[1].put_subs({}, remove=[P])
    world.settle()
    for id in IDS:
        world.commit_elsewhere(PATH, Update(insert={id: text(id, 1)}))
    world.commit_elsewhere(PATH, Update(("a", "b")))
    world.tell(PATH)
    hear(world)
    world.finish(under_way(world, Load).ticket)
    assert world.server.next_wakeup() == world.now
    world.clients[1].put_subs({P: {}})
    say(world, 1)
    assert not changes(world, 1)
    turns(world)
    ((base, version, data),) = changes(world)
    assert (base, version) == (len(IDS), 2 * len(IDS) + 1)
    assert sorted(data["remove"]) == ["a", "b"]
    assert [item["id"] for item in data["insert"]] == list(IDS[2:])
    assert [[item["id"] for item in data["insert"]] for _, _, data in changes(world, 1)] == [
        [*IDS[2:]]
    ]
    check_copies(world)


def test_who_is_in_step_hears_of_more_removals_than_are_remembered() -> None:
    world = watching(1, *IDS, limits=Limits(turn_items=SIZE, tombstones=1))
    world.commit_elsewhere(PATH, Update(tuple(IDS[2:])))
    world.tell(PATH)
    hear(world)
    world.finish(under_way(world, Load).ticket)
    turns(world)
    ((base, _, data),) = changes(world)
    assert (base, data["reset"], sorted(data["remove"])) == (len(IDS), False, list(IDS[2:]))
    replica = world.server._registry._collections[PATH]._content.replica
    assert replica is not None
    assert len(replica.tombstones) == 1


WRONG = [Row("z", b"{}", 1, 0, 99), Row("a", b"{}", 1, 0, 1), Row("a", None, 0, 0, 1), None]


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_impossible_in_a_later_portion_fails_the_load(wrong: Any) -> None:
    world = World(1, limits=LIMITS, store=stored(*IDS))
    world.clients[0].put_subs({P: {}})
    asked = world.clients[0].ask("GET", P)
    say(world)
    load = under_way(world, Load)
    loaded = world.store.load(PATH, None)
    world.operations[load.ticket].result = replace(loaded, rows=[*loaded.rows, wrong])
    world.finish(load.ticket)
    before = world.refused
    turns(world)
    assert (before, world.refused) == (0, 1)
    hear(world)
    assert asked.code == "unavailable"
    assert not world.operations
    with pytest.raises(LocalProtocolError, match="no Load with ticket"):
        world.server.load_failed(load.ticket, "", world.now)
    world.settle()  # it is tried anew
    check_copies(world)


def test_a_large_change_that_is_impossible_costs_the_content() -> None:
    world = watching(1, *IDS, limits=LIMITS)
    for id in IDS:
        world.commit_elsewhere(PATH, Update(insert={id: text(id, 1)}))
    world.tell(PATH)
    load = under_way(world, Load)
    loaded = world.store.load(PATH, load.since)
    world.operations[load.ticket].result = replace(loaded, rows=[*loaded.rows, loaded.rows[0]])
    world.finish(load.ticket)
    turns(world)
    world.advance(1)
    assert under_way(world, Load).since is None
    world.settle()
    check_copies(world)


def test_a_stop_waits_for_what_was_asked() -> None:
    world = loading()
    asked = put(world, 0, "x")
    world.stop(10)
    assert not world.server.is_stopped
    turns(world)
    world.finish(under_way(world, Commit).ticket)
    assert world.server.is_stopped
    assert asked.ok


def test_a_stop_may_end_in_the_middle_of_a_load() -> None:
    world = loading()
    world.stop(10)
    assert not world.server.is_stopped
    world.stop(0)
    world.turn()
    assert world.server.is_stopped
    turns(world)
    assert not world.server.is_busy


def test_those_who_have_left_do_not_hold_up_a_load() -> None:
    world = loading()
    world.cut(0)
    turns(world)
    assert world.server.is_in_use(PATH)  # it lingers
    world.advance(LIMITS.linger_seconds)
    assert not world.server.is_in_use(PATH)


def test_the_host_hears_of_what_is_impossible() -> None:
    transport = Transport(LIMITS)
    ann = transport.connect()
    ann.client.ask("GET", P)
    ann.say()
    (operation,) = transport.operations
    assert isinstance(operation, Load)
    transport.operations.remove(operation)
    loaded = replace(
        stored(*IDS).load(PATH, None), rows=[*stored(*IDS).load(PATH, None).rows, None]
    )
    assert transport.driver.succeeded(operation, loaded, transport.now)
    assert not transport.reports
    transport.settle()
    ((subject, error),) = transport.reports
    assert subject is operation
    assert isinstance(error, LocalProtocolError)


def test_the_next_load_begins_when_a_large_one_is_complete() -> None:
    world = loading(limits=Limits(turn_items=SIZE, loads=1))
    world.clients[1].put_subs({OTHER: {}})
    say(world, 1)
    assert not world.operations
    turns(world)
    assert under_way(world, Load).collection.collection == "other"
    world.settle()


@pytest.mark.parametrize("many", [10, 100])
@pytest.mark.parametrize("fate", ["forgotten", "reset", "replaced"])
def test_what_is_large_is_freed_by_turns(fate: str, many: int) -> None:
    with (
        patch.multiple("sharedstate_core.large_dict", PART=3, SHARD=2),
        patch("sharedstate_core.items.replica.MANY", many),
    ):
        free_by_turns(fate)


def free_by_turns(fate: str) -> None:
    ids = [f"{n:02}" for n in range(40)]
    world = watching(1, *ids, limits=LIMITS)
    replica = world.server._registry._collections[PATH]._content.replica
    assert replica is not None
    freed: list[int] = []
    for id in ids:
        replica._items[id].text = NotedText(replica._items[id].text)
        replica._items[id].text.freed = freed  # type: ignore[attr-defined]
    del replica
    if fate == "forgotten":
        world.cut(0)
        world.advance(LIMITS.linger_seconds - 1)
        world.now += 1
        world.turn()
    elif fate == "reset":
        world.clients[0].put(P, reset=True)
        say(world)
        world.finish(under_way(world, Commit).ticket)
    else:
        world.start_anew("epoch-2")
        world.tell(PATH)
        world.finish(under_way(world, Load).ticket)
    assert not freed
    found = []
    while world.server.next_wakeup() == world.now:
        freed.clear()
        world.turn()
        found.append(len(freed))
        assert len(found) < 100
    assert sum(found) == len(ids)
    assert max(found) <= FASTER * SIZE
    world.settle()


@pytest.mark.parametrize("fate", ["forgotten", "reset"])
def test_what_was_removed_is_freed_by_turns(fate: str) -> None:
    world = watching(1, *IDS, limits=LIMITS)
    replica = world.server._registry._collections[PATH]._content.replica
    assert replica is not None
    freed: list[int] = []
    for n in range(40):
        text = NotedText(b"")
        text.freed = freed
        replica.tombstones[f"{n}"] = text  # type: ignore[assignment]
    del replica, text
    if fate == "forgotten":
        world.cut(0)
        world.advance(LIMITS.linger_seconds - 1)
        world.now += 1
    else:
        world.clients[0].put(P, reset=True)
        say(world)
        world.finish(under_way(world, Commit).ticket)
    found = [len(freed)]
    while (at := world.server.next_wakeup()) is not None and at <= world.now:
        freed.clear()
        world.turn()
        found.append(len(freed))
    assert sum(found) == 40
    assert max(found) <= FASTER * SIZE


class NotedText(bytes):
    """A text that notes when it is freed."""

    freed: list[int]

    def __del__(self) -> None:
        self.freed.append(1)


def test_portions_are_a_sequence_that_is_emptied() -> None:
    rows = [Row(f"{n}", b"{}", 1, n, 1) for n in range(5)]
    first, second = rows[:3], rows[3:]
    portions = Portions([first, [], second])
    assert (len(portions), list(portions), portions[3], portions[-1]) == (5, rows, *rows[3:])
    assert portions[1:4] == rows[1:4]
    for index in (5, -6):
        with pytest.raises(IndexError):
            portions[index]
    assert portions.take() is first  # not copied
    assert (len(portions), list(portions)) == (2, second)
    assert (portions.take(), portions.take(), len(portions)) == (second, [], 0)
