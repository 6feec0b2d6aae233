"""SQLite behind the `Backend` contract, for asyncio (on trio: within an `Island`).

1. Every operation is one function on a connection's own thread: one hop there and back, whatever it does.
2. What waits to be committed goes into one transaction, whatever the collections; if it fails, each goes alone.
3. Several processes may use one file: versions are read and raised under the file's write lock.
4. Nothing is told of a head that does not go on from the one told of last (see `history`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import anyio

from sharedstate_core.arguments import check_number, expect
from sharedstate_core.storage import Cursor

from . import (
    sqlite_connection,
    sqlite_file,
    sqlite_migration,
    sqlite_portable,
    sqlite_schema,
    sqlite_survey,
)
from .arguments import check_table
from .contract import OutcomeUnknownError, StorageError
from .history import Memory, find_lost, report, report_doubt, report_replaced
from .plan import MAX_TOMBSTONES
from .sqlite_connection import MEMORY, UNCERTAIN
from .sqlite_tables import Part, Tables
from .sqlite_threads import Threads

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence

    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import CommitResult, Loaded, Write

    from .history import State
    from .migration import Migrated, Tell
    from .portable import Portion
    from .sqlite_tables import Stored

BUSY_TIMEOUT: Final = 5.0
"""Seconds to wait for another program that holds the file's write lock: its transactions are short, too."""

MAX_MERGED: Final = 256
"""Commits in one transaction: enough to make its cost per commit small, few enough that none waits long."""


class SqliteBackend:
    """A store in one SQLite database.

    Args:
        name: path of the file, or `:memory:`.
        table: a valid table name; names of further tables begin with it.
        synchronous: `FULL` or `NORMAL`: whether a commit waits until the disk has it. With NORMAL the first `open`
            after each start of the machine draws a new epoch. All processes that share a file use the same.
        busy_timeout: seconds to wait for a lock that another program holds.
        max_tombstones: removed ids remembered in each collection.

    Raises:
        TypeError, ValueError: an argument is not what it should be.
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
        expect("name", name, str)
        check_table(table)
        if synchronous not in {"FULL", "NORMAL"}:
            raise ValueError(f"synchronous: expected FULL or NORMAL, found {synchronous!r}")
        check_number("busy_timeout", busy_timeout, 0, whole=False)
        check_number("max_tombstones", max_tombstones, 0)
        self._name = name
        self._table = table
        self._tables = Tables(table, max_tombstones)
        self._synchronous = synchronous
        self._busy_timeout = busy_timeout
        connect_reader = None if name == MEMORY else self._connect
        self._path = name if name == MEMORY else str(Path(name).absolute())
        self._threads = Threads(self._path, self._connect_writer, connect_reader, self._replaced)
        self._memory = Memory()
        self._inherited: str | None = None  # the epoch at the start, until a reader was believed
        self._waiting: deque[_Waiting] = deque()
        self._writing: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Open the database and create its tables if they are not there.

        Raises:
            StorageError: the file or its tables cannot be used; the message says what to do.
        """
        with anyio.CancelScope(shield=True):
            try:
                await self._threads.open()
                self._inherited = await self._threads.read(self._tables.epoch)
                self._memory.epoch = self._inherited
            except BaseException:
                await self._threads.close()
                raise

    async def close(self) -> None:
        """Wait for the commits under way, then close the database."""
        with anyio.CancelScope(shield=True):
            if self._writing is not None:
                await asyncio.wait([self._writing])
            await self._threads.close()

    async def missing(self) -> str | None:
        """Do as `Surveying.missing`; the loop waits meanwhile."""
        return sqlite_survey.missing(self._path, self._table, busy_timeout=self._busy_timeout)

    async def migrate(self, tell: Tell) -> Migrated | None:
        """Do as `Migratable.migrate`; the loop waits meanwhile."""
        return sqlite_migration.migrate(
            self._path, self._table, self._connect, synchronous=self._synchronous, tell=tell
        )

    async def dump(self) -> AsyncGenerator[Portion, None]:
        """Do as `Portable.dump`."""
        content = sqlite_portable.dump(self._path, self._table, busy_timeout=self._busy_timeout)
        with closing(content):
            for portion in content:
                yield portion

    async def restore(self, portions: Iterable[Portion]) -> None:
        """Do as `Portable.restore`; the loop waits meanwhile."""
        sqlite_portable.restore(
            self._path,
            self._table,
            portions,
            synchronous=self._synchronous,
            busy_timeout=self._busy_timeout,
        )

    async def load(self, collection: CollectionPath, since: Cursor | None) -> Loaded:
        """Do as `Backend.load`."""

        def work(cursor: sqlite3.Cursor) -> tuple[Loaded, State]:
            return self._tables.load(cursor, collection, since)

        remembered = self._memory.states([collection])
        loaded, state = await self._threads.read(work)
        if await self._are_lost(remembered, {collection: state}):
            loaded, state = await self._threads.read(work)
        self._memory.note(collection, remembered.get(collection), state)
        return loaded

    async def heads(self, collections: Sequence[CollectionPath]) -> Mapping[CollectionPath, Cursor]:
        """Do as `Backend.heads`; looks at our latest commit, too."""
        paths = self._memory.look(collections)

        def work(cursor: sqlite3.Cursor) -> dict[CollectionPath, State]:
            return self._tables.heads(cursor, paths)

        remembered = self._memory.states(paths)
        states = await self._threads.read(work)
        if await self._are_lost(remembered, states):
            states = await self._threads.read(work)
        for path in paths:
            self._memory.note(path, remembered.get(path), states[path])
        return {path: Cursor(states[path].epoch, states[path].version) for path in collections}

    async def doubt(self, collection: CollectionPath, cursor: Cursor) -> None:
        """Do as `Doubting.doubt`: believe it of an epoch that is older than this process, so once at the most."""
        if cursor.epoch != self._inherited:
            return
        self._inherited = None
        with anyio.CancelScope(shield=True):
            (before,) = await self._threads.write(
                lambda work, _: [self._tables.doubt(work, collection, cursor)], [None]
            )
        if isinstance(before, Exception):
            self._inherited = cursor.epoch
            raise before
        if before is not None:
            report_doubt(self._path, collection, cursor, before)

    async def collections(self, app: str) -> Sequence[str]:
        """Do as `Backend.collections`."""
        return await self._threads.read(lambda cursor: self._tables.collections(cursor, app))

    async def commit(self, collection: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        """Do as `Backend.commit`, in one transaction with others that wait."""
        result: asyncio.Future[CommitResult] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(collection, writes, result))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_waiting())
        return await result

    async def probe(self) -> None:
        """Do as `Probing.probe`: a transaction of its own, which waits for its turn and for a lock as a commit does."""

        def work(cursor: sqlite3.Cursor, _: Sequence[None]) -> Sequence[None]:
            sqlite_schema.probe(cursor, self._table)
            return [None]

        with anyio.CancelScope(shield=True):  # one waits for a lock, however often it is given up
            (problem,) = await self._threads.write(work, [None])
        if isinstance(problem, OutcomeUnknownError):  # what came of this row is of no interest
            raise StorageError(str(problem).removesuffix(UNCERTAIN)) from problem
        if isinstance(problem, Exception):
            raise problem

    async def sizes(self) -> Mapping[str, int]:
        """Do as `Measurable.sizes`; in memory there are none."""
        return {} if self._name == MEMORY else sqlite_file.sizes(self._path)

    async def _are_lost(
        self, remembered: Mapping[CollectionPath, State], found: Mapping[CollectionPath, State]
    ) -> bool:
        """Return whether heads do not go on from what is remembered; a new epoch is drawn then."""
        suspects = find_lost(remembered, found)
        if not suspects:
            return False
        befores = {each.path: each.before for each in suspects}
        with anyio.CancelScope(shield=True):  # who draws an epoch says so
            (lost,) = await self._threads.write(
                lambda cursor, _: [self._tables.verify(cursor, befores)], [None]
            )
        if isinstance(lost, Exception):
            raise lost
        if lost:
            self._memory.forget(lost)
            report(self._path, lost)
        return True

    async def _write_waiting(self) -> None:
        """Commit what waits until nothing does: one task, so one transaction at a time."""
        taken: list[_Waiting] = []
        try:
            while self._waiting:
                taken = self._take()
                parts = self._parts(taken)
                results = await self._threads.write(self._tables.commit, parts)
                self._committed(parts, results)
                for waiting, outcome in zip(taken, results, strict=True):
                    waiting.answer(outcome if isinstance(outcome, Exception) else outcome.result)
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
            if self._waiting[0].collection in taken:
                break
            waiting = self._waiting.popleft()
            taken[waiting.collection] = waiting
        return list(taken.values())

    def _parts(self, taken: Sequence[_Waiting]) -> list[Part]:
        remembered = self._memory.states([waiting.collection for waiting in taken])
        return [
            Part(path, writes, remembered.get(path), self._memory.writer(path))
            for path, writes, _ in taken
        ]

    def _committed(self, parts: Sequence[Part], results: Sequence[Stored | Exception]) -> None:
        """Remember what came of a transaction."""
        lost = []
        for part, stored in zip(parts, results, strict=True):
            if isinstance(stored, Exception):
                self._memory.doubt(part.collection)
                continue
            if stored.lost is not None:
                lost.append(stored.lost)
            self._memory.note(part.collection, part.before, stored.state)
            if stored.state != part.before:
                self._memory.latest = part.collection
        if lost:
            report(self._path, lost)

    def _replaced(self, connection: sqlite3.Connection) -> None:
        """Draw a new epoch: a file that has taken the place of another one may be older."""
        renew = partial(sqlite_schema.renew_epoch, table=self._table)
        sqlite_connection.write(connection, self._path, renew)
        report_replaced(self._path)

    def _connect(self) -> sqlite3.Connection:
        return sqlite_connection.connect(
            self._path, synchronous=self._synchronous, busy_timeout=self._busy_timeout
        )

    def _connect_writer(self, create: bool) -> sqlite3.Connection:
        was_there = sqlite_file.is_begun(self._path)
        connection = self._connect()
        prepare = partial(
            sqlite_schema.prepare, table=self._table, synchronous=self._synchronous, create=create
        )
        try:
            is_blank = sqlite_connection.write(connection, self._path, prepare)
        except BaseException:
            connection.close()
            raise
        if was_there and is_blank:
            sqlite_file.warn_of_blank(self._path)
        return connection


class _Waiting(NamedTuple):
    """A commit that waits for its transaction."""

    collection: CollectionPath
    writes: Sequence[Write]
    result: asyncio.Future[CommitResult]

    def answer(self, outcome: CommitResult | Exception) -> None:
        """Tell the caller, if it still waits and does not know yet."""
        if self.result.done():
            return
        if isinstance(outcome, Exception):
            self.result.set_exception(outcome)
        else:
            self.result.set_result(outcome)
