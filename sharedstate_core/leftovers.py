"""Leftovers: what is no longer needed, and so large that to free it takes turns, too.

To free a million entries takes as long as to carry out thousands of updates.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .limits import LiveLimits

TEXTS: Final = 64
"""Pieces of text that one turn frees: most are `PIECE_BYTES` long, and go back to the system."""

FASTER: Final = 4
"""How many entries are freed in the time in which one is loaded, at least."""


class Leftovers:
    """Dicts, and pieces of text, that are let go by turns; their owners have let go of them.

    Args:
        limits: say how much one turn may do.
    """

    def __init__(self, limits: LiveLimits) -> None:
        self._limits = limits
        self._waiting: deque[tuple[dict[Any, Any], int]] = deque()
        self._texts: deque[bytes] = deque()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._texts)

    def add(self, *dicts: dict[Any, Any], weight: int = 1) -> None:
        """Let go of dicts, which belong to this from now on: at once, or by turns if they are large together.

        Args:
            dicts: the dicts.
            weight: how many items of a collection are freed in the time of one of their entries.
        """
        if weight * sum(map(len, dicts)) > self._limits.current.turn_items:
            self._waiting.extend((entries, weight) for entries in dicts)

    def add_texts(self, texts: Iterable[bytes]) -> None:
        """Let go of the pieces of a long text by turns, if nobody else has them."""
        self._texts.extend(texts)

    def free(self) -> None:
        """Free as much as one turn may."""
        for _ in range(min(TEXTS, len(self._texts))):
            self._texts.pop()  # the last to come is what the system can have back first
        left = FASTER * self._limits.current.turn_items
        while left > 0 and self._waiting:
            entries, weight = self._waiting[0]
            count = min(max(1, left // weight), len(entries))
            for _ in range(count):
                entries.popitem()
            left -= count * weight
            if not entries:
                self._waiting.popleft()
