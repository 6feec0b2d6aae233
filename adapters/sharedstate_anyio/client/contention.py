"""Pauses between writers that compete for the same items.

After a conflict there is a random pause. It grows with the number of recent conflicts on that dataset, and a
transaction that follows them begins with one too: otherwise the last winner would keep winning.

Transactions of one client do not compete: they run one after the other.
"""

from __future__ import annotations

import random
from typing import Final

import anyio

MAX_CONFLICTS: Final = 6
"""Maximum of conflicts that count for the pause, which is up to 64 times as long as an attempt takes..."""

MAX_PAUSE: Final = 1.0
"""...and no longer than this, in seconds."""


class ContentionBackoff:
    """What a dataset knows of other writers to its collection.

    Attributes:
        turn: held by the transaction that is under way.
    """

    def __init__(self) -> None:
        self.turn = anyio.Lock()
        self._conflicts = 0
        self._attempt = 0.0

    async def begin(self) -> None:
        """Pause before a transaction, if there were recent conflicts."""
        if self._conflicts:
            await self._pause()
            self._conflicts -= 1

    async def conflict(self, attempt: float) -> None:
        """Pause after a conflict; `attempt` is how long the attempt took, in seconds."""
        self._attempt = attempt
        self._conflicts = min(self._conflicts + 1, MAX_CONFLICTS)
        await self._pause()

    async def _pause(self) -> None:
        longest = min(MAX_PAUSE, self._attempt * 2**self._conflicts)
        await anyio.sleep(random.random() * longest)  # noqa: S311  (no secret)
