"""Progress of a command."""

from __future__ import annotations

import time
from typing import Final

from .saying import say

PROGRESS_SECONDS: Final = 1.0


class Tally:
    """How far a command got.

    Attributes:
        stored: number of items or updates that the server has acknowledged.
    """

    def __init__(self, noun: str) -> None:
        self.stored = 0
        self._noun = noun
        self._said = time.monotonic()

    def __str__(self) -> str:
        if self.stored == 1:
            return f"1 {self._noun} is stored"
        return f"{self.stored:,} {self._noun}s are stored" if self.stored else "nothing is stored"

    def in_doubt(self) -> str:
        """Return the progress before a request whose outcome is unknown."""
        return f"{self} before" if self.stored else "nothing else is stored"

    def at_least(self) -> str:
        """Return the progress where more may have been stored."""
        return f"at least {self}" if self.stored else "nothing is known to be stored"

    def add(self, number: int, *, quiet: bool) -> None:
        """Count, and print the progress from time to time."""
        self.stored += number
        now = time.monotonic()
        if not quiet and now - self._said > PROGRESS_SECONDS:
            self._said = now
            say(f"{self} so far")
