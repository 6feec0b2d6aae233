"""Encoding by portions what is too much for one turn: all items of a source, or what has changed in it.

Nothing may change in the source until it is done.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Generator, Sequence
from itertools import accumulate, islice
from typing import TYPE_CHECKING, TypeAlias

from sharedstate_core.wire.encode import NO_NAMES, Array, Part, encode_items

from .source import TURN_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sharedstate_core.limits import Limits
    from sharedstate_core.messages import Items

    from .source import Changes, Source

Encoding: TypeAlias = Generator[None, None, Sequence[Part]]
"""Yields between portions, and returns the net change."""


def encode(source: Source, since: int | None, limits: Limits, *, in_parts: bool) -> Encoding:
    """Return the net change from version `since`, which the source reaches, or everything.

    Args:
        source: what is encoded.
        since: the version; None for everything.
        limits: say how much one portion, and one part, may be.
        in_parts: whether the change is divided if it is large; otherwise it is one part.
    """
    base, remove = since or 0, Array()
    texts, places = yield from source.gather(since, remove, limits.turn_items)
    arrays: list[tuple[Items, Items | None]] = []
    array, at, part = Array(), Array(), 0
    for batch, is_last in _batches(texts, limits.turn_items):
        for some, size in _cut(batch, limits.part_bytes, part) if in_parts else [(batch, 0)]:
            if part >= limits.part_bytes:
                arrays.append((array.end(), None if places is None else at.end()))
                array, at, part = Array(), Array(), 0
            array.add_items(some)
            if places is not None:
                at.add_items(list(islice(places, len(some))))
            part += size
        if not is_last:
            yield
    arrays.append((array.end(), None if places is None else at.end()))
    removed, last = remove.end(), len(arrays) - 1
    return [
        Part(base, NO_NAMES if n else removed, items, since is None and n == 0, n < last, at)
        for n, (items, at) in enumerate(arrays)
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
    changes: Changes, remove: Items, base: int, part_bytes: int, *, reset: bool
) -> Sequence[Part]:
    """Return a net change, encoded at once, in parts that are not much larger than `part_bytes`.

    Args:
        changes: what is set, and where.
        remove: what is removed before.
        base: the version from which it leads.
        part_bytes: the size.
        reset: whether it is everything.
    """
    texts, places = changes.insert, changes.at
    starts, size = [0], 0
    for index, text in enumerate(texts):
        if size >= part_bytes:
            starts.append(index)
            size = 0
        size += len(text)
    parts = []
    for start, end in zip(starts, [*starts[1:], None], strict=True):
        items = encode_items(texts[start:end])
        at = None if places is None else encode_items(places[start:end])
        removed = remove if start == 0 else NO_NAMES
        parts.append(Part(base, removed, items, reset and start == 0, end is not None, at))
    return parts
