"""Logs when the content of a service is replaced as a whole: its storage then has another epoch.

Only the storage knows why. A restore is intended, so this is not an error; storage that was set back has logged one
itself.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import Final

from sharedstate_anyio.logs.events import about

log = logging.getLogger("sharedstate")

REMEMBERED: Final = 100
"""Number of old epochs remembered: answers of storage may overtake one another, but not by much."""


class Epochs:
    """The epochs in the answers of one service's storage."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._seen: deque[str] = deque(maxlen=REMEMBERED)

    def see(self, epoch: str) -> None:
        """Note the epoch of an answer."""
        if epoch in self._seen:
            return
        if self._seen:
            text = (
                "service %s: its content was replaced as a whole, under a new epoch, and every client gets it "
                "(a restore does that; if storage was set back, this log has an error about it)"
            )
            log.warning(text, self._service, extra=about("replaced", service=self._service))
        self._seen.append(epoch)
