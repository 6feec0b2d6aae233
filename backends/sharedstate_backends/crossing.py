"""Calls from trio to an asyncio loop in another thread, and back.

1. Calls made in one turn of trio's loop cross together, and so do results that are there in one turn of asyncio's:
   to wake a loop from another thread costs a system call and a change of threads, more than the call itself.
2. A flag says that the other side has been told and not yet looked. Whoever adds something adds first and then reads
   the flag; whoever looks clears the flag first and then takes: so nothing is left lying.
3. A caller who is cancelled waits for the end of its call nevertheless.
"""

from __future__ import annotations

from collections import deque
from contextvars import Context
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

import trio

from .contract import OutcomeUnknownError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine

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
        self._calls: deque[_Call] = deque()
        self._loop_told = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._ended: deque[_Call] = deque()
        self._trio_told = False

    async def run(self, function: Callable[[*Ts], Coroutine[Any, Any, T]], *args: *Ts) -> T:
        """Return `await function(*args)`, run on the asyncio loop.

        It starts with an empty context: the caller's says that the loop at hand is trio.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        call = _Call(function(*args), trio.lowlevel.current_task())
        self._calls.append(call)
        if not self._loop_told:
            self._loop_told = True
            self._loop.call_soon_threadsafe(self._start, context=Context())
        await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED)
        assert call.ended is not None  # noqa: S101  (that is what was waited for)
        if call.ended.cancelled():
            raise OutcomeUnknownError("the store was ended meanwhile")
        result: T = call.ended.result()
        return result

    def _start(self) -> None:
        """Start what waits; on the asyncio loop."""
        self._loop_told = False
        while self._calls:
            call = self._calls.popleft()
            task = self._loop.create_task(call.coroutine)
            self._tasks.add(task)
            task.add_done_callback(lambda task, call=call: self._end(task, call))  # type: ignore[misc]

    def _end(self, task: asyncio.Task[Any], call: _Call) -> None:
        """Tell of a call's end; on the asyncio loop."""
        self._tasks.discard(task)
        call.ended = task
        self._ended.append(call)
        if not self._trio_told:
            self._trio_told = True
            self._token.run_sync_soon(self._deliver)

    def _deliver(self) -> None:
        """Wake the callers; on trio."""
        self._trio_told = False
        while self._ended:
            trio.lowlevel.reschedule(self._ended.popleft().caller)


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
