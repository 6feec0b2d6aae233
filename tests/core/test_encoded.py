"""What is kept encoded is counted, and bounded for all collections together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sharedstate_core import Cursor, Limits, Loaded, Update
from sharedstate_core.items.encoded import AT_ONCE, Encoded
from sharedstate_core.items.notices import (
    CHANGE_BYTES,
    KEPT_AUDIENCES,
    KEPT_BYTES,
    KEPT_CHANGES,
    LARGE_BYTES,
    MESSAGE_BYTES,
    Audience,
    Notices,
)
from sharedstate_core.items.replica import Replica
from sharedstate_core.leftovers import TEXTS, Leftovers
from sharedstate_core.limits import LiveLimits
from sharedstate_core.messages import PIECE_BYTES, pieces_of
from sharedstate_core.testing import World, check_copies

from .scenes import hear, put, say, text, turns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sharedstate_core.messages import Items, Message

EPOCH = "epoch-1"
VERSIONS = 100
LIMITS = LiveLimits(Limits(encoded_bytes=10_000_000, tombstones=100_000))


def texts_of(notices: Notices) -> Iterator[bytes]:
    """Yield every text that is kept, some of them more than once."""
    arrays: list[Items] = [notices._whole.items] if notices._whole else []
    messages: list[Message] = []
    for change in notices._changes.values():
        arrays += (array for part in change.parts for array in (part.remove, part.items))
        messages += (message for each in change.messages.values() for message in each)
    yield from (piece for array in arrays for piece in array.pieces)
    yield from pieces_of(messages)


def memory(every: Iterable[Notices]) -> int:
    """Return the length of all that is kept, each text once."""
    return sum({id(text): len(text) for notices in every for text in texts_of(notices)}.values())


def changed(ids: int = 10, length: int = 200) -> Replica:
    """A collection in which each of many versions removed a few ids, and set an item."""
    replica = Replica(Loaded(EPOCH, 0, 0, []))
    replica.follow([Update(insert={f"{n}": text(f"{n}")}) for n in range(VERSIONS)])
    for version in range(VERSIONS):
        gone = {f"{version}-{n:0{length}}": b"{}" for n in range(ids)}
        replica.follow([Update(insert=gone), Update((*gone,), {f"{version}": text("x")})])
    return replica


def ask(notices: Notices, replica: Replica, spellings: int, since: Iterable[int]) -> None:
    """Ask for the change from each of these versions, under so many spellings of the path."""
    for version in since:
        for number in range(spellings):
            audience = Audience("/" * number + "a/items/c", parts=number % 2 == 1)
            notices.messages(replica, audience, Cursor(EPOCH, version))


def check_count(encoded: Encoded, every: Iterable[Notices]) -> None:
    """Check that nothing is kept without being counted, and that little more is counted than is kept."""
    every = list(every)
    changes = [change for notices in every for change in notices._changes.values()]
    messages = sum(map(len, (each for c in changes for each in c.messages.values())))
    overhead = CHANGE_BYTES * (len(changes) + len(every)) + 2 * MESSAGE_BYTES * (messages + 1)
    counted = sum(notices.bytes for notices in every)
    assert encoded.bytes == counted
    assert memory(every) <= counted <= 1.01 * memory(every) + overhead
    assert {*encoded.line} >= {notices for notices in every if notices.bytes}


@pytest.mark.parametrize("length", [20, 200], ids=["short", "long"])
@pytest.mark.parametrize("part_bytes", [1000, 1 << 20])
def test_everything_that_is_kept_is_counted(length: int, part_bytes: int) -> None:
    limits = LiveLimits(Limits(part_bytes=part_bytes, tombstones=100_000))
    encoded, replica = Encoded(limits, Leftovers(limits)), changed(length=length)
    notices = Notices(limits, encoded)
    ask(notices, replica, 3, [2 * VERSIONS, 2 * VERSIONS - 1, 0])
    check_count(encoded, [notices])
    notices.whole(replica)
    ask(notices, replica, 3, [5 * VERSIONS])  # nobody was ever there: it is told all
    check_count(encoded, [notices])
    replica.follow([Update(("1",))])
    ask(notices, replica, 1, [replica.version - 1])
    check_count(encoded, [notices])
    notices.clear()
    assert encoded.bytes == len(encoded.line) == 0


@pytest.mark.parametrize("in_parts", [False, True])
@pytest.mark.parametrize("cursor", [None, Cursor(EPOCH, VERSIONS)])
def test_what_is_encoded_by_turns_is_counted(*, in_parts: bool, cursor: Cursor | None) -> None:
    encoded, replica = Encoded(LIMITS, Leftovers(LIMITS)), changed()
    notices = Notices(LIMITS, encoded)
    for _ in notices.encode(replica, in_parts, cursor):
        notices.clear()  # as `trim` has it do between two turns, if others are asked
    assert memory([notices]) > (200_000 if cursor else 1000)
    check_count(encoded, [notices])
    notices.messages(replica, Audience("a/items/c", in_parts), cursor)
    check_count(encoded, [notices])


@pytest.mark.parametrize("by_turns", [False, True])
def test_long_items_are_counted_as_content_alone(*, by_turns: bool) -> None:
    encoded, replica = Encoded(LIMITS, Leftovers(LIMITS)), changed()
    notices = Notices(LIMITS, encoded)
    replica.follow([Update(insert={f"{n}": text("x" * PIECE_BYTES)}) for n in range(5)])
    for cursor in (None, Cursor(EPOCH, replica.version - 5)):
        for in_parts in (False, True):
            if by_turns:
                for _ in notices.encode(replica, in_parts, cursor):
                    pass
            notices.messages(replica, Audience("a/items/c", in_parts), cursor)
    assert sum({id(text): len(text) for text in texts_of(notices)}.values()) > 5 * PIECE_BYTES
    assert encoded.bytes == notices.bytes < PIECE_BYTES


def test_one_collection_keeps_a_few_changes_and_spellings() -> None:
    encoded, replica = Encoded(LIMITS, Leftovers(LIMITS)), changed()
    notices = Notices(LIMITS, encoded)
    ask(notices, replica, KEPT_AUDIENCES + 10, [2 * VERSIONS])
    (change, _) = notices._changes.values()
    ask(notices, replica, 2 * KEPT_AUDIENCES + 10, [2 * VERSIONS])
    assert len(change.messages) == KEPT_AUDIENCES
    ask(notices, replica, 1, range(VERSIONS, 3 * VERSIONS))
    assert len(notices._changes) <= KEPT_CHANGES + 1
    check_count(encoded, [notices])


def test_one_collection_keeps_few_large_changes() -> None:
    encoded, replica = Encoded(LIMITS, Leftovers(LIMITS)), changed(ids=200)
    notices = Notices(LIMITS, encoded)
    most = 0
    for version in range(VERSIONS, VERSIONS + 50):
        ask(notices, replica, 4, [version])
        most = max(most, memory([notices]))
    check_count(encoded, [notices])
    assert KEPT_BYTES / 2 < most < KEPT_BYTES + 5 * 200 * 200 * VERSIONS


def test_all_collections_together_keep_what_was_asked_for_last() -> None:
    encoded, replica = Encoded(LIMITS, Leftovers(LIMITS)), changed()
    every = [Notices(LIMITS, encoded) for _ in range(50)]
    ask(every[0], replica, 2, [VERSIONS])
    one, first = encoded.bytes, [*every[0]._changes.values()]
    for notices in every[1:]:
        ask(notices, replica, 2, [VERSIONS])
        ask(every[0], replica, 2, [VERSIONS])  # it is asked again and again
        encoded.trim()
        check_count(encoded, every)
        assert [*every[0]._changes.values()] == first
        assert encoded.bytes <= LIMITS.current.encoded_bytes
    kept = [number for number, notices in enumerate(every) if notices.bytes]
    fit = LIMITS.current.encoded_bytes // one
    assert kept == [0, *range(50 - fit + 1, 50)]


def test_the_last_one_keeps_its_own_whatever_its_size() -> None:
    limits = LiveLimits(Limits(encoded_bytes=0))
    encoded, replica = Encoded(limits, Leftovers(limits)), changed()
    for _ in range(2):
        notices = Notices(limits, encoded)
        ask(notices, replica, 1, [VERSIONS])
        encoded.trim()
        assert encoded.bytes == notices.bytes > 0
        assert not encoded.is_over


def test_many_small_ones_go_by_turns() -> None:
    limits = LiveLimits(Limits(encoded_bytes=1_000_000))
    encoded, replica = Encoded(limits, Leftovers(limits)), changed(ids=1, length=1)
    every = [Notices(limits, encoded) for _ in range(3 * AT_ONCE)]
    for notices in every:
        ask(notices, replica, 1, [replica.version - 1])
    limits.change(Limits(encoded_bytes=0))
    for turn in range(1, 4):
        assert encoded.is_over
        encoded.trim()
        assert len(encoded.line) == max(1, len(every) - turn * AT_ONCE)
    assert not encoded.is_over


@pytest.mark.parametrize("fate", ["changed", "too many"])
@pytest.mark.parametrize("in_parts", [False, True])
def test_what_is_long_is_freed_by_turns(fate: str, *, in_parts: bool) -> None:
    limits = LiveLimits(Limits(part_bytes=1000))
    leftovers, replica = Leftovers(limits), changed()
    size = LARGE_BYTES // VERSIONS
    replica.follow([Update(insert={f"{n}": text("x" * size)}) for n in range(VERSIONS)])
    notices = Notices(limits, Encoded(limits, leftovers))
    audience = Audience("a/items/c", in_parts)
    notices.messages(replica, audience, Cursor(EPOCH, VERSIONS))
    (change,) = notices._changes.values()
    kept = {
        id(piece) for part in change.parts for piece in (*part.remove.pieces, *part.items.pieces)
    }
    if fate == "changed":
        replica.follow([Update(("1",))])
        notices.whole(replica)
    else:
        for version in range(VERSIONS + 1, VERSIONS + 2 + KEPT_CHANGES):
            notices.messages(replica, audience, Cursor(EPOCH, version))
    assert {id(text) for text in leftovers._texts} >= kept
    count = len(leftovers)
    while count:
        leftovers.free()
        assert len(leftovers) == max(0, count - TEXTS)
        count = len(leftovers)


def test_a_server_keeps_no_more_than_it_may() -> None:
    """Everybody is told the same under a name of their own; nobody loses anything by it."""
    limits = Limits(encoded_bytes=20_000)
    world = World(10, limits=limits)
    for collection in range(5):
        for client in range(10):
            world.clients[client].put_subs({"/" * client + f"a/items/{collection}": {}})
    world.settle()
    registry = world.server._registry
    for number in range(20):
        path = f"/a/items/{number % 5}"
        put(world, number % 10, *(f"{number}-{n:050}" for n in range(20)), path=path)
        world.settle()
        turns(world)
        assert sum(each._notices.bytes for each in registry.all()) == registry.encoded.bytes
        assert registry.encoded.bytes <= limits.encoded_bytes or len(registry.encoded.line) == 1
    check_copies(world)
    for client in range(10):
        world.cut(client)
    world.advance(limits.linger_seconds)
    turns(world)
    assert registry.encoded.bytes == len(registry.encoded.line) == 0


def test_what_lingers_keeps_its_text_for_those_who_come_back() -> None:
    world = World(1, limits=Limits(linger_bytes=8000))
    put(world, 0, "a" * 200, "b" * 200, "c" * 200)
    world.settle()
    for _ in range(2):
        world.clients[0].ask("GET", "/a/items/c")
        say(world)
        world.settle()
        hear(world)
        (collection,) = world.server._registry.all()
        assert collection._notices._whole is not None
