"""How much of one peer is taken before others have their turn of the loop."""

from __future__ import annotations

from time import monotonic
from typing import Final

HANDLED_AT_ONCE: Final = 64
TURN_SECONDS: Final = 0.005
"""Messages of one peer that are taken, and how long that may go on, before others have their turn."""


class Turn:
    """One peer's turn.

    Attributes:
        left: messages that may still be taken.
    """

    __slots__ = ("_end", "left")

    def __init__(self) -> None:
        self.left = HANDLED_AT_ONCE
        self._end = monotonic() + TURN_SECONDS

    @property
    def goes_on(self) -> bool:
        """Whether another message may be taken."""
        return self.left > 0 and not self.is_late

    @property
    def is_late(self) -> bool:
        """Whether it has gone on for longer than it should."""
        return monotonic() > self._end
