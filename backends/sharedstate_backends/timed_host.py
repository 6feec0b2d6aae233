"""A driver's host on anyio: it provides the time, wakes the core, and stops it in order."""

import time
from typing import Final

import anyio
import anyio.lowlevel

from sharedstate_core.driver import Driver, Host
from sharedstate_core.driver.peer import P

TURNS_BETWEEN: Final = 6
"""Turns of the loop that an update takes: it is read, stored by another thread, applied, sent."""


class TimedHost(Host[P]):
    """What hosts on asyncio and trio have in common; its time is `time.monotonic()`.

    A derived class makes `_driver`.
    """

    _driver: Driver[P]

    def __init__(self) -> None:
        self._changed = anyio.Event()

    @property
    def driver(self) -> Driver[P]:
        """Receives what happens."""
        return self._driver

    def wall_time(self) -> float:
        """Return seconds since the Unix epoch."""
        return time.time()

    def changed(self) -> None:
        """Wake the tasks that wait for the time or for the end."""
        self._changed.set()

    async def keep_time(self) -> None:
        """Wake the core whenever it is due; if it is due at once, everybody else has some turns of the loop before."""
        while True:
            at = self._driver.next_wakeup
            if at is not None and at <= time.monotonic():
                for _ in range(TURNS_BETWEEN):
                    await anyio.lowlevel.checkpoint()
                self._wake(time.monotonic())
                continue
            with anyio.move_on_after(None if at is None else max(0.0, at - time.monotonic())):
                await self._change()
            if at is not None and at <= (now := time.monotonic()):
                self._wake(now)

    def _wake(self, now: float) -> None:
        self._driver.wake(now)

    async def finish(self, seconds: float) -> bool:
        """Accept nothing more, finish what was accepted, and close everybody.

        Args:
            seconds: how long storage may take; after that everybody is closed anyway.

        Returns:
            Whether storage has finished.
        """
        now = time.monotonic()
        self._driver.stop(now, now + seconds)
        while not self._driver.is_stopped:
            await self._change()
        return self._driver.is_idle

    async def wait_empty(self) -> None:
        """Return once every connection has ended."""
        while self._driver.has_peers:
            await self._change()

    async def _change(self) -> None:
        if self._changed.is_set():
            self._changed = anyio.Event()
        await self._changed.wait()
