"""Leftovers: what is no longer needed, and so large that to free it takes turns, too.

To free a million entries takes as long as to carry out thousands of updates.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .limits import LiveLimits

FASTER: Final = 4
"""How many entries are freed in the time in which one is loaded, at least."""


class Leftovers:
    """Dicts that are emptied by turns; their owners have let go of them.

    Args:
        limits: say how much one turn may do.
    """

    def __init__(self, limits: LiveLimits) -> None:
        self._limits = limits
        self._waiting: deque[dict[str, Any]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, entries: dict[str, Any]) -> None:
        """Let go of a dict, which belongs to this from now on: at once, or by turns if it is large."""
        if len(entries) > self._limits.current.turn_items:
            self._waiting.append(entries)

    def free(self) -> None:
        """Free as much as one turn may."""
        if self._waiting:
            entries = self._waiting[0]
            for _ in range(min(FASTER * self._limits.current.turn_items, len(entries))):
                entries.popitem()
            if not entries:
                self._waiting.popleft()
