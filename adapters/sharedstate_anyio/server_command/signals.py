"""Shutdown of the command: immediate while it starts, orderly while it serves, and always in bounded time.

1. SIGTERM and SIGINT end a start at once, whatever it waits for: nothing has been accepted yet, and storage survives
   that at any moment. The exit status is 0.
2. Once it serves, the first signal begins an orderly stop; further ones change nothing.
3. An orderly stop that takes too long is abandoned. What is not stored by then was never acknowledged, and clients know
   it.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from typing import TYPE_CHECKING, Final

from sharedstate_anyio.logs.events import about
from sharedstate_anyio.server import FINISH_SECONDS, GOODBYE_SECONDS

if TYPE_CHECKING:
    from types import FrameType

log = logging.getLogger("sharedstate")

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

LATEST_SECONDS: Final = FINISH_SECONDS + GOODBYE_SECONDS + 1.0
"""How long an orderly stop may take; the last second is for closing storage."""


class Shutdown:
    """Ends the process, by signals and within bounded time.

    Attributes:
        hung_up: whether SIGHUP came during the start.
    """

    def __init__(self) -> None:
        self.hung_up = False
        self._starting = True

    def watch(self) -> None:
        """Handle the signals while no event loop does: before it serves and afterwards."""
        for signum in SIGNALS:
            signal.signal(signum, self._hear)

    def started(self) -> None:
        """Note that it serves; the event loop now handles signals."""
        self._starting = False

    def bound(self, status: int) -> None:
        """End the process after `LATEST_SECONDS` unless it ends by itself: threads may wait for storage."""
        text = (
            "the orderly stop took longer than %g s, and storage did not finish: ending without it"
        )
        fields = about("end_unfinished")
        arguments = (status, logging.ERROR, fields, text, LATEST_SECONDS)
        timer = threading.Timer(LATEST_SECONDS, _leave, arguments)
        timer.daemon = True
        timer.start()

    def _hear(self, signum: int, _: FrameType | None) -> None:
        if not self._starting:
            return
        if signum == signal.SIGHUP:
            self.hung_up = True
            return
        self._starting = False
        # In a thread: the interrupted code may hold a lock of the logging module.
        name = signal.Signals(signum).name
        fields = about("stopping", signal=name)
        arguments = (0, logging.INFO, fields, "%s: the start was aborted", name)
        threading.Thread(target=_leave, args=arguments, daemon=True).start()


def _leave(status: int, level: int, fields: dict[str, object], text: str, *values: object) -> None:
    """End the process after a last log line, whatever its threads wait for."""
    log.log(level, text, *values, extra=fields)
    logging.shutdown()
    os._exit(status)
