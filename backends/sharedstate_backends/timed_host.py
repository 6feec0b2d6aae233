"""A driver's host on anyio: it provides the time, wakes the core, and stops it in order."""

import time

import anyio

from sharedstate_core.driver import Driver, Host
from sharedstate_core.driver.peer import P


class TimedHost(Host[P]):
    """What hosts on asyncio and trio have in common; its time is `time.monotonic()`.

    Attributes:
        driver: receives what happens; made by the derived class.
    """

    driver: Driver[P]

    def __init__(self) -> None:
        self._changed = anyio.Event()

    def wall_time(self) -> float:
        """Return seconds since the Unix epoch."""
        return time.time()

    def changed(self) -> None:
        """Wake the tasks that wait for the time or for the end."""
        self._changed.set()

    async def keep_time(self) -> None:
        """Wake the core whenever it is due."""
        while True:
            at = self.driver.next_wakeup
            with anyio.move_on_after(None if at is None else max(0.0, at - time.monotonic())):
                await self._change()
            if at is not None and at <= (now := time.monotonic()):
                self.driver.wake(now)

    async def finish(self, seconds: float) -> bool:
        """Accept nothing more, finish what was accepted, and close everybody.

        Args:
            seconds: how long storage may take; after that everybody is closed anyway.

        Returns:
            Whether storage has finished.
        """
        now = time.monotonic()
        self.driver.stop(now, now + seconds)
        while not self.driver.is_stopped:
            await self._change()
        return self.driver.is_idle

    async def wait_empty(self) -> None:
        """Return once every connection has ended."""
        while self.driver.has_peers:
            await self._change()

    async def _change(self) -> None:
        if self._changed.is_set():
            self._changed = anyio.Event()
        await self._changed.wait()
