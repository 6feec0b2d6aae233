"""Commits to MySQL or MariaDB: transactions, what their errors mean, and when they are retried.

1. Two transactions may be under way: while one waits for the disk, the next one is put together.
2. The heads of its collections are locked first: several processes may use one database.
3. After an error before COMMIT nothing was stored. A connection that is lost before the packet with COMMIT was sent
   is replaced once, silently. If the answer to that packet is lost, the outcome is unknown: the collection is
   *doubtful* until the lost transaction has certainly ended, one way or the other.
4. A transaction that the database aborted in favour of another is certainly not stored. It is retried, with pauses,
   until the address's timeout has passed; soon each commit is retried alone, so that a contended one does not hold up
   the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sharedstate_backends.batching import Batcher
from sharedstate_backends.contract import OutcomeUnknownError, StorageError
from sharedstate_backends.mysql.wire.backoff import ContentionBackoff
from sharedstate_backends.mysql.wire.errors import (
    DEADLOCK,
    DUPLICATE_KEY,
    OUT_OF_RANGE,
    DatabaseError,
    LostError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sharedstate_backends.batching import Commit
    from sharedstate_backends.mysql.wire.address import Address
    from sharedstate_backends.mysql.wire.pool import Pool
    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import CommitResult, Write

    from .commits import Commits

MAX_BYTES: Final = 4 * 1024 * 1024
"""Maximum size of the texts in one transaction of several commits: small enough that none waits long."""

ATTEMPTS: Final = 2
"""How often a transaction of several commits is tried if the server keeps aborting it in favour of another."""

_RETRIED: Final = {DEADLOCK, DUPLICATE_KEY, OUT_OF_RANGE}
"""Retried: a deadlock; two processes that create one collection, where the loser finds it the next time; and a head
other than remembered, which is read the next time."""


class Writer:
    """Takes commits and returns the outcome of each.

    Args:
        address: where the database is.
        pool: returns the connections to it, or raises `StorageError`.
        commits: does the work of a transaction.
        limit: maximum number of transactions under way.

    Attributes:
        doubtful: collections whose last commit has an unknown outcome.
    """

    def __init__(
        self, address: Address, pool: Callable[[], Pool], commits: Commits, limit: int
    ) -> None:
        self.doubtful: set[CollectionPath] = set()
        self._address = address
        self._pool = pool
        self._commits = commits
        self._batcher = Batcher(str(address), self._transact, limit=limit, max_bytes=MAX_BYTES)

    async def commit(self, collection: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        """See `Batcher.commit`."""
        return await self._batcher.commit(collection, writes)

    async def finish(self) -> None:
        """See `Batcher.finish`."""
        await self._batcher.finish()

    async def _transact(
        self, commits: Sequence[Commit], prepared: Callable[[], None]
    ) -> Sequence[CommitResult | Exception]:
        """See `Transact`; retried where that may help."""
        backoff = ContentionBackoff(self._address.timeout)
        attempts = ATTEMPTS
        lost = False
        while True:
            attempts -= 1
            try:
                return await self._transact_once(commits, prepared)
            except OutcomeUnknownError as error:
                return [error] * len(commits)
            except LostError as error:
                if lost:
                    return [error] * len(commits)
                lost = True
            except Exception as error:
                is_retried = isinstance(error, DatabaseError) and error.number in _RETRIED
                if is_retried and (len(commits) == 1 or attempts) and await backoff.pause():
                    continue
                if isinstance(error, StorageError):
                    raise
                problem = f"{self._address}: {type(error).__name__}: {error}"
                raise StorageError(problem) from error

    async def _transact_once(
        self, commits: Sequence[Commit], prepared: Callable[[], None]
    ) -> list[CommitResult]:
        async with self._pool().connection() as connection:
            transaction = await self._commits.prepare(connection, commits)
            prepared()
            try:
                await connection.run_together(transaction.last)
            except StorageError as error:
                if isinstance(error, DatabaseError) and (
                    error.statement < len(transaction.last) - 1 or error.number == DEADLOCK
                ):
                    raise
                self.doubtful.update(commit.collection for commit in commits)
                self._commits.doubt(commits)
                raise OutcomeUnknownError(f"{error}; it may be stored or not") from error
        self.doubtful.difference_update(
            transaction.changed
        )  # a lost transaction would find another head now
        self._commits.stored(transaction)
        return transaction.results
