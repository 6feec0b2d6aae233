"""How often, and with what pauses, something is tried again that the database gave up for the sake of somebody else.

Pauses grow and are drawn at random: who tries again at the same moment as the others is given up again.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import Final

PAUSES: Final = (0.002, 0.25)
"""The longest that the second pause may be, and any later one, in seconds; each may be twice the last. There is no
first one: mostly the other transaction is through by then."""


class Patience:
    """The time that one operation may take.

    Args:
        seconds: how long it may be tried again.
    """

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self._longest = 0.0

    async def lasts(self) -> bool:
        """Pause; return whether there is time for another attempt."""
        first, longest = PAUSES
        await asyncio.sleep(random.uniform(0, self._longest))  # noqa: S311
        self._longest = min(longest, self._longest * 2 or first)
        return time.monotonic() < self._until
