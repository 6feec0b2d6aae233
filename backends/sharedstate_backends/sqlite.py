"""SQLite behind the `Backend` contract, for asyncio (on trio: within an `Island`).

1. Every operation is one function on a connection's own thread: one hop there and back, whatever it does.
2. What waits to be committed goes into one transaction, whatever the collections; if it fails, each goes alone.
3. A file has a second connection for reading: a large load does not hold up commits. A database in memory
   has one connection, since it lives in it.
4. Several processes may use one file: versions are read and raised under the file's write lock.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar, cast

import aiosqlite
import anyio

from . import sqlite_connection, sqlite_migration, sqlite_schema
from .contract import OutcomeUnknownError, StorageError
from .plan import MAX_TOMBSTONES
from .sqlite_connection import MEMORY
from .sqlite_tables import Part, Tables

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence

    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import CommitResult, Cursor, Loaded, Write

    from .migration import Migrated, Tell

T = TypeVar("T")

BUSY_TIMEOUT: Final = 5.0
"""Seconds to wait for another program that holds the file's write lock: its transactions are short, too."""

MAX_MERGED: Final = 256
"""Commits in one transaction: enough to make its cost per commit small, few enough that none waits long."""


class SqliteBackend:
    """A store in one SQLite database.

    Args:
        name: path of the file, or `:memory:`.
        table: a valid table name; names of further tables begin with it.
        synchronous: `FULL` or `NORMAL`: whether a commit waits until the disk has it. With NORMAL each `open`
            draws a new epoch. All processes that share a file use the same.
        busy_timeout: seconds to wait for a lock that another program holds.
        max_tombstones: removed ids remembered in each collection.
    """

    def __init__(
        self,
        name: str = MEMORY,
        table: str = "items",
        *,
        synchronous: str = "FULL",
        busy_timeout: float = BUSY_TIMEOUT,
        max_tombstones: int = MAX_TOMBSTONES,
    ) -> None:
        self._name = name
        self._table = table
        self._tables = Tables(table, max_tombstones)
        self._synchronous = synchronous
        self._busy_timeout = busy_timeout
        self._writer: _Thread | None = None
        self._reader: _Thread | None = None
        self._waiting: deque[_Waiting] = deque()
        self._writing: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Open the database and create its tables if they are not there.

        Raises:
            StorageError: the file or its tables cannot be used; the message says what to do.
        """
        with anyio.CancelScope(shield=True):
            self._writer = await _Thread.start(self._connect_writer)
            self._reader = self._writer
            if self._name != MEMORY:
                self._reader = await _Thread.start(self._connect)

    async def close(self) -> None:
        """Wait for the commits under way, then close the database."""
        with anyio.CancelScope(shield=True):
            if self._writing is not None:
                await asyncio.wait([self._writing])
            writer, reader = self._writer, self._reader
            self._writer = self._reader = None
            if reader is not None and reader is not writer:
                await reader.end()
            if writer is not None:
                await writer.end()

    async def migrate(self, tell: Tell) -> Migrated | None:
        """Do as `Migratable.migrate`; the loop waits meanwhile."""
        return sqlite_migration.migrate(
            self._name, self._table, self._connect, synchronous=self._synchronous, tell=tell
        )

    async def load(self, collection: CollectionPath, since: Cursor | None) -> Loaded:
        """Do as `Backend.load`."""
        return await self._read(lambda cursor: self._tables.load(cursor, collection, since))

    async def heads(self, collections: Sequence[CollectionPath]) -> Mapping[CollectionPath, Cursor]:
        """Do as `Backend.heads`."""
        return await self._read(lambda cursor: self._tables.heads(cursor, collections))

    async def collections(self, app: str) -> Sequence[str]:
        """Do as `Backend.collections`."""
        return await self._read(lambda cursor: self._tables.collections(cursor, app))

    async def commit(self, collection: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        """Do as `Backend.commit`, in one transaction with others that wait."""
        if self._writer is None:
            raise StorageError(f"{self._name}: the store is not open")
        result: asyncio.Future[CommitResult] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(Part(collection, writes), result))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_waiting(self._writer))
        return await result

    async def _write_waiting(self, writer: _Thread) -> None:
        """Commit what waits until nothing does: one task, so one transaction at a time."""
        taken: list[_Waiting] = []
        try:
            while self._waiting:
                taken = self._take()
                results = await writer.run(
                    sqlite_connection.write_together,
                    self._name,
                    self._tables.commit,
                    [waiting.part for waiting in taken],
                )
                for waiting, outcome in zip(taken, results, strict=True):
                    waiting.answer(outcome)
        finally:
            self._writing = None
            for waiting in taken:  # answered already, unless the loop itself is being ended
                waiting.answer(OutcomeUnknownError(f"{self._name}: the server ended meanwhile"))
            while self._waiting:
                self._waiting.popleft().answer(StorageError(f"{self._name}: the server is ending"))

    def _take(self) -> list[_Waiting]:
        """Take what waits; of one collection, whose caller did not wait for the last commit's end, one only."""
        taken: dict[CollectionPath, _Waiting] = {}
        while self._waiting and len(taken) < MAX_MERGED:
            if self._waiting[0].part.collection in taken:
                break
            waiting = self._waiting.popleft()
            taken[waiting.part.collection] = waiting
        return list(taken.values())

    async def _read(self, work: Callable[[sqlite3.Cursor], T]) -> T:
        if self._reader is None:
            raise StorageError(f"{self._name}: the store is not open")
        return await self._reader.run(sqlite_connection.read, self._name, work)

    def _connect(self) -> sqlite3.Connection:
        return sqlite_connection.connect(
            self._name, synchronous=self._synchronous, busy_timeout=self._busy_timeout
        )

    def _connect_writer(self) -> sqlite3.Connection:
        connection = self._connect()
        prepare = partial(sqlite_schema.prepare, table=self._table, synchronous=self._synchronous)
        try:
            sqlite_connection.write(connection, self._name, prepare)
        except BaseException:
            connection.close()
            raise
        return connection


class _Waiting(NamedTuple):
    """A commit that waits for its transaction."""

    part: Part
    result: asyncio.Future[CommitResult]

    def answer(self, outcome: CommitResult | Exception) -> None:
        """Tell the caller, if it still waits and does not know yet."""
        if self.result.done():
            return
        if isinstance(outcome, Exception):
            self.result.set_exception(outcome)
        else:
            self.result.set_result(outcome)


class _Thread(aiosqlite.Connection):
    """A connection on its own thread, which runs whole functions instead of single statements."""

    _ended: asyncio.Future[object] | None = None

    @classmethod
    async def start(cls, connect: Callable[[], sqlite3.Connection]) -> _Thread:
        """Start a thread and connect there; if that fails, the thread is gone when this raises."""
        thread = cls(connect, iter_chunk_size=64)
        try:
            return cast("_Thread", await thread)
        except BaseException:
            await thread._leave()
            raise

    async def run(self, function: Callable[..., T], *args: object) -> T:
        """Return `function(connection, *args)`, called on the thread."""
        result = await self._execute(function, self._conn, *args)  # type: ignore[no-untyped-call]
        return cast("T", result)

    async def end(self) -> None:
        """Finish what was asked before, close the connection and end the thread."""
        try:
            await self.close()
        finally:
            await self._leave()

    def stop(self) -> asyncio.Future[object] | None:
        """Ask the thread to end after what was asked before."""
        self._ended = super().stop()
        return self._ended

    async def _leave(self) -> None:
        if self._ended is not None:
            await asyncio.wait([self._ended])
        self._thread.join()  # has nothing left to do: it told of its end
