"""The beginning and the end of outages, each reported once.

Flapping storage would fill the log. So an outage that begins soon after another one counts as over only when storage
has worked for a while, longer each time.
"""

from __future__ import annotations

import math
from typing import Final

SOON_SECONDS: Final = 60.0
"""An outage that begins this soon after the last one counts as flapping."""

PATIENCE_SECONDS: Final = (1.0, 60.0)
"""How long storage must then have worked: at first, and at most; it doubles each time."""


class Outage:
    """The outages of one storage, one after the other. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._well_since: float | None = None
        self._ended = -math.inf
        self._patience = 0.0

    @property
    def goes_on(self) -> bool:
        """Whether there is one now."""
        return self._began is not None

    def fails(self, since: float) -> bool:
        """Note that storage has failed since a moment; return whether an outage begins."""
        self._well_since = None
        if self._began is not None:
            return False
        first, longest = PATIENCE_SECONDS
        soon = since - self._ended < SOON_SECONDS
        self._patience = min(max(first, 2 * self._patience), longest) if soon else 0.0
        self._began = since
        return True

    def works(self, now: float) -> float | None:
        """Note that storage works; return the length of the outage that ends, if one does."""
        if self._began is None:
            return None
        if self._well_since is None:
            self._well_since = now
        if now - self._well_since < self._patience:
            return None
        seconds = self._well_since - self._began
        self._began, self._ended = None, now
        return seconds
