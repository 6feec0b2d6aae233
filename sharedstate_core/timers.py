"""Deadlines without a clock: the owner of the time asks for the next one, and for those that are due.

Whatever only grows may be the time, versions too.
"""

from __future__ import annotations

import heapq
from itertools import count
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

K = TypeVar("K", bound="Hashable")


_TIDIED: Final = 4
"""Entries that are looked at with each deadline that is set, while there are too many old ones."""

_LOOKED_AT: Final = 100
"""Entries that `next` looks at, at most."""


class Timers(Generic[K]):
    """At most one deadline per key, in seconds of the caller's monotonic clock.

    Entries of deadlines that were moved or dropped stay in the heap until they come up, or are too many; then those
    that still count are moved to another heap, a few at a time.
    """

    def __init__(self) -> None:
        self._deadlines: dict[K, tuple[float, int]] = {}  # with the number of its entry
        self._heap: list[tuple[float, int, K]] = []
        self._old: list[tuple[float, int, K]] = []  # a heap, too, which is emptied from its end
        self._count = 0

    def __len__(self) -> int:
        return len(self._deadlines)

    def __contains__(self, key: K) -> bool:
        return key in self._deadlines

    def __iter__(self) -> Iterator[K]:
        return iter(self._deadlines)

    def set(self, key: K, at: float) -> None:
        """Set or move the deadline of `key`."""
        self._count += 1
        self._deadlines[key] = at, self._count
        heapq.heappush(self._heap, (at, self._count, key))
        for _ in range(min(_TIDIED, len(self._old))):
            entry = self._old.pop()
            if self._counts(*entry):
                heapq.heappush(self._heap, entry)
        if not self._old and len(self._heap) > 64 + 2 * len(self._deadlines):
            self._old, self._heap = self._heap, []

    def cancel(self, key: K) -> None:
        """Drop the deadline of `key`, if there is one."""
        self._deadlines.pop(key, None)

    def next(self) -> float | None:
        """Return the earliest deadline, or None; if many were moved or dropped, it may be an earlier time."""
        if not (self._heap or self._old):
            return None
        for _ in range(_LOOKED_AT):
            heap = self._earliest()
            if not heap or self._counts(*heap[0]):
                break
            heapq.heappop(heap)
        heap = self._earliest()
        return heap[0][0] if heap else None

    def due(self, now: float, most: int | None = None) -> Iterator[K]:
        """Yield the keys whose deadline has passed, earliest first; each is dropped before it is yielded.

        Args:
            now: the time.
            most: how many to look at, including those that were moved or dropped; None for all.
        """
        looks = count() if most is None else range(most)
        for _ in looks:
            heap = self._earliest()
            if not heap or heap[0][0] > now:
                break
            entry = heapq.heappop(heap)
            if self._counts(*entry):
                del self._deadlines[entry[2]]
                yield entry[2]

    def _earliest(self) -> list[tuple[float, int, K]]:
        """Return the heap with the earliest entry; an empty one if there is none."""
        heap, old = self._heap, self._old
        return old if old and not (heap and heap[0] < old[0]) else heap

    def _counts(self, at: float, number: int, key: K) -> bool:
        return self._deadlines.get(key) == (at, number)
