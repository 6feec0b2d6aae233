"""MySQL and MariaDB behind the `Backend` contract, for asyncio (on trio: within an `Island`).

1. Reads run in parallel on pooled connections; a connection that turns out to be lost is replaced once, silently.
2. Commits go through the `Writer`. After a commit of unknown outcome the next load of the collection first waits until
   the lost transaction has ended.
3. No head is reported that does not go on from the last one reported (see `history`), nor one from a server that may
   have lost data (`wire.server`), unless under a new epoch.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

import anyio

from sharedstate_backends import paging
from sharedstate_backends.collection_limit import MAX_COLLECTIONS
from sharedstate_backends.contract import StorageError
from sharedstate_backends.history.guard import Guard, whole
from sharedstate_backends.history.log import report_server
from sharedstate_backends.history.pruning import Pruner
from sharedstate_backends.layout import check_table
from sharedstate_backends.pages import ALL
from sharedstate_backends.plan import MAX_TOMBSTONES
from sharedstate_core.arguments import check_number, expect

from . import dump, migration, probe, restore, survey
from .commit import receipts
from .commit.commits import Commits
from .commit.writer import Writer
from .pages import Pages
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
"""Default number of connections of one service: loads run in parallel, and one that waits for a lock does not block
others."""

WRITERS: Final = 2
"""Maximum number of transactions under way at once."""


class MysqlBackend:
    """A store in one database of MySQL or MariaDB.

    Args:
        address: where it is; the database is created if it does not exist.
        table: a valid table name; names of further tables begin with it.
        pool_size: maximum number of connections, at least 1.
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
        self._guard = Guard(str(address), _Verifier(self._tables, self._on_connection))
        self._commits = Commits(self._tables, self._guard, max_tombstones, max_collections)
        self._pruner = Pruner(MysqlPruning(self._tables, self._on_connection), self._guard.memory)
        self._pool_size = pool_size
        self._writer = Writer(address, self._opened, self._commits, min(WRITERS, pool_size))
        self._pool: Pool | None = None
        self._server: Server | None = None

    async def open(self) -> None:
        """Create the database and its tables if they do not exist.

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
        """See `Surveying.missing`."""
        return await survey.missing(self._address, self._table)

    async def migrate(self, tell: Tell) -> Migrated | None:
        """See `Migratable.migrate`."""
        return await migration.migrate(self._address, self._table, tell)

    def dump(self) -> AsyncGenerator[Portion, None]:
        """See `Portable.dump`."""
        return dump.dump(self._address, self._table)

    async def restore(self, portions: Iterable[Portion]) -> None:
        """See `Portable.restore`."""
        await restore.restore(self._address, self._table, portions)

    async def load(self, collection: CollectionPath, since: Cursor | None) -> Loaded:
        """See `Backend.load`."""
        pages = Pages(self._tables, self._on_connection, self._writer.doubtful, collection)
        return await self._guard.read([collection], lambda: paging.load(pages, since))

    async def heads(self, collections: Sequence[CollectionPath]) -> Mapping[CollectionPath, Cursor]:
        """See `Backend.heads`."""
        return await self._guard.heads(
            collections,
            lambda paths: self._on_connection(
                lambda connection: self._tables.heads(connection, paths)
            ),
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
        return await self._on_connection(
            lambda connection: self._tables.collections(connection, app, after, limit)
        )

    async def apps_page(self, after: str, limit: int) -> Sequence[str]:
        """See `ListingPages.apps_page`."""
        return await self._on_connection(
            lambda connection: self._tables.apps(connection, after, limit)
        )

    async def commit(self, collection: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        """See `Backend.commit`, in one transaction with others that wait."""
        return await self._writer.commit(collection, writes)

    async def probe(self) -> None:
        """See `Probing.probe`."""
        with anyio.CancelScope(shield=True):  # bounded by the timeout of one answer
            await self._on_connection(lambda connection: probe.probe(connection, self._table))

    async def prune(self, service: str, used: Container[CollectionPath]) -> bool:
        """See `Pruning.prune`."""
        return await whole(self._pruner.step(service, used))

    async def forget_receipts(self, before: int, most: int) -> bool:
        """See `KeepingReceipts.forget_receipts`."""
        forget = partial(receipts.forget, table=self._table, before=before, most=most)
        deleted = await whole(self._on_connection(forget))
        if deleted:
            self._commits.forget_receipts()
        return deleted == receipts.FORGOTTEN

    async def sizes(self) -> Mapping[str, int]:
        """See `Measurable.sizes`."""
        return await self._on_connection(lambda connection: probe.sizes(connection, self._table))

    async def _prepare(self, connection: Connection) -> None:
        is_new = await prepare(connection, self._table, self._address)
        await self._recognise(connection, is_opening=True, is_new=is_new)
        if self._guard.memory.epoch is None:
            self._guard.begin(await self._tables.starts(connection))

    async def _greet(self, connection: Connection) -> None:
        """Make sure that a server that may have lost data is not mistaken for the one before."""
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
        """Run this on a connection; retry it once if that is lost, and for a while if the database aborts it."""
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
                        # A backup made by version 0.1 was put back.
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


class _Verifier:
    """What the guard needs under the lock on the meta data."""

    def __init__(self, tables: Tables, on_connection: OnConnection) -> None:
        self._tables = tables
        self._on_connection = on_connection

    async def verify(self, remembered: _Heads) -> list[Lost]:
        """See `Verifier.verify`."""
        return await self._on_connection(
            lambda connection: self._tables.verify(connection, remembered)
        )

    async def believe(self, collection: CollectionPath, claimed: Cursor) -> State | None:
        """See `Verifier.believe`."""
        return await self._on_connection(
            lambda connection: self._tables.believe(connection, collection, claimed)
        )
