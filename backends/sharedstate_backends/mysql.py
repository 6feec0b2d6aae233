"""MySQL and MariaDB behind the `Backend` contract, for asyncio (on trio: within an `Island`).

1. Reads use connections of the pool, beside each other; one that turns out to be lost is replaced once, unseen.
2. Commits go through the `Writer`. Where it is in doubt about a collection, the next load of it first waits until
   the lost transaction has ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import anyio

from sharedstate_core.arguments import check_number, expect

from . import mysql_dump, mysql_migration, mysql_probe, mysql_restore
from .arguments import check_table
from .contract import StorageError
from .mysql_address import Address
from .mysql_commits import MysqlCommits
from .mysql_errors import LostError
from .mysql_pool import Pool
from .mysql_schema import create_database, prepare
from .mysql_tables import MysqlTables
from .mysql_writing import Writer
from .plan import MAX_TOMBSTONES

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence

    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import CommitResult, Cursor, Loaded, Write

    from .migration import Migrated, Tell
    from .mysql_connection import Connection
    from .portable import Portion

T = TypeVar("T")

POOL_SIZE: Final = 8
"""Connections of one service: loads run beside each other, and one by one waits for a lock only for itself."""

WRITERS: Final = 2
"""Transactions under way at once: while one waits for the disk, the next is put together."""


class MysqlBackend:
    """A store in one database of MySQL or MariaDB.

    Args:
        address: where it is; the database is created if it is not there.
        table: a valid table name; names of further tables begin with it.
        pool_size: connections at the most, at least 1.
        max_tombstones: removed ids remembered in each collection.

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
    ) -> None:
        expect("address", address, Address, "an")
        check_table(table)
        check_number("pool_size", pool_size, 1)
        check_number("max_tombstones", max_tombstones, 0)
        self._address = address
        self._table = table
        self._tables = MysqlTables(table)
        commits = MysqlCommits(self._tables, max_tombstones)
        self._pool_size = pool_size
        self._writer = Writer(address, commits, min(WRITERS, pool_size))
        self._pool: Pool | None = None

    async def open(self) -> None:
        """Create the database and its tables if they are not there.

        Raises:
            StorageError: the database or its tables cannot be used; the message says what to do.
        """
        with anyio.CancelScope(shield=True):
            await create_database(self._address)
            pool = Pool(self._address, self._pool_size)
            try:
                async with pool.connection() as connection:
                    await prepare(connection, self._table)
            except BaseException:
                await pool.close()
                raise
            self._pool = pool

    async def close(self) -> None:
        """Wait for the commits under way, then close every connection."""
        with anyio.CancelScope(shield=True):
            await self._writer.finish()
            pool, self._pool = self._pool, None
            if pool is not None:
                await pool.close()

    async def migrate(self, tell: Tell) -> Migrated | None:
        """Do as `Migratable.migrate`."""
        return await mysql_migration.migrate(self._address, self._table, tell)

    def dump(self) -> AsyncGenerator[Portion, None]:
        """Do as `Portable.dump`."""
        return mysql_dump.dump(self._address, self._table)

    async def restore(self, portions: Iterable[Portion]) -> None:
        """Do as `Portable.restore`."""
        await mysql_restore.restore(self._address, self._table, portions)

    async def load(self, collection: CollectionPath, since: Cursor | None) -> Loaded:
        """Do as `Backend.load`."""

        async def work(connection: Connection) -> Loaded:
            if collection in self._writer.doubtful:
                await self._tables.settle(connection, collection)
                self._writer.doubtful.discard(collection)
            return await self._tables.load(connection, collection, since)

        return await self._read(work)

    async def heads(self, collections: Sequence[CollectionPath]) -> Mapping[CollectionPath, Cursor]:
        """Do as `Backend.heads`."""
        return await self._read(lambda connection: self._tables.heads(connection, collections))

    async def collections(self, app: str) -> Sequence[str]:
        """Do as `Backend.collections`."""
        return await self._read(lambda connection: self._tables.collections(connection, app))

    async def commit(self, collection: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        """Do as `Backend.commit`, in one transaction with others that wait."""
        return await self._writer.commit(self._opened(), collection, writes)

    async def probe(self) -> None:
        """Do as `Probing.probe`."""
        with anyio.CancelScope(shield=True):  # it takes no longer than one answer may
            await self._read(lambda connection: mysql_probe.probe(connection, self._table))

    async def sizes(self) -> Mapping[str, int]:
        """Do as `Measurable.sizes`."""
        return await self._read(lambda connection: mysql_probe.sizes(connection, self._table))

    def _opened(self) -> Pool:
        if self._pool is None:
            raise StorageError(f"{self._address}: the store is not open")
        return self._pool

    async def _read(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Read on a connection; if that turns out to be lost, once more on another one."""
        pool = self._opened()
        try:
            async with pool.connection() as connection:
                return await work(connection)
        except LostError:
            async with pool.connection() as connection:
                return await work(connection)
