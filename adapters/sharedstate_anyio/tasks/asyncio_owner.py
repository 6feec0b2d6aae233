"""An asyncio task that enters a context manager, waits, and leaves it; see `own_task` for the rules."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import anyio

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

T = TypeVar("T")

UNWIND_SECONDS: Final = 5.0
"""How long the own task waits for the end of a cancelled block, in seconds: it may have been abandoned."""

_running: Final[set[asyncio.Task[None]]] = set()
"""Strong references: the loop holds its tasks only weakly."""


class Owner(Generic[T]):
    """The block's own task, as seen by those who enter and leave."""

    def __init__(self, manager: AbstractAsyncContextManager[T]) -> None:
        self._manager = manager
        self._scope = anyio.CancelScope()
        self._entered: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._left = asyncio.Event()
        self._leaving = False
        self._failing = False  # before the block has ended
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
        """Cancel the block, unless it has ended or others have cancelled it too, and wait for its end."""
        self._failing = not self._leaving
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
        """Return the value for the block.

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
        """Cancel the block if a cancellation by others prevented that when the failure came."""
        if self._failed and not (self._leaving or self._cancelled_entrant or self._entrant.done()):
            self._cancelled_entrant = self._entrant.cancel()

    def _leave(self, _: object = None) -> None:
        self._leaving = True
        self._left.set()

    async def leave(self, *, cancelled: bool) -> None:
        """Let the own task end, or cancel it as the block was.

        Raises:
            Exception: the own task failed while cleaning up, or earlier without anybody else cancelling the block.
        """
        self._leave()
        by_us = self._take_back()
        if cancelled and not by_us:
            self._scope.cancel()
        interrupted = await self._end()
        failure = self._task.exception() if self._failed else None
        others = interrupted is not None or (cancelled and not by_us)
        if failure is not None and not (self._failing and others):
            raise failure
        if interrupted is not None:
            raise interrupted

    def _take_back(self) -> bool:
        """Undo the cancellation of rule 3; return whether it was the only one."""
        if not self._cancelled_entrant or self._entrant.done():
            return False
        others = self._entrant.uncancel()
        return self._entrant is asyncio.current_task() and others <= self._cancelling

    async def _end(self) -> asyncio.CancelledError | None:
        """Wait for the own task; if the wait is cancelled, cancel the own task and keep waiting."""
        interrupted = None
        while not self._task.done():
            try:
                with anyio.CancelScope(shield=interrupted is not None):
                    await asyncio.wait([self._task])
            except asyncio.CancelledError as error:
                interrupted = error
                self._scope.cancel()
        return interrupted
