"""SQLite behind the `Backend` contract, for asyncio (on trio: within an `Island`).

1. Every operation is one function call on a connection's own thread: one round trip.
2. Commits go through the `Writer`, one transaction at a time.
3. Several processes may use one file: versions are read and raised under the file's write lock.
4. No head is reported that does not go on from the last one reported (see `history`).
"""

from __future__ import annotations

from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio

from sharedstate_backends import paging
from sharedstate_backends.collection_limit import MAX_COLLECTIONS
from sharedstate_backends.contract import OutcomeUnknownError, StorageError
from sharedstate_backends.history.guard import Guard, whole
from sharedstate_backends.history.log import report_replaced
from sharedstate_backends.history.pruning import Pruner
from sharedstate_backends.layout import check_table
from sharedstate_backends.pages import ALL
from sharedstate_backends.plan import MAX_TOMBSTONES
from sharedstate_core.arguments import check_number, expect

from . import connection as sqlite_connection
from . import files, migration, portable, schema, survey
from .commits import Commits
from .connection import MEMORY, UNCERTAIN
from .pages import Pages
from .pruning import SqlitePruning
from .receipts import ReceiptTable
from .tables import Tables
from .threads import Threads
from .writer import Writer

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncGenerator, Container, Iterable, Mapping, Sequence

    from sharedstate_backends.history.vectors import Lost, State
    from sharedstate_backends.legacy.migration import Migrated, Tell
    from sharedstate_backends.portable import Portion
    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import CommitResult, Cursor, Loaded, Write

    _Heads: TypeAlias = Mapping[CollectionPath, State]

BUSY_TIMEOUT: Final = 5.0
"""Default number of seconds to wait for another program that holds the file's write lock."""


class SqliteBackend:
    """A store in one SQLite database.

    Args:
        name: path of the file, or `:memory:`.
        table: a valid table name; names of further tables begin with it.
        synchronous: `FULL` or `NORMAL`: whether a commit waits for the disk. With NORMAL the first `open` after each
            boot draws a new epoch. All processes that share a file must use the same value.
        busy_timeout: seconds to wait for another program's lock.
        max_tombstones: maximum number of removed ids that each collection remembers.
        max_collections: maximum number of collections; an update that would create another one is rejected with
            `too_many`.

    Attributes:
        takes_patches: see `Patching`.
        keeps_receipts: see `KeepingReceipts`.

    Raises:
        TypeError, ValueError: an argument has the wrong type or value.
    """

    takes_patches = True
    keeps_receipts = True

    def __init__(
        self,
        name: str = MEMORY,
        table: str = "items",
        *,
        synchronous: str = "FULL",
        busy_timeout: float = BUSY_TIMEOUT,
        max_tombstones: int = MAX_TOMBSTONES,
        max_collections: int = MAX_COLLECTIONS,
    ) -> None:
        expect("name", name, str)
        check_table(table)
        if synchronous not in {"FULL", "NORMAL"}:
            raise ValueError(f"synchronous: expected FULL or NORMAL, found {synchronous!r}")
        check_number("busy_timeout", busy_timeout, 0, whole=False)
        check_number("max_tombstones", max_tombstones, 0)
        check_number("max_collections", max_collections, 1)
        self._name = name
        self._table = table
        self._tables = Tables(table)
        self._synchronous = synchronous
        self._busy_timeout = busy_timeout
        connect_reader = None if name == MEMORY else self._connect
        self._path = name if name == MEMORY else str(Path(name).absolute())
        self._threads = Threads(self._path, self._connect_writer, connect_reader, self._replaced)
        self._guard = Guard(self._path, _Verifier(self._tables, self._threads))
        self._receipts = ReceiptTable(table)
        self._pruner = Pruner(SqlitePruning(table, self._tables, self._threads), self._guard.memory)
        commits = Commits(table, self._tables, max_tombstones, max_collections)
        self._writer = Writer(self._path, self._threads, commits, self._guard)

    async def open(self) -> None:
        """Open the database and create its tables if they do not exist.

        Raises:
            StorageError: the file or its tables cannot be used; the message says what to do.
        """
        with anyio.CancelScope(shield=True):
            try:
                await self._threads.open()
                mark = partial(schema.mark_start, table=self._table)
                self._guard.begin(await self._threads.write(mark))
            except BaseException:
                await self._threads.close()
                raise

    async def close(self) -> None:
        """Wait for the commits under way, then close the database."""
        with anyio.CancelScope(shield=True):
            await self._writer.finish()
            await self._threads.close()

    async def missing(self) -> str | None:
        """See `Surveying.missing`; blocks the event loop."""
        return survey.missing(self._path, self._table, busy_timeout=self._busy_timeout)

    async def migrate(self, tell: Tell) -> Migrated | None:
        """See `Migratable.migrate`; blocks the event loop."""
        return migration.migrate(
            self._path, self._table, self._connect, synchronous=self._synchronous, tell=tell
        )

    async def dump(self) -> AsyncGenerator[Portion, None]:
        """See `Portable.dump`."""
        content = portable.dump(self._path, self._table, busy_timeout=self._busy_timeout)
        with closing(content):
            for portion in content:
                yield portion

    async def restore(self, portions: Iterable[Portion]) -> None:
        """See `Portable.restore`; blocks the event loop."""
        portable.restore(
            self._path,
            self._table,
            portions,
            synchronous=self._synchronous,
            busy_timeout=self._busy_timeout,
        )

    async def load(self, collection: CollectionPath, since: Cursor | None) -> Loaded:
        """See `Backend.load`."""
        pages = Pages(self._tables, self._threads, collection)
        return await self._guard.read([collection], lambda: paging.load(pages, since))

    async def heads(self, collections: Sequence[CollectionPath]) -> Mapping[CollectionPath, Cursor]:
        """See `Backend.heads`."""
        return await self._guard.heads(
            collections,
            lambda paths: self._threads.read(lambda cursor: self._tables.heads(cursor, paths)),
        )

    async def doubt(self, collection: CollectionPath, cursor: Cursor) -> None:
        """See `Doubting.doubt`: readers are believed for the epoch at the start of this process, so at most once."""
        await self._guard.doubt(collection, cursor)

    async def collections(self, app: str) -> Sequence[str]:
        """See `Backend.collections`."""
        return await self.collections_page(app, "", ALL)

    async def apps(self) -> Sequence[str]:
        """See `ListingApps.apps`."""
        return await self.apps_page("", ALL)

    async def collections_page(self, app: str, after: str, limit: int) -> Sequence[str]:
        """See `ListingPages.collections_page`."""
        return await self._threads.read(
            lambda cursor: self._tables.collections(cursor, app, after, limit)
        )

    async def apps_page(self, after: str, limit: int) -> Sequence[str]:
        """See `ListingPages.apps_page`."""
        return await self._threads.read(lambda cursor: self._tables.apps(cursor, after, limit))

    async def commit(self, collection: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        """See `Backend.commit`, in one transaction with others that wait."""
        return await self._writer.commit(collection, writes)

    async def probe(self) -> None:
        """See `Probing.probe`: uses a transaction of its own, which waits for its turn and the lock like a commit."""
        probe = partial(schema.probe, table=self._table)
        try:
            with anyio.CancelScope(
                shield=True
            ):  # only one may wait for a lock, however many callers have given up
                await self._threads.write(probe)
        except OutcomeUnknownError as error:  # whether this row was stored does not matter
            raise StorageError(str(error).removesuffix(UNCERTAIN)) from error

    async def prune(self, service: str, used: Container[CollectionPath]) -> bool:
        """See `Pruning.prune`."""
        return await whole(self._pruner.step(service, used))

    async def forget_receipts(self, before: int, most: int) -> bool:
        """See `KeepingReceipts.forget_receipts`."""
        receipts = self._receipts
        chosen = await self._threads.read(lambda cursor: receipts.oldest(cursor, before, most))
        if not chosen:
            return False
        return await whole(
            self._threads.write(lambda cursor: receipts.forget(cursor, chosen, before))
        )

    async def sizes(self) -> Mapping[str, int]:
        """See `Measurable.sizes`; empty in memory."""
        return {} if self._name == MEMORY else files.sizes(self._path)

    def _replaced(self, connection: sqlite3.Connection) -> None:
        """Draw a new epoch: a file that has replaced another may be older."""
        renew = partial(schema.renew_epoch, table=self._table)
        sqlite_connection.write(connection, self._path, renew)
        report_replaced(self._path)

    def _connect(self) -> sqlite3.Connection:
        return sqlite_connection.connect(
            self._path, synchronous=self._synchronous, busy_timeout=self._busy_timeout
        )

    def _connect_writer(self, create: bool) -> sqlite3.Connection:
        was_there = files.is_begun(self._path)
        connection = self._connect()
        prepare = partial(
            schema.prepare, table=self._table, synchronous=self._synchronous, create=create
        )
        try:
            is_blank = sqlite_connection.write(connection, self._path, prepare)
        except BaseException:
            connection.close()
            raise
        if was_there and is_blank:
            files.warn_of_blank(self._path)
        return connection


class _Verifier:
    """What the guard needs under the file's write lock."""

    def __init__(self, tables: Tables, threads: Threads) -> None:
        self._tables = tables
        self._threads = threads

    async def verify(self, remembered: _Heads) -> list[Lost]:
        """See `Verifier.verify`."""
        return await self._threads.write(lambda cursor: self._tables.verify(cursor, remembered))

    async def believe(self, collection: CollectionPath, claimed: Cursor) -> State | None:
        """See `Verifier.believe`."""
        return await self._threads.write(
            lambda cursor: self._tables.believe(cursor, collection, claimed)
        )
