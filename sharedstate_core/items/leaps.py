"""The versions of a collection that were passed over: another process committed them, and they came in one load.

What was there only meanwhile is not known. Whoever has seen such a version elsewhere may have to be told of an item
that came and went, though here nothing of it has changed.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

MOST: Final = 1_000
"""Leaps that are remembered; when there are more, half of them are forgotten."""


class Leaps:
    """The leaps of one replica."""

    __slots__ = ("_from", "_since", "_to")

    def __init__(self) -> None:
        self._from: list[int] = []
        self._to: list[int] = []
        self._since = 0  # before this version they have been forgotten

    def add(self, base: int, version: int) -> None:
        """Record that the replica has gone from `base` to a later version at once."""
        if version - base > 1:
            self._from.append(base)
            self._to.append(version)
            if len(self._to) > MOST:
                half = MOST // 2
                self._since = self._to[half - 1]
                del self._from[:half], self._to[:half]

    def passed_over(self, version: int) -> bool:
        """Return whether the replica may never have been at this version."""
        if version < self._since:
            return True
        at = bisect_left(self._to, version)
        return at < len(self._to) and self._from[at] < version < self._to[at]
