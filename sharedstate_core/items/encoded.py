"""What is kept in case somebody asks for it again, encoded or to find it soon: its memory, of all collections.

The rules:

1. Everything that is kept counts, each text once; what views remember, and the values by which items are found, too.
2. Beyond the bound those that were asked for theirs the longest ago discard all of it, by turns. It is encoded, or
   found, again when somebody asks.
3. Whoever was asked last keeps its own whatever its size: it may be telling many of it.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from sharedstate_core.leftovers import Leftovers
    from sharedstate_core.limits import LiveLimits

AT_ONCE: Final = 100
"""Those that discard their own in one turn."""


class Keeper(Protocol):
    """Who keeps something."""

    def clear(self) -> None:
        """Discard all of it, and leave the line."""
        ...


class Encoded:
    """Counts the bytes; the bound is `Limits.encoded_bytes`.

    Args:
        limits: the server's limits.
        leftovers: takes what is large and no longer kept.

    Attributes:
        bytes: memory of everything that is kept.
        line: those that keep something, whoever was asked last at the end.
        remembered: memory of what views remember, with what they are found by.
        views: number of views.
        scanned: those of them that are asked about every item.
    """

    __slots__ = ("_limits", "bytes", "leftovers", "line", "remembered", "scanned", "views")

    def __init__(self, limits: LiveLimits, leftovers: Leftovers) -> None:
        self._limits = limits
        self.leftovers = leftovers
        self.bytes = self.remembered = self.views = self.scanned = 0
        self.line: OrderedDict[Keeper, None] = OrderedDict()

    def remember(self, keeper: Keeper, before: int, memory: int) -> None:
        """Count what a view remembers, or an index, that has been asked now.

        Args:
            keeper: which.
            before: memory that was counted for it before, in bytes.
            memory: that of what it keeps now.
        """
        self.bytes += memory - before
        self.remembered += memory - before
        if not memory:
            self.line.pop(keeper, None)
        else:
            self.line[keeper] = None
            self.line.move_to_end(keeper)

    @property
    def is_over(self) -> bool:
        """Whether `trim` has something to do."""
        return self.bytes > self._limits.current.encoded_bytes and len(self.line) > 1

    def trim(self) -> None:
        """Let those discard their own that were asked the longest ago, as many as one turn may, until all fits."""
        for _ in range(AT_ONCE):
            if not self.is_over:
                return
            next(iter(self.line)).clear()
