"""Encoding by portions what is too much for one turn: all items of a replica, or what has changed in it.

Nothing may change in the replica until it is done.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from sharedstate_core.wire.encode import NO_NAMES, Array, encode_items

from .replica import insertion
from .runs import Runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sharedstate_core.limits import Limits
    from sharedstate_core.messages import Items

    from .replica import Entry, Replica

TURN_BYTES: Final = 1024 * 1024
"""Text that one turn encodes, about."""


class Part(NamedTuple):
    """One step of a net change, without the path: the same for every audience that takes it in the same parts.

    Attributes:
        base: the version it continues from.
        remove: the ids to remove.
        items: the items to set after that.
        reset: whether everything is removed before.
        more: whether another part follows.
    """

    base: int
    remove: Items
    items: Items
    reset: bool
    more: bool


Encoding: TypeAlias = Generator[None, None, Sequence[Part]]
"""Yields between portions, and returns the net change."""


def is_large(replica: Replica, limits: Limits, *, removed: bool = False) -> bool:
    """Return whether all items of a replica, or else what was `removed`, are too much for one turn."""
    if removed and len(replica.tombstones) > limits.turn_items:
        return True
    return len(replica) > limits.turn_items or replica.bytes > TURN_BYTES


class Recent:
    """Tells since which versions little enough has changed for one turn; it looks no further back than it must.

    Args:
        replica: does not change meanwhile.
        limits: say how much is too much.
    """

    def __init__(self, replica: Replica, limits: Limits) -> None:
        self._newest = replica.newest()
        self._entry = next(self._newest, None)
        self._items = limits.turn_items
        self._bytes = TURN_BYTES
        versions = reversed(replica.tombstones.values())
        self._removed = next(
            islice(versions, limits.turn_items, None), 0
        )  # one more than a turn takes

    def covers(self, since: int) -> bool:
        """Return whether the net change from version `since` is little enough."""
        if self._removed > since:
            return False
        entry = self._entry
        while entry is not None and entry.version > since:
            if self._items < 1 or self._bytes < 1:
                return False
            self._items -= 1
            self._bytes -= len(entry.text)
            entry = self._entry = next(self._newest, None)
        return True


def encode(replica: Replica, since: int | None, limits: Limits, *, in_parts: bool) -> Encoding:
    """Return the net change from version `since`, which the replica reaches, or everything.

    Args:
        replica: what is encoded.
        since: the version; None for everything.
        limits: say how much one portion, and one part, may be.
        in_parts: whether the change is divided if it is large; otherwise it is one part.
    """
    base, remove = since or 0, Array()
    if since is None:
        texts = replica.each_text()
    else:
        gone = replica.removed_since(since)
        while ids := list(islice(gone, limits.turn_items)):
            remove.add_names(ids)
            yield
        changed: Runs[Entry] = Runs(insertion)
        newest = takewhile(lambda entry: entry.version > since, replica.newest())
        while entries := list(islice(newest, limits.turn_items)):
            remove.add_names([entry.id for entry in entries if entry.removed > since])
            changed.add(entries)
            yield
        each = changed.portions(limits.turn_items)
        texts = (entry.text for entries in each for entry in entries)
    arrays: list[Items] = []
    array = Array()
    for batch, ends_part, ends_turn in _batches(texts, limits, in_parts=in_parts):
        array.add_items(batch)
        if ends_part:
            arrays.append(array.end())
            array = Array()
        if ends_turn:
            yield
    removed, last = remove.end(), len(arrays) - 1
    return [
        Part(base, NO_NAMES if n else removed, items, since is None and n == 0, n < last)
        for n, items in enumerate(arrays)
    ]


def _batches(
    texts: Iterable[bytes], limits: Limits, *, in_parts: bool
) -> Iterator[tuple[list[bytes], bool, bool]]:
    """Yield what is added at once, whether a part ends with it, and whether the turn does."""
    batch: list[bytes] = []
    part = count = size = 0
    for text in texts:
        ends_part = in_parts and part >= limits.part_bytes
        ends_turn = count >= limits.turn_items or size > TURN_BYTES
        if ends_part or ends_turn:
            yield batch, ends_part, ends_turn
            batch = []
            if ends_part:
                part = 0
            if ends_turn:
                count = size = 0
        batch.append(text)
        part += len(text)
        size += len(text)
        count += 1
    yield batch, True, False


def divide(
    texts: Sequence[bytes], remove: Items, base: int, part_bytes: int, *, reset: bool
) -> Sequence[Part]:
    """Return a net change, encoded at once, in parts that are not much larger than `part_bytes`."""
    starts, size = [0], 0
    for index, text in enumerate(texts):
        if size >= part_bytes:
            starts.append(index)
            size = 0
        size += len(text)
    parts = []
    for start, end in zip(starts, [*starts[1:], None], strict=True):
        items = encode_items(texts[start:end])
        removed = remove if start == 0 else NO_NAMES
        parts.append(Part(base, removed, items, reset and start == 0, end is not None))
    return parts
