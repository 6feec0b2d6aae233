"""What waits to be committed to SQLite, and the transactions that commit it.

What waits goes into one transaction, whatever the collections; if it fails, each goes alone. One transaction is under
way at a time: the file has one write lock.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from sharedstate_backends.contract import OutcomeUnknownError, StorageError
from sharedstate_backends.futures import settle
from sharedstate_backends.history.history import STARTS

from .tables import Part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_backends.history.guard import Guard
    from sharedstate_backends.history.history import Lost, State
    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import CommitResult, Write

    from .tables import Stored, Tables
    from .threads import Threads

MAX_MERGED: Final = 256
"""Commits in one transaction: enough to make its cost per commit small, few enough that none waits long."""


class Writer:
    """Takes commits and tells what came of each.

    Args:
        name: of the database, for messages.
        threads: its connections.
        tables: what a transaction comes to.
        guard: knows what was told of each collection.
    """

    def __init__(self, name: str, threads: Threads, tables: Tables, guard: Guard) -> None:
        self._name = name
        self._threads = threads
        self._tables = tables
        self._guard = guard
        self._waiting: deque[_Waiting] = deque()
        self._writing: asyncio.Task[None] | None = None

    async def commit(self, collection: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        """Commit, in one transaction with others that wait."""
        result: asyncio.Future[CommitResult] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(collection, writes, result))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_waiting())
        return await result

    async def finish(self) -> None:
        """Wait for the commits under way."""
        if self._writing is not None:
            await asyncio.wait([self._writing])

    async def _write_waiting(self) -> None:
        """Commit what waits until nothing does: one task, so one transaction at a time."""
        taken: list[_Waiting] = []
        try:
            while self._waiting:
                taken = self._take()
                parts = self._parts(taken)
                commit = partial(self._tables.commit, since=self._since(parts))
                results = await self._threads.write(commit, parts)
                self._committed(parts, results)
                for waiting, outcome in zip(taken, results, strict=True):
                    result = outcome if isinstance(outcome, Exception) else outcome.result
                    settle(waiting.result, result)
        finally:
            self._writing = None
            for waiting in taken:  # answered already, unless the loop itself is being ended
                unknown = OutcomeUnknownError(f"{self._name}: the server ended meanwhile")
                settle(waiting.result, unknown)
            while self._waiting:
                refused = StorageError(f"{self._name}: the server is ending")
                settle(self._waiting.popleft().result, refused)

    def _take(self) -> list[_Waiting]:
        """Take what waits; of one collection, whose caller did not wait for the last commit's end, one only."""
        taken: dict[CollectionPath, _Waiting] = {}
        while self._waiting and len(taken) < MAX_MERGED:
            if self._waiting[0].collection in taken:
                break
            waiting = self._waiting.popleft()
            taken[waiting.collection] = waiting
        return list(taken.values())

    def _parts(self, taken: Sequence[_Waiting]) -> list[Part]:
        take = self._guard.memory.take
        return [Part(path, writes, *take(path)) for path, writes, _ in taken]

    def _since(self, parts: Sequence[Part]) -> State | None:
        """Return from which starts the store must go on, if a collection does not show that by its own head."""
        if all(part.before and part.before.version for part in parts):
            return None
        return self._guard.memory.states([STARTS]).get(STARTS)

    def _committed(self, parts: Sequence[Part], results: Sequence[Stored | Exception]) -> None:
        """Remember what came of a transaction."""
        memory = self._guard.memory
        lost: dict[CollectionPath, Lost] = {}
        for part, stored in zip(parts, results, strict=True):
            if isinstance(stored, Exception):
                memory.doubt(part.collection)
                continue
            memory.note(part.collection, part.before, stored.state)
            if stored.is_written:
                memory.latest = part.collection
            if stored.lost is not None:
                lost[stored.lost.path] = stored.lost
        self._guard.report(list(lost.values()))


class _Waiting(NamedTuple):
    """A commit that waits for its transaction."""

    collection: CollectionPath
    writes: Sequence[Write]
    result: asyncio.Future[CommitResult]
