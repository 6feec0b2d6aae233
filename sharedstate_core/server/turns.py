"""Turns: collections with long work take them one after the other, with other inputs in between.

What a large collection asks for is done by portions. Whoever has begun such work stands in line, gets one turn, and
goes to the end of the line if there is more to do.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

T = TypeVar("T", bound="Hashable")


class Turns(Generic[T]):
    """The line of those that have more to do."""

    def __init__(self) -> None:
        self._line: OrderedDict[T, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._line)

    def add(self, one: T) -> None:
        """Let `one` have a turn after all that stand in line."""
        self._line[one] = None

    def discard(self, one: T) -> None:
        """Remove `one`, if it stands in line."""
        self._line.pop(one, None)

    def next(self) -> T | None:
        """Remove and return whose turn it is; None if nobody has anything to do."""
        return self._line.popitem(last=False)[0] if self._line else None
