"""A timer wheel: one task for the deadlines of all connections.

Deadlines are rounded up to a whole tick. An entry is on the wheel at most once, and moving it takes constant time. It
is one reference in a set, so a deadline costs no task, no timer and next to no memory.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

T = TypeVar("T", bound="Hashable")

AT_ONCE: Final = 100
"""Entries that are visited before others get a turn."""


class Wheel(Generic[T]):
    """Entries by the tick on which they are due.

    Args:
        tick: seconds between two ticks: the grain of every deadline.
    """

    def __init__(self, tick: float) -> None:
        self.tick = tick
        self._now = 0
        self._due: dict[int, set[T]] = {}
        self._where: dict[T, int] = {}

    def __len__(self) -> int:
        return len(self._where)

    def set(self, entry: T, seconds: float) -> None:
        """Make an entry due in this many seconds, never early, and at the next tick at the earliest."""
        self.remove(entry)
        due = self._now + 1 + max(0, math.ceil(seconds / self.tick))
        self._due.setdefault(due, set()).add(entry)
        self._where[entry] = due

    def remove(self, entry: T) -> None:
        """Remove an entry, if it is there."""
        due = self._where.pop(entry, None)
        if due is not None:
            self._due[due].discard(entry)
            if not self._due[due]:
                del self._due[due]

    def advance(self) -> Iterator[T]:
        """Let one tick pass, and yield the entries that are due now.

        Each leaves the wheel when its turn comes; until then it can be moved, or removed.
        """
        self._now = tick = self._now + 1
        while entries := self._due.get(tick):
            entry = entries.pop()
            del self._where[entry]
            if not entries:
                del self._due[tick]
            yield entry
