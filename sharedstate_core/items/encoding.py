"""Encoding by portions what is too much for one turn: all items of a replica, or what has changed in it.

Nothing may change in the replica until it is done.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Generator, Sequence
from itertools import accumulate, chain, islice
from typing import TYPE_CHECKING, Final, TypeAlias

from sharedstate_core.wire.encode import NO_NAMES, Array, Part, encode_items

from .replica import insertion, text_of
from .runs import Runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sharedstate_core.limits import Limits
    from sharedstate_core.messages import Items

    from .replica import Entry, Replica

TURN_BYTES: Final = 1024 * 1024
"""Text that one turn encodes, about."""


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
        newest = replica.newest(since)
        while entries := list(islice(newest, limits.turn_items)):
            remove.add_names([entry.id for entry in entries if entry.removed > since])
            changed.add(entries)
            yield
        each = changed.portions(limits.turn_items)
        texts = map(text_of, chain.from_iterable(each))
    arrays: list[Items] = []
    array, part = Array(), 0
    for batch, is_last in _batches(texts, limits.turn_items):
        for some, size in _cut(batch, limits.part_bytes, part) if in_parts else [(batch, 0)]:
            if part >= limits.part_bytes:
                arrays.append(array.end())
                array, part = Array(), 0
            array.add_items(some)
            part += size
        if not is_last:
            yield
    arrays.append(array.end())
    removed, last = remove.end(), len(arrays) - 1
    return [
        Part(base, NO_NAMES if n else removed, items, since is None and n == 0, n < last)
        for n, items in enumerate(arrays)
    ]


def _batches(texts: Iterator[bytes], most: int) -> Iterator[tuple[list[bytes], bool]]:
    """Yield what one turn encodes, `most` texts or fewer if they are long, and whether it is known to be the last."""
    while taken := list(islice(texts, most)):
        is_end = len(taken) < most
        if sum(map(len, taken)) <= TURN_BYTES:
            yield taken, is_end
        else:
            rest = len(taken)
            for batch, _ in _cut(taken, TURN_BYTES + 1, 0):
                rest -= len(batch)
                yield batch, is_end and not rest


def _cut(texts: list[bytes], size: int, first: int) -> Iterator[tuple[list[bytes], int]]:
    """Yield texts, and how long they are together: each time as few as reach `size`, or all that are left.

    Args:
        texts: are not empty.
        size: bytes.
        first: bytes that are there before the first time; if it is `size` already, it does not count.
    """
    ends = list(accumulate(map(len, texts), initial=0))
    start, missing = 0, size - first if first < size else size
    while start < len(texts):
        end = min(bisect_left(ends, ends[start] + missing, start + 1), len(texts))
        yield texts[start:end], ends[end] - ends[start]
        start, missing = end, size


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
