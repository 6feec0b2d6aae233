"""A task of asyncio that enters a context manager, waits, and leaves it; see `own_task` for the rules."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import anyio

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

T = TypeVar("T")

UNWIND_SECONDS: Final = 5.0
"""How long what a cancelled block uses waits for its end: it may have been left to nobody."""

_running: Final[set[asyncio.Task[None]]] = set()
"""The loop itself holds its tasks weakly."""


class Owner(Generic[T]):
    """The own task, and what others say to it."""

    def __init__(self, manager: AbstractAsyncContextManager[T]) -> None:
        self._manager = manager
        self._scope = anyio.CancelScope()
        self._entered: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._left = asyncio.Event()
        self._leaving = False
        self._failed = False
        self._cancelled_entrant = False
        entrant = asyncio.current_task()
        assert entrant is not None  # noqa: S101  (a coroutine runs in a task)
        self._entrant = entrant
        self._cancelling = entrant.cancelling()
        self._task = asyncio.create_task(self._live())
        _running.add(self._task)
        self._task.add_done_callback(_running.discard)

    async def _live(self) -> None:
        try:
            with self._scope:
                async with self._manager as value:
                    self._entered.set_result(value)
                    try:
                        await self._left.wait()
                    except asyncio.CancelledError:
                        await self._end_block()
                        raise
        except Exception:
            self._failed = True
            raise

    async def _end_block(self) -> None:
        """Cancel the block, unless it has ended, or others have cancelled it, too, and wait for its end."""
        if self._leaving or self._entrant.done() or self._entrant.cancelling() > self._cancelling:
            return
        self._cancelled_entrant = self._entrant.cancel()
        self._entrant.add_done_callback(self._leave)
        try:
            with anyio.move_on_after(UNWIND_SECONDS, shield=True):
                await self._left.wait()
        finally:
            self._entrant.remove_done_callback(self._leave)

    async def enter(self) -> T:
        """Return what the block gets.

        Raises:
            Exception: entering failed.
        """
        try:
            await asyncio.wait((self._task, self._entered), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self.leave(cancelled=True)
            raise
        if self._task.done():
            self._task.result()
        self._task.add_done_callback(self._ended)
        return self._entered.result()

    def _ended(self, _: object) -> None:
        """Cancel the block if that was not done when the failure came."""
        if self._failed and not (self._leaving or self._cancelled_entrant or self._entrant.done()):
            self._cancelled_entrant = self._entrant.cancel()

    def _leave(self, _: object = None) -> None:
        self._leaving = True
        self._left.set()

    async def leave(self, *, cancelled: bool) -> None:
        """Let the own task end, or cancel it as the block was.

        Raises:
            Exception: the own task failed, and nobody else has cancelled the block.
        """
        self._leave()
        if cancelled and not self._cancelled_entrant:
            self._scope.cancel()
        try:
            await self._end()
        finally:
            by_us = self._take_back() and cancelled
        if self._failed and (by_us or not cancelled):
            self._task.result()

    async def _end(self) -> None:
        """Wait for the own task; whoever cancels the waiting cancels the own task."""
        interrupted: asyncio.CancelledError | None = None
        with anyio.CancelScope(shield=True):
            while not self._task.done():
                try:
                    await asyncio.wait([self._task])
                except asyncio.CancelledError as error:
                    interrupted = error
                    self._scope.cancel()
        if interrupted is not None:
            raise interrupted

    def _take_back(self) -> bool:
        """Undo the cancellation of rule 3; return whether it was the only one."""
        if not self._cancelled_entrant or self._entrant.done():
            return False
        others = self._entrant.uncancel()
        return self._entrant is asyncio.current_task() and others <= self._cancelling
