"""How much of one peer's input is handled before others get their turn."""

from __future__ import annotations

from time import monotonic
from typing import Final

HANDLED_AT_ONCE: Final = 64
TURN_SECONDS: Final = 0.005
"""Bounds of a turn: messages of one peer, and time in seconds."""


class Turn:
    """One peer's turn.

    Attributes:
        left: number of messages that may still be handled.
    """

    __slots__ = ("_end", "left")

    def __init__(self) -> None:
        self.left = HANDLED_AT_ONCE
        self._end = monotonic() + TURN_SECONDS

    @property
    def goes_on(self) -> bool:
        """Whether another message may be handled."""
        return self.left > 0 and not self.is_late

    @property
    def is_late(self) -> bool:
        """Whether it has taken longer than `TURN_SECONDS`."""
        return monotonic() > self._end
