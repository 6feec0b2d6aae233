"""Calls from trio to an asyncio loop in another thread, and back.

1. Calls made in one turn of trio's loop cross together at its end, and so do results that are there in one turn of
   asyncio's: to wake a loop from another thread costs a system call and a change of threads, more than the call
   itself; and commits that arrive together share a transaction.
2. What crosses is handed over whole: neither side looks at what the other still gathers.
3. A caller who is cancelled waits for the end of its call nevertheless.
"""

from __future__ import annotations

from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

import trio

from .contract import OutcomeUnknownError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine, Sequence

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Crossing:
    """The way from the trio loop at hand to an asyncio loop.

    Args:
        loop: runs in another thread, until every call has ended.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._token = trio.lowlevel.current_trio_token()
        self._calls: list[_Call] = []  # of this turn of trio's
        self._turn = _Turn(self._cross)
        trio.lowlevel.add_instrument(self._turn)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._ended: list[_Call] = []  # of this turn of asyncio's

    def close(self) -> None:
        """Let nothing cross any more; every call has ended."""
        trio.lowlevel.remove_instrument(self._turn)

    async def run(self, function: Callable[[*Ts], Coroutine[Any, Any, T]], *args: *Ts) -> T:
        """Return `await function(*args)`, run on the asyncio loop.

        It starts with an empty context: the caller's says that the loop at hand is trio.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        call = _Call(function(*args), trio.lowlevel.current_task())
        self._calls.append(call)
        await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED)
        assert call.ended is not None  # noqa: S101  (that is what was waited for)
        if call.ended.cancelled():
            raise OutcomeUnknownError("the store was ended meanwhile")
        result: T = call.ended.result()
        return result

    def _cross(self) -> None:
        """Let the calls cross; at the end of a turn of trio's."""
        if not self._calls:
            return
        calls, self._calls = self._calls, []
        self._loop.call_soon_threadsafe(self._start, calls, context=Context())

    def _start(self, calls: Sequence[_Call]) -> None:
        """Start what crossed; on the asyncio loop."""
        for call in calls:
            task = self._loop.create_task(call.coroutine)
            self._tasks.add(task)
            task.add_done_callback(partial(self._end, call))

    def _end(self, call: _Call, task: asyncio.Task[Any]) -> None:
        """Take down a call's end; on the asyncio loop."""
        self._tasks.discard(task)
        call.ended = task
        self._ended.append(call)
        if len(self._ended) == 1:
            self._loop.call_soon(self._tell)

    def _tell(self) -> None:
        """Let the results cross; on the asyncio loop."""
        ended, self._ended = self._ended, []
        self._token.run_sync_soon(self._deliver, ended)

    @staticmethod
    def _deliver(ended: Sequence[_Call]) -> None:
        """Wake the callers; on trio."""
        for call in ended:
            trio.lowlevel.reschedule(call.caller)


class _Turn(trio.abc.Instrument):
    """Hears of the end of a turn of trio's: then it waits for I/O, be it for no time at all."""

    def __init__(self, ended: Callable[[], None]) -> None:
        self._ended = ended

    def before_io_wait(self, timeout: float) -> None:  # noqa: ARG002
        """See `trio.abc.Instrument`."""
        self._ended()


class _Call:
    """One call under way.

    Attributes:
        coroutine: what to run.
        caller: who waits.
        ended: its task, once that is done.
    """

    __slots__ = ("caller", "coroutine", "ended")

    def __init__(self, coroutine: Coroutine[Any, Any, Any], caller: trio.lowlevel.Task) -> None:
        self.coroutine = coroutine
        self.caller = caller
        self.ended: asyncio.Task[Any] | None = None
