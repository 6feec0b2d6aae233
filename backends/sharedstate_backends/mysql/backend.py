"""MySQL and MariaDB behind the `Backend` contract, for asyncio (on trio: within an `Island`).

1. Reads use connections of the pool, beside each other; one that turns out to be lost is replaced once, unseen.
2. Commits go through the `Writer`. Where it is in doubt about a collection, the next load of it first waits until
   the lost transaction has ended.
3. Nothing is told of a head that does not go on from the one told of last (see `history`), nor of a server that may
   have lost something (`wire.server`), unless under a new epoch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

import anyio

from sharedstate_backends.collection_limit import MAX_COLLECTIONS
from sharedstate_backends.contract import StorageError
from sharedstate_backends.history.guard import Guard, whole
from sharedstate_backends.history.log import report_server
from sharedstate_backends.history.pruning import Pruner
from sharedstate_backends.layout import check_table
from sharedstate_backends.plan import MAX_TOMBSTONES
from sharedstate_core.arguments import check_number, expect

from . import dump, migration, probe, restore, survey
from .commit.commits import Commits
from .commit.writer import Writer
from .pruning import MysqlPruning
from .tables.schema import create_database, prepare
from .tables.tables import Tables
from .wire.address import Address
from .wire.backoff import ContentionBackoff
from .wire.errors import DEADLOCK, UNKNOWN_COLUMN, DatabaseError, LostError
from .wire.pool import Pool

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        Awaitable,
        Callable,
        Container,
        Iterable,
        Mapping,
        Sequence,
    )

    from sharedstate_backends.history.vectors import Lost, State
    from sharedstate_backends.legacy.migration import Migrated, Tell
    from sharedstate_backends.portable import Portion
    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import CommitResult, Cursor, Loaded, Write

    from .wire.connection import Connection, OnConnection
    from .wire.server import Server

    _Heads: TypeAlias = Mapping[CollectionPath, State]

T = TypeVar("T")

POOL_SIZE: Final = 8
"""Connections of one service: loads run beside each other, and one by one waits for a lock only for itself."""

WRITERS: Final = 2
"""Transactions under way at once."""


class MysqlBackend:
    """A store in one database of MySQL or MariaDB.

    Args:
        address: where it is; the database is created if it is not there.
        table: a valid table name; names of further tables begin with it.
        pool_size: connections at the most, at least 1.
        max_tombstones: removed ids remembered in each collection.
        max_collections: collections at the most; an update that would make one more is rejected, `too_many`.

    Raises:
        TypeError, ValueError: an argument is not what it should be.
    """

    def __init__(
        self,
        address: Address,
        table: str = "items",
        *,
        pool_size: int = POOL_SIZE,
        max_tombstones: int = MAX_TOMBSTONES,
        max_collections: int = MAX_COLLECTIONS,
    ) -> None:
        expect("address", address, Address, "an")
        check_table(table)
        check_number("pool_size", pool_size, 1)
        check_number("max_tombstones", max_tombstones, 0)
        check_number("max_collections", max_collections, 1)
        self._address = address
        self._table = table
        self._tables = Tables(table)
        self._guard = Guard(str(address), _Judge(self._tables, self._on_connection))
        commits = Commits(self._tables, self._guard, max_tombstones, max_collections)
        self._pruner = Pruner(MysqlPruning(self._tables, self._on_connection), self._guard.memory)
        self._pool_size = pool_size
        self._writer = Writer(address, self._opened, commits, min(WRITERS, pool_size))
        self._pool: Pool | None = None
        self._server: Server | None = None

    async def open(self) -> None:
        """Create the database and its tables if they are not there.

        Raises:
            StorageError: the database or its tables cannot be used; the message says what to do.
        """
        with anyio.CancelScope(shield=True):
            await create_database(self._address)
            self._pool = Pool(self._address, self._pool_size, self._greet)
            try:
                await self._on_connection(self._prepare)
            except BaseException:
                await self._let_go()
                raise

    async def close(self) -> None:
        """Wait for the commits under way, then close every connection."""
        with anyio.CancelScope(shield=True):
            await self._writer.finish()
            await self._let_go()

    async def missing(self) -> str | None:
        """Do as `Surveying.missing`."""
        return await survey.missing(self._address, self._table)

    async def migrate(self, tell: Tell) -> Migrated | None:
        """Do as `Migratable.migrate`."""
        return await migration.migrate(self._address, self._table, tell)

    def dump(self) -> AsyncGenerator[Portion, None]:
        """Do as `Portable.dump`."""
        return dump.dump(self._address, self._table)

    async def restore(self, portions: Iterable[Portion]) -> None:
        """Do as `Portable.restore`."""
        await restore.restore(self._address, self._table, portions)

    async def load(self, collection: CollectionPath, since: Cursor | None) -> Loaded:
        """Do as `Backend.load`."""

        async def load(connection: Connection) -> tuple[Loaded, _Heads]:
            if collection in self._writer.doubtful:
                await self._tables.settle(connection, collection)
                self._writer.doubtful.discard(collection)
            return await self._tables.load(connection, collection, since)

        return await self._guard.read([collection], lambda: self._on_connection(load))

    async def heads(self, collections: Sequence[CollectionPath]) -> Mapping[CollectionPath, Cursor]:
        """Do as `Backend.heads`."""
        return await self._guard.heads(
            collections,
            lambda paths: self._on_connection(
                lambda connection: self._tables.heads(connection, paths)
            ),
        )

    async def doubt(self, collection: CollectionPath, cursor: Cursor) -> None:
        """Do as `Doubting.doubt`: believe it of an epoch that is older than this process, so once at the most."""
        await self._guard.doubt(collection, cursor)

    async def collections(self, app: str) -> Sequence[str]:
        """Do as `Backend.collections`."""
        return await self._on_connection(
            lambda connection: self._tables.collections(connection, app)
        )

    async def apps(self) -> Sequence[str]:
        """Do as `ListingApps.apps`."""
        return await self._on_connection(self._tables.apps)

    async def commit(self, collection: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        """Do as `Backend.commit`, in one transaction with others that wait."""
        return await self._writer.commit(collection, writes)

    async def probe(self) -> None:
        """Do as `Probing.probe`."""
        with anyio.CancelScope(shield=True):  # it takes no longer than one answer may
            await self._on_connection(lambda connection: probe.probe(connection, self._table))

    async def prune(self, service: str, used: Container[CollectionPath]) -> bool:
        """Do as `Pruning.prune`."""
        return await whole(self._pruner.step(service, used))

    async def sizes(self) -> Mapping[str, int]:
        """Do as `Measurable.sizes`."""
        return await self._on_connection(lambda connection: probe.sizes(connection, self._table))

    async def _prepare(self, connection: Connection) -> None:
        is_new = await prepare(connection, self._table, self._address)
        await self._recognise(connection, is_opening=True, is_new=is_new)
        if self._guard.memory.epoch is None:
            self._guard.begin(await self._tables.starts(connection))

    async def _greet(self, connection: Connection) -> None:
        """See to it that a server which may have lost something is not taken for the one that we knew."""
        if self._server is not None and not connection.server.is_same_as(self._server):
            await whole(self._recognise(connection))

    async def _recognise(self, connection: Connection, **how: bool) -> None:
        reason = await self._tables.meta.recognise(connection, **how)
        self._server = connection.server
        if reason:
            report_server(str(self._address), reason)

    async def _let_go(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    def _opened(self) -> Pool:
        if self._pool is None:
            raise StorageError(f"{self._address}: the store is not open")
        return self._pool

    async def _on_connection(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Do this on a connection; again if that turns out to be lost, once, and if the database gave it up."""
        pool = self._opened()
        backoff = ContentionBackoff(self._address.timeout)
        lost = False
        while True:
            try:
                async with pool.connection() as connection:
                    try:
                        return await work(connection)
                    except DatabaseError as error:
                        if error.number != UNKNOWN_COLUMN:
                            raise
                        # A backup of version 0.1's time was put back.
                        await connection.roll_back()
                        await prepare(connection, self._table, self._address)
                        return await work(connection)
            except LostError:
                if lost:
                    raise
                lost = True
            except DatabaseError as error:
                if error.number != DEADLOCK or not await backoff.pause():
                    raise


class _Judge:
    """Does what the guard needs, with the lock on what is known of the store."""

    def __init__(self, tables: Tables, on_connection: OnConnection) -> None:
        self._tables = tables
        self._on_connection = on_connection

    async def verify(self, remembered: _Heads) -> list[Lost]:
        """Do as `Judge.verify`."""
        return await self._on_connection(
            lambda connection: self._tables.verify(connection, remembered)
        )

    async def believe(self, collection: CollectionPath, claimed: Cursor) -> State | None:
        """Do as `Judge.believe`."""
        return await self._on_connection(
            lambda connection: self._tables.believe(connection, collection, claimed)
        )
