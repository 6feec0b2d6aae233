"""When to retry a transaction that the database aborted in favour of another.

Pauses grow and are random: transactions that are retried at the same moment are aborted again.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import Final

PAUSES: Final = (0.002, 0.25)
"""Bounds of the second pause and of the longest one, in seconds; each bound is twice the last. The first retry follows
at once, since the other transaction has usually ended by then."""


class ContentionBackoff:
    """The retries of one operation.

    Args:
        seconds: time after which there are no more retries.
    """

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self._longest = 0.0

    async def pause(self) -> bool:
        """Pause; return whether there is time for another attempt."""
        first, longest = PAUSES
        await asyncio.sleep(random.uniform(0, self._longest))  # noqa: S311
        self._longest = min(longest, self._longest * 2 or first)
        return time.monotonic() < self._until
