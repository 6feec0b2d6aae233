"""Commits to SQLite, and what a process remembers of them.

One transaction is under way at a time: the file has one write lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sharedstate_backends.batching import Batcher
from sharedstate_backends.contract import OutcomeUnknownError, StorageError
from sharedstate_backends.history.vectors import STARTS

from .commits import Part
from .connection import WorkError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from sharedstate_backends.batching import Commit
    from sharedstate_backends.history.guard import Guard
    from sharedstate_backends.history.vectors import Lost, State
    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import CommitResult, Write

    from .commits import Commits, Stored
    from .threads import Threads


class Writer:
    """Takes commits and returns the outcome of each.

    Args:
        name: name of the database, for messages.
        threads: its connections.
        commits: does the work of a transaction.
        guard: knows what was reported of each collection.
    """

    def __init__(self, name: str, threads: Threads, commits: Commits, guard: Guard) -> None:
        self._threads = threads
        self._commits = commits
        self._guard = guard
        self._batcher = Batcher(name, self._transact)

    async def commit(self, collection: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        """See `Batcher.commit`."""
        return await self._batcher.commit(collection, writes)

    async def finish(self) -> None:
        """See `Batcher.finish`."""
        await self._batcher.finish()

    async def _transact(
        self,
        commits: Sequence[Commit],
        prepared: Callable[[], None],  # noqa: ARG002 (no other may begin meanwhile)
    ) -> Sequence[CommitResult | Exception]:
        """See `Transact`."""
        take = self._guard.memory.take
        parts = [Part(path, writes, *take(path)) for path, writes in commits]
        since = self._since(parts)

        def commit(cursor: sqlite3.Cursor) -> list[Stored]:
            return self._commits.commit(cursor, parts, since)

        try:
            results = await self._threads.write(commit)
        except (StorageError, OutcomeUnknownError) as error:
            if isinstance(error, WorkError) and len(parts) > 1:
                raise
            for part in parts:
                self._guard.memory.doubt(part.collection)
            return [error] * len(parts)
        self._committed(parts, results)
        return [stored.result for stored in results]

    def _since(self, parts: Sequence[Part]) -> State | None:
        """Return the starts from which the store must go on, if a collection does not show that by its own head."""
        if all(part.before and part.before.version for part in parts):
            return None
        return self._guard.memory.states([STARTS]).get(STARTS)

    def _committed(self, parts: Sequence[Part], results: Sequence[Stored]) -> None:
        """Remember the outcome of a transaction."""
        memory = self._guard.memory
        lost: dict[CollectionPath, Lost] = {}
        for part, stored in zip(parts, results, strict=True):
            memory.note(part.collection, part.before, stored.state)
            if stored.is_written:
                memory.latest = part.collection
            if stored.lost is not None:
                lost[stored.lost.path] = stored.lost
        self._guard.report(list(lost.values()))
