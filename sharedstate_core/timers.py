"""Deadlines without a clock: the owner of the time asks for the next one, and for those that are due.

Whatever only grows may be the time, versions too.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

K = TypeVar("K", bound="Hashable")


class Timers(Generic[K]):
    """At most one deadline per key, in seconds of the caller's monotonic clock."""

    def __init__(self) -> None:
        self._deadlines: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []  # may hold deadlines that were moved or dropped
        self._count = 0

    def __len__(self) -> int:
        return len(self._deadlines)

    def __contains__(self, key: K) -> bool:
        return key in self._deadlines

    def __iter__(self) -> Iterator[K]:
        return iter(self._deadlines)

    def set(self, key: K, at: float) -> None:
        """Set or move the deadline of `key`."""
        self._deadlines[key] = at
        self._count += 1
        heapq.heappush(self._heap, (at, self._count, key))
        if len(self._heap) > 64 + 2 * len(self._deadlines):  # mostly stale: keep it bounded
            fresh = {(at, key): count for at, count, key in self._heap if self._is_due(at, key)}
            self._heap = [(at, count, key) for (at, key), count in fresh.items()]
            heapq.heapify(self._heap)

    def cancel(self, key: K) -> None:
        """Drop the deadline of `key`, if there is one."""
        self._deadlines.pop(key, None)

    def next(self) -> float | None:
        """Return the earliest deadline, or None."""
        while self._heap:
            at, _, key = self._heap[0]
            if self._is_due(at, key):
                return at
            heapq.heappop(self._heap)
        return None

    def due(self, now: float) -> Iterator[K]:
        """Yield the keys whose deadline has passed, earliest first; each is dropped before it is yielded."""
        while (at := self.next()) is not None and at <= now:
            _, _, key = heapq.heappop(self._heap)
            del self._deadlines[key]
            yield key

    def _is_due(self, at: float, key: K) -> bool:
        return self._deadlines.get(key) == at
