"""Keeps a process from reporting anything of a lost history; the same for every store (see `history`).

1. Whatever is read must go on from what was last reported. If it does not, it is verified under a lock and read again.
2. A new epoch is always logged, even if the caller is cancelled meanwhile.
3. A reader that holds more than the store does is believed once, for the epoch with which the process began. A failed
   attempt to query the store does not count.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import anyio

from sharedstate_core.storage import Cursor

from .log import report, report_doubt
from .memory import Memory
from .vectors import STARTS, find_lost, steady

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence

    from sharedstate_core.paths import CollectionPath

    from .vectors import Lost, State

T = TypeVar("T")


class Verifier(Protocol):
    """What a store does under its lock, so that only one of several processes draws an epoch."""

    async def verify(self, remembered: Mapping[CollectionPath, State]) -> list[Lost]:
        """Return which collections do not go on from what is remembered; if any, draw a new epoch, found in `now`."""
        ...

    async def believe(self, collection: CollectionPath, claimed: Cursor) -> State | None:
        """Draw a new epoch, and return the old head, if the head is of the claimed epoch but lower."""
        ...


class Guard:
    """The guard of one store, for asyncio.

    Args:
        store: its name in the log.
        verifier: the store.

    Attributes:
        memory: what was last reported.
    """

    def __init__(self, store: str, verifier: Verifier) -> None:
        self.memory = Memory()
        self._store = store
        self._verifier = verifier
        self._inherited: str | None = None  # the epoch at the start, until a reader is believed

    def begin(self, starts: State) -> None:
        """Note the store's epoch and the starts that it knows, including this one."""
        self._inherited = starts.epoch
        self.memory.note(STARTS, None, starts)

    async def read(
        self,
        paths: Sequence[CollectionPath],
        work: Callable[[], Awaitable[tuple[T, Mapping[CollectionPath, State]]]],
    ) -> T:
        """Return what is read from some collections, and remember their heads.

        Args:
            paths: the collections.
            work: returns the result, and the heads of these collections and of `STARTS`.
        """
        paths = [*paths, STARTS]
        remembered = self.memory.states(paths)
        result, heads = await work()
        if suspects := find_lost(remembered, heads):
            await whole(self._verify({path: before for path, before, _ in suspects}))
            result, heads = await work()
        for path in paths:
            self.memory.note(path, remembered.get(path), heads[path])
        return result

    async def heads(
        self,
        collections: Sequence[CollectionPath],
        look: Callable[[Sequence[CollectionPath]], Awaitable[dict[CollectionPath, State]]],
    ) -> Mapping[CollectionPath, Cursor]:
        """See `Backend.heads`; also checks our latest commit, and some other collections in turn.

        Args:
            collections: the requested ones.
            look: returns the heads of these collections, and `STARTS`.
        """
        paths = self.memory.look(collections)
        told = self.memory.told(paths)

        async def work() -> tuple[dict[CollectionPath, State], dict[CollectionPath, State]]:
            heads = steady(told, await look(paths))
            return heads, heads

        heads = await self.read(paths, work)
        return {path: Cursor(heads[path].epoch, heads[path].version) for path in collections}

    async def doubt(self, collection: CollectionPath, claimed: Cursor) -> None:
        """Note that a reader claims to hold a state that the store does not hold."""
        if claimed.epoch != self._inherited:
            return
        self._inherited = None
        await whole(self._believe(collection, claimed))

    def report(self, lost: Sequence[Lost]) -> None:
        """Log the new epoch that was drawn if the histories of these collections were lost."""
        if lost:
            report(self._store, lost)

    async def _verify(self, suspects: Mapping[CollectionPath, State]) -> None:
        lost = await self._verifier.verify(suspects)
        self.memory.forget(lost)
        self.report(lost)

    async def _believe(self, collection: CollectionPath, claimed: Cursor) -> None:
        try:
            before = await self._verifier.believe(collection, claimed)
        except Exception:
            self._inherited = claimed.epoch
            raise
        if before is not None:
            report_doubt(self._store, collection, claimed, before)


async def whole(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of work that runs to its end even if the caller is cancelled, by asyncio or anyio.

    The caller waits until then, so that a new epoch is logged.
    """
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError as error:
                cancelled = error
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # nobody is waiting any more
        raise cancelled
    return task.result()
