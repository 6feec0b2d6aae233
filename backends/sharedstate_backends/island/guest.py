"""An asyncio loop that is a guest of trio's: both run in one thread, and neither blocks the other.

1. The guest runs until it would block. Then trio waits for the guest's selector and its next timer instead, and runs it
   again.
2. So a call costs no thread switch, and the loops do not compete for the interpreter.
3. A cancelled caller still waits for the end of its call.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final, TypeVar, TypeVarTuple

import sniffio
import trio

from sharedstate_backends.contract import OutcomeUnknownError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

PASSES: Final = 16
"""Maximum number of iterations of the guest's loop before trio gets its turn."""


class GuestLoop:
    """An asyncio loop within the running trio loop, until `close`.

    Raises:
        StorageError: trio cannot wait for this system's selectors.
    """

    def __init__(self) -> None:
        self._selector = _Selector()
        if not hasattr(self._selector, "fileno"):
            raise StorageError("on trio this store needs epoll or kqueue, which are not here")
        self._loop = asyncio.SelectorEventLoop(self._selector)
        self._wait = trio.CancelScope()  # of the task that waits for the selector
        self._calls = trio.lowlevel.ParkingLot()  # where the task that waits for calls is parked
        trio.lowlevel.spawn_system_task(self._run_when_ready)
        trio.lowlevel.spawn_system_task(self._run_when_called)

    async def call(self, function: Callable[[*Ts], Coroutine[Any, Any, T]], *args: *Ts) -> T:
        """Return `await function(*args)`, run on the guest with a context of its own.

        Raises:
            OutcomeUnknownError: it was cancelled from within the guest.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        caller = trio.lowlevel.current_task()
        task = self._loop.create_task(function(*args), context=Context())
        task.add_done_callback(lambda _: trio.lowlevel.reschedule(caller))
        self._calls.unpark()
        await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED)
        if task.cancelled():
            raise OutcomeUnknownError("the store was ended meanwhile")
        return task.result()

    async def close(self) -> None:
        """End the guest once every call has ended."""
        await self.call(_end_tasks)
        await self.call(self._loop.shutdown_asyncgens)
        await self.call(self._loop.shutdown_default_executor)
        trio.lowlevel.notify_closing(self._selector)
        self._loop.close()
        self._calls.unpark()

    async def _run_when_ready(self) -> None:
        try:
            while not self._loop.is_closed():
                with trio.CancelScope(deadline=self._run()) as self._wait:
                    await trio.lowlevel.wait_readable(self._selector)
        except trio.ClosedResourceError:
            pass
        finally:
            self._abandon()

    async def _run_when_called(self) -> None:
        while not self._loop.is_closed():
            self._wait.deadline = self._run()
            await self._calls.park()

    def _run(self) -> float:
        """Run the guest; return how long trio may wait, as a time on its clock."""
        self._selector.passes = PASSES
        host, sniffio.thread_local.name = sniffio.thread_local.name, "asyncio"
        running = asyncio._get_running_loop()  # noqa: SLF001 (made for loops; trio may be a guest itself)
        asyncio._set_running_loop(None)  # noqa: SLF001
        try:
            self._loop.run_forever()
        except _WouldWait as wait:
            return math.inf if wait.seconds is None else trio.current_time() + wait.seconds
        finally:
            sniffio.thread_local.name = host
            asyncio._set_running_loop(running)  # noqa: SLF001
        return trio.current_time()  # its `stop` was called: it continues at once

    def _abandon(self) -> None:
        """End the guest, which nobody has closed, because trio ends."""
        if not self._loop.is_closed():
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._run()
            self._loop.close()


class _WouldWait(BaseException):
    """Leaves the guest's loop where it would block.

    Attributes:
        seconds: how long the guest would block if nothing happens; None for ever.
    """

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds


class _Selector(selectors.DefaultSelector):
    """The guest's selector, which leaves the loop instead of blocking.

    Attributes:
        passes: how often it may be polled before it leaves anyway.
    """

    passes = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """See `selectors.BaseSelector.select`."""
        if not self.passes:
            raise _WouldWait(0)
        self.passes -= 1
        events = super().select(0)
        if not events and timeout != 0:
            raise _WouldWait(timeout)
        return events


async def _end_tasks() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
