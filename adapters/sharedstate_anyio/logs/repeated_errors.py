"""Errors, and other events, that repeat: the first is logged at once, those that follow are counted.

A full disk under load fails a thousand commits a second. For each kind of error one line is written, then one that sums
up the next ten seconds and, while the error persists, intervals that double each time, up to ten minutes.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

log = logging.getLogger("sharedstate")

FIRST_SECONDS: Final = 10.0
"""How long after an error others of its kind are counted instead of logged."""

LONGEST_SECONDS: Final = 600.0
"""Longest interval between two lines about an error that persists."""

MAX_KINDS: Final = 100
"""Maximum number of kinds distinguished at a time; all further ones count as one."""


@dataclass(slots=True)
class _Window:
    ends: float
    seconds: float
    count: int = 0
    last: str = ""
    fields: Mapping[str, object] | None = None
    level: int = logging.ERROR


class RepeatedErrors:
    """Logs errors, and counts those that repeat.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows: dict[Hashable, _Window] = {}
        self._begun = anyio.Event()

    def report(
        self,
        kind: Hashable,
        message: str,
        error: BaseException | None = None,
        fields: Mapping[str, object] | None = None,
        level: int = logging.ERROR,
    ) -> None:
        """Log an error, or count it if one of its kind was logged recently.

        Args:
            kind: equal for errors that count as the same.
            message: one line.
            error: an exception to log with its traceback.
            fields: the fields of the event; see `formatting`.
            level: of the lines, the same for all of a kind.
        """
        if kind not in self._windows and len(self._windows) >= MAX_KINDS:
            kind = None
        window = self._windows.get(kind)
        if window is None:
            ends = self._clock() + FIRST_SECONDS
            self._windows[kind] = _Window(ends, FIRST_SECONDS, fields=fields, level=level)
            self._begun.set()
            log.log(level, "%s", message, exc_info=error, extra={"fields": fields or {}})
            return
        window.count += 1
        window.last = message
        window.fields = fields

    def settle(self, service: str) -> None:
        """Log the counts for this service, which works again: its next error is logged at once."""
        for kind, window in list(self._windows.items()):
            if kind is not None and (window.fields or {}).get("service") == service:
                if window.count:
                    _tell(window, self._clock())
                del self._windows[kind]

    async def run(self) -> None:
        """Log the counts at the end of each interval, until cancelled."""
        while True:
            self._begun = anyio.Event()
            next_end = min((w.ends for w in self._windows.values()), default=None)
            pause = None if next_end is None else max(0.0, next_end - self._clock())
            with anyio.move_on_after(pause):
                await self._begun.wait()
            self.tell()

    def tell(self, *, everything: bool = False) -> None:
        """Log the counts of the intervals that have ended, or of all of them."""
        now = self._clock()
        for kind, window in list(self._windows.items()):
            if now < window.ends and not everything:
                continue
            if not window.count:
                del self._windows[kind]
                continue
            _tell(window, now)
            seconds = min(2 * window.seconds, LONGEST_SECONDS)
            self._windows[kind] = _Window(now + seconds, seconds, level=window.level)


def _tell(window: _Window, now: float) -> None:
    passed = window.seconds - max(0.0, window.ends - now)
    fields = {**(window.fields or {}), "repeated": window.count}
    text = "… and %d more in %.3g s, the last: %s"
    log.log(window.level, text, window.count, passed, window.last, extra={"fields": fields})
