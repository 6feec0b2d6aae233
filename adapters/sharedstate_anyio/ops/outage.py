"""When an outage begins, and when it is over: each is told once.

A storage that comes and goes would fill the log. So an outage that begins soon after another one is over only
when storage has been well for a while, for longer each time.
"""

from __future__ import annotations

import math
from typing import Final

SOON_SECONDS: Final = 60.0
"""An outage that begins within this time after the last one is another of the same kind."""

PATIENCE_SECONDS: Final = (1.0, 60.0)
"""How long storage must then have been well: at first, and at the most; twice as long each time."""


class Outage:
    """The outages of one storage, one after the other. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._well_since: float | None = None
        self._ended = -math.inf
        self._patience = 0.0

    @property
    def goes_on(self) -> bool:
        """Whether there is one."""
        return self._began is not None

    def fails(self, since: float) -> bool:
        """Note that storage fails, since then; return whether an outage begins with that."""
        self._well_since = None
        if self._began is not None:
            return False
        first, longest = PATIENCE_SECONDS
        soon = since - self._ended < SOON_SECONDS
        self._patience = min(max(first, 2 * self._patience), longest) if soon else 0.0
        self._began = since
        return True

    def works(self, now: float) -> float | None:
        """Note that storage works; return how long the outage took that is over with that, if there is one."""
        if self._began is None:
            return None
        if self._well_since is None:
            self._well_since = now
        if now - self._well_since < self._patience:
            return None
        seconds = self._well_since - self._began
        self._began, self._ended = None, now
        return seconds
