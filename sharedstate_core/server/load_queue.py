"""Whose load is next: a bounded number is under way at once, the others wait, fair between those who ask.

The rules:

1. Whoever asks has a line of their own; the lines take turns. So one connection that asks for a thousand
   collections keeps another one, which asks for one, waiting for one load and not for a thousand.
2. A collection may stand in several lines: it is loaded when the first of them comes to it.
3. A collection that is not wanted any more leaves at once: nothing waits here but what somebody still wants.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

    from sharedstate_core.limits import LiveLimits

T = TypeVar("T", bound="Hashable")


class LoadQueue(Generic[T]):
    """The loads of one service.

    Args:
        limits: has `loads`, how many may be under way at once.
    """

    def __init__(self, limits: LiveLimits) -> None:
        self._limits = limits
        self._under_way = 0
        self._lines: OrderedDict[object, OrderedDict[T, None]] = OrderedDict()  # the next first
        self._lines_of: dict[T, set[object]] = {}
        self._called: T | None = None

    def __len__(self) -> int:
        return len(self._lines_of)

    def try_acquire(self, one: T, asker: object) -> bool:
        """Return whether `one` may load now; it is counted then, and waits otherwise. Asking again does no harm."""
        if self._may_begin and (self._called == one or not self._lines_of):
            self.cancel(one)
            self._under_way += 1
            return True
        self._lines.setdefault(asker, OrderedDict()).setdefault(one)
        self._lines_of.setdefault(one, set()).add(asker)
        return False

    @property
    def _may_begin(self) -> bool:
        return self._under_way < self._limits.current.loads

    def cancel(self, one: T) -> None:
        """Wait no longer, if it did."""
        for asker in self._lines_of.pop(one, ()):
            line = self._lines[asker]
            del line[one]
            if not line:
                del self._lines[asker]

    def release(self) -> None:
        """A load has ended: `call` those who may load now."""
        self._under_way -= 1

    def next(self) -> T | None:
        """Take the next one out, if there is one and it may load; it begins at once, or needs nothing."""
        self._called = None
        if self._may_begin and self._lines:
            asker, line = self._lines.popitem(last=False)
            self._lines[asker] = line  # behind the others
            self._called = one = next(iter(line))
            self.cancel(one)
            return one
        return None
