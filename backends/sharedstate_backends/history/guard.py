"""Sees to it that a process tells nothing of a history that is lost: the same for every store (see `history`).

1. Whatever is read must go on from what was told of. If not, it is looked at again under a lock, and read again.
2. Who draws an epoch says so in the log, whatever becomes of its caller in the meantime.
3. A reader who holds more than there is, is believed once, of the epoch with which the process began. Where the store
   could not be asked, that was no time.
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


class Judge(Protocol):
    """What a store does under its lock, so that of several processes one draws an epoch."""

    async def verify(self, remembered: Mapping[CollectionPath, State]) -> list[Lost]:
        """Return which collections do not go on from what is remembered; if any, draw a new epoch, which `now` has."""
        ...

    async def believe(self, collection: CollectionPath, claimed: Cursor) -> State | None:
        """Draw a new epoch if the head is still of the epoch claimed, but lower; return what it was then."""
        ...


class Guard:
    """The guard of one store, for asyncio.

    Args:
        store: what it is called in the log.
        judge: the store.

    Attributes:
        memory: what was told of.
    """

    def __init__(self, store: str, judge: Judge) -> None:
        self.memory = Memory()
        self._store = store
        self._judge = judge
        self._inherited: str | None = None  # the epoch at the start, until a reader was believed

    def begin(self, starts: State) -> None:
        """Hear which starts the store knows, this one among them, and so its epoch."""
        self._inherited = starts.epoch
        self.memory.note(STARTS, None, starts)

    async def read(
        self,
        paths: Sequence[CollectionPath],
        work: Callable[[], Awaitable[tuple[T, Mapping[CollectionPath, State]]]],
    ) -> T:
        """Return what is read of these collections, and remember their heads.

        Args:
            paths: of which collections.
            work: returns what is read, and the head of each and of `STARTS`.
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
        """Do as `Backend.heads`; looks at our latest commit, too, and at some others in turn.

        Args:
            collections: those that are asked for.
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
        """Hear that a reader claims to hold a state which is not there."""
        if claimed.epoch != self._inherited:
            return
        self._inherited = None
        await whole(self._believe(collection, claimed))

    def report(self, lost: Sequence[Lost]) -> None:
        """Log that a new epoch was drawn, if one was: these collections' histories were lost."""
        if lost:
            report(self._store, lost)

    async def _verify(self, suspects: Mapping[CollectionPath, State]) -> None:
        lost = await self._judge.verify(suspects)
        self.memory.forget(lost)
        self.report(lost)

    async def _believe(self, collection: CollectionPath, claimed: Cursor) -> None:
        try:
            before = await self._judge.believe(collection, claimed)
        except Exception:
            self._inherited = claimed.epoch
            raise
        if before is not None:
            report_doubt(self._store, collection, claimed, before)


async def whole(work: Coroutine[Any, Any, T]) -> T:
    """Return what is done to its end, even if the caller is cancelled meanwhile, in asyncio's way or in anyio's.

    The caller is held until then: who draws an epoch says so in the log.
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
            task.exception()  # nobody waits for it any more
        raise cancelled
    return task.result()
