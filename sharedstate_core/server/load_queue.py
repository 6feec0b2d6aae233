"""A load queue: a bounded number of loads is under way, the rest wait, with fairness between askers.

Each service has one for the contents of collections and one for lists of names.

The rules:

1. Each asker has a line of its own, and the lines take turns. So a connection that asks for a thousand collections
   keeps another, which asks for one, waiting for one load and not for a thousand.
2. A load may stand in several lines: it begins when its turn first comes in any of them.
3. A load that is no longer wanted leaves at once: nothing waits here unless somebody still wants it.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

T = TypeVar("T", bound="Hashable")


class LoadQueue(Generic[T]):
    """Loads of one kind, of one service.

    Args:
        limit: returns how many may be under way at once.
    """

    def __init__(self, limit: Callable[[], int]) -> None:
        self._limit = limit
        self._under_way = 0
        self._lines: OrderedDict[object, OrderedDict[T, None]] = OrderedDict()  # the next first
        self._lines_of: dict[T, set[object]] = {}
        self._called: T | None = None

    def __len__(self) -> int:
        return len(self._lines_of)

    def try_acquire(self, one: T, asker: object) -> bool:
        """Return whether `one` may load now, and if so count it; otherwise queue it. Asking again is harmless."""
        if self._may_begin and (self._called == one or not self._lines_of):
            self.cancel(one)
            self._under_way += 1
            return True
        self._lines.setdefault(asker, OrderedDict()).setdefault(one)
        self._lines_of.setdefault(one, set()).add(asker)
        return False

    @property
    def _may_begin(self) -> bool:
        return self._under_way < self._limit()

    def cancel(self, one: T) -> None:
        """Remove `one` from all lines, if it waits."""
        for asker in self._lines_of.pop(one, ()):
            line = self._lines[asker]
            del line[one]
            if not line:
                del self._lines[asker]

    def leave(self, asker: object) -> list[T]:
        """Remove the line of an asker and return what stood in it; what stands in no other line waits no more."""
        line = self._lines.pop(asker, None)
        for one in line or ():
            lines = self._lines_of[one]
            lines.discard(asker)
            if not lines:
                del self._lines_of[one]
        return list(line or ())

    def release(self) -> None:
        """Record that a load has ended; the caller then takes the `next` ones."""
        self._under_way -= 1

    def next(self) -> T | None:
        """Remove and return the next one if it may load now; the caller lets it begin at once, if it still needs to."""
        self._called = None
        if self._may_begin and self._lines:
            asker, line = self._lines.popitem(last=False)
            self._lines[asker] = line  # behind the others
            self._called = one = next(iter(line))
            self.cancel(one)
            return one
        return None
