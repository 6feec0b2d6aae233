"""MySQL and MariaDB behind the `Backend` contract, for asyncio (on trio: within an `Island`).

1. What waits to be committed goes into one transaction, whatever the collections; if it fails, each goes alone.
2. The heads of its collections are locked first, in the order of their names: several processes may use one database.
3. An error before COMMIT was sent is certain: nothing was stored. A connection that is lost before it is replaced
   once, unseen. An answer that does not come to COMMIT itself is uncertain, and the collection's next load
   waits until the lost transaction has ended, one way or the other.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar, cast

import anyio

from . import mysql_migration
from .contract import OutcomeUnknownError, StorageError
from .mysql_connection import DEADLOCK, DUPLICATE_KEY, DatabaseError, LostError
from .mysql_packets import joined
from .mysql_pool import Pool
from .mysql_schema import create_database, prepare
from .mysql_tables import Commit, MysqlTables
from .plan import MAX_TOMBSTONES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import CommitResult, Cursor, Loaded, Write

    from .migration import Migrated, Tell
    from .mysql_connection import Address, Connection

T = TypeVar("T")

POOL_SIZE: Final = 8
"""Connections of one service: loads run beside each other, and one by one waits for a lock only for itself."""

WRITERS: Final = 2
"""Transactions under way at once: while one waits for the disk, the next is put together."""

MAX_MERGED: Final = 256
"""Commits in one transaction: enough to make its cost per commit small, few enough that none waits long."""

MAX_MERGED_BYTES: Final = 4 * 1024 * 1024
"""Texts in one transaction of several commits, for the same reason."""

ATTEMPTS: Final = 5
"""How often a transaction is tried that the server gave up for the sake of another one."""

_GIVEN_UP: Final = {DEADLOCK, DUPLICATE_KEY}
"""Deadlocks, and two processes that create one collection: the loser finds it there the next time."""


class MysqlBackend:
    """A store in one database of MySQL or MariaDB.

    Args:
        address: where it is; the database is created if it is not there.
        table: a valid table name; names of further tables begin with it.
        pool_size: connections at the most, at least 1.
        max_tombstones: removed ids remembered in each collection.
    """

    def __init__(
        self,
        address: Address,
        table: str = "items",
        *,
        pool_size: int = POOL_SIZE,
        max_tombstones: int = MAX_TOMBSTONES,
    ) -> None:
        self._address = address
        self._table = table
        self._tables = MysqlTables(table, max_tombstones)
        self._pool_size = pool_size
        self._writers = min(WRITERS, pool_size)
        self._pool: Pool | None = None
        self._waiting: deque[_Waiting] = deque()
        self._writing: set[asyncio.Task[None]] = set()
        self._doubtful: set[CollectionPath] = set()

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
            if self._writing:
                await asyncio.wait(self._writing)
            pool, self._pool = self._pool, None
            if pool is not None:
                await pool.close()

    async def migrate(self, tell: Tell) -> Migrated | None:
        """Do as `Migratable.migrate`."""
        return await mysql_migration.migrate(self._address, self._table, tell)

    async def load(self, collection: CollectionPath, since: Cursor | None) -> Loaded:
        """Do as `Backend.load`."""

        async def work(connection: Connection) -> Loaded:
            if collection in self._doubtful:
                await self._tables.settle(connection, collection)
                self._doubtful.discard(collection)
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
        pool = self._opened()
        result: asyncio.Future[CommitResult] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(Commit(collection, writes), result))
        if len(self._writing) < self._writers:
            self._writing.add(asyncio.create_task(self._write_waiting(pool)))
        return await result

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

    async def _write_waiting(self, pool: Pool) -> None:
        """Commit what waits until nothing does."""
        taken: list[_Waiting] = []
        try:
            while self._waiting:
                taken = self._take()
                outcomes = await self._transact(pool, [waiting.commit for waiting in taken])
                for waiting, outcome in zip(taken, outcomes, strict=True):
                    waiting.answer(outcome)
        finally:
            self._writing.remove(cast("asyncio.Task[None]", asyncio.current_task()))
            for waiting in taken:  # answered already, unless the loop itself is being ended
                waiting.answer(OutcomeUnknownError(f"{self._address}: the server ended meanwhile"))

    def _take(self) -> list[_Waiting]:
        """Take what waits; of one collection, whose caller did not wait for the last commit's end, one only."""
        taken = [self._waiting.popleft()]
        collections = {taken[0].commit.collection}
        size = taken[0].size
        while self._waiting and len(taken) < MAX_MERGED:
            collection = self._waiting[0].commit.collection
            size += self._waiting[0].size
            if size > MAX_MERGED_BYTES or collection in collections:
                break
            collections.add(collection)
            taken.append(self._waiting.popleft())
        return taken

    async def _transact(
        self, pool: Pool, commits: Sequence[Commit]
    ) -> Sequence[CommitResult | Exception]:
        """Commit all in one transaction; if it fails, each again in one of its own."""
        attempts = ATTEMPTS
        lost = False
        while True:
            attempts -= 1
            try:
                return await self._transact_once(pool, commits)
            except OutcomeUnknownError as error:
                return [error] * len(commits)
            except LostError as error:
                if lost:
                    return [error] * len(commits)
                lost = True
            except Exception as error:  # noqa: BLE001 (whatever it is: undone, and told to the caller)
                given_up = isinstance(error, DatabaseError) and error.number in _GIVEN_UP
                if given_up and attempts:
                    continue
                if len(commits) > 1:
                    break
                return [self._failure(error)]
        alone = (self._transact(pool, [commit]) for commit in commits)
        return [outcome for (outcome,) in await asyncio.gather(*alone)]

    async def _transact_once(self, pool: Pool, commits: Sequence[Commit]) -> list[CommitResult]:
        async with pool.connection() as connection:
            results, last = await self._tables.prepare(connection, commits)
            try:
                await connection.run(joined(last))
            except StorageError as error:
                if isinstance(error, DatabaseError) and (
                    error.statement < len(last) - 1 or error.number == DEADLOCK
                ):
                    raise
                self._doubtful.update(commit.collection for commit in commits)
                raise OutcomeUnknownError(f"{error}; it may be stored or not") from error
        self._doubtful.difference_update(commit.collection for commit in commits)
        return results

    def _failure(self, error: Exception) -> StorageError:
        if isinstance(error, StorageError):
            return error
        failure = StorageError(f"{self._address}: {type(error).__name__}: {error}")
        failure.__cause__ = error
        return failure


class _Waiting(NamedTuple):
    """A commit that waits for its transaction."""

    commit: Commit
    result: asyncio.Future[CommitResult]

    @property
    def size(self) -> int:
        """Bytes of its texts."""
        texts = (write.update.insert.values() for write in self.commit.writes)
        return sum(len(text) for each in texts for text in each)

    def answer(self, outcome: CommitResult | Exception) -> None:
        """Tell the caller, if it still waits and does not know yet."""
        if self.result.done():
            return
        if isinstance(outcome, Exception):
            self.result.set_exception(outcome)
        else:
            self.result.set_result(outcome)
