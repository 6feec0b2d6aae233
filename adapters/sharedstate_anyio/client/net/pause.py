"""The pause between two attempts to connect, which a program may inspect and cut short."""

from __future__ import annotations

import time

import anyio


class Pause:
    """One pause at a time.

    Attributes:
        until: when it ends, in seconds since the Unix epoch; None while there is none.
    """

    def __init__(self) -> None:
        self.until: float | None = None
        self._skipped = anyio.Event()

    async def wait(self, seconds: float) -> None:
        """Pause for this long, or until the pause is skipped."""
        self._skipped = anyio.Event()
        self.until = time.time() + seconds
        try:
            with anyio.move_on_after(seconds):
                await self._skipped.wait()
        finally:
            self.until = None

    def skip(self) -> None:
        """End the pause now, if there is one."""
        self._skipped.set()
