"""How much one turn does where views are asked about items that have changed."""

from __future__ import annotations

from typing import Final

TURN_WORK: Final = 1_000
"""Short expressions that are evaluated in one turn, some 2 us each, or what takes as long."""


class Turn:
    """Counts the work of a turn."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = TURN_WORK

    def is_over(self, work: int) -> bool:
        """Count more work; return whether that is enough for this turn, and another one begins."""
        self._left -= work
        if self._left > 0:
            return False
        self._left = TURN_WORK
        return True
