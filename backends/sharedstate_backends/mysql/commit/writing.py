"""What waits to be committed to MySQL or MariaDB, and the transactions that commit it.

1. What waits goes into one transaction, whatever the collections; if it fails, each goes alone. The next one begins
   when this one is put together, so that it takes along whatever has come until then.
2. The heads of its collections are locked first: several processes may use one database.
3. An error before COMMIT is certain: nothing was stored. A connection that is lost before the packet with COMMIT was
   sent is replaced once, unseen. An answer that does not come to that packet is uncertain: the collection is *doubtful*
   until somebody has seen to the lost transaction's end, one way or the other.
4. A transaction that the database gave up for another one's sake is certainly not stored. It is tried again for as
   long as the address's timeout, with pauses; soon each commit alone, so that a contended one does not hold up others.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from sharedstate_backends.contract import OutcomeUnknownError, StorageError
from sharedstate_backends.futures import settle
from sharedstate_backends.mysql.wire.errors import (
    DEADLOCK,
    DUPLICATE_KEY,
    OUT_OF_RANGE,
    DatabaseError,
    LostError,
)
from sharedstate_backends.mysql.wire.patience import Patience

from .commits import Commit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_backends.mysql.wire.address import Address
    from sharedstate_backends.mysql.wire.pool import Pool
    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import CommitResult, Write

    from .commits import MysqlCommits

MAX_MERGED: Final = 256
"""Commits in one transaction: enough to make its cost per commit small, few enough that none waits long."""

MAX_MERGED_BYTES: Final = 4 * 1024 * 1024
"""Texts in one transaction of several commits, for the same reason."""

PREPARED_SECONDS: Final = 0.05
"""A transaction that is not put together by then lets the next one begin: it may wait for another program's lock."""

ATTEMPTS: Final = 2
"""How often a transaction of several commits is tried that the server gave up for the sake of another one."""

_GIVEN_UP: Final = {DEADLOCK, DUPLICATE_KEY, OUT_OF_RANGE}
"""Deadlocks; two processes that create one collection: the loser finds it there the next time; and a head that was not
as remembered, which is read the next time."""


class Writer:
    """Takes commits and tells what came of each.

    Args:
        address: where the database is, for messages.
        commits: what a transaction comes to.
        most: transactions under way at once, at the most.

    Attributes:
        doubtful: collections of which nobody knows what the last transaction came to.
    """

    def __init__(self, address: Address, commits: MysqlCommits, most: int) -> None:
        self.doubtful: set[CollectionPath] = set()
        self._address = address
        self._commits = commits
        self._most = most
        self._waiting: deque[_Waiting] = deque()
        self._writing: set[asyncio.Task[None]] = set()
        self._preparing: asyncio.Task[None] | None = (
            None  # one of them, whose transaction is not put together
        )

    async def commit(
        self, pool: Pool, collection: CollectionPath, writes: Sequence[Write]
    ) -> CommitResult:
        """Commit, in one transaction with others that wait."""
        result: asyncio.Future[CommitResult] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(Commit(collection, writes), result))
        self._begin(pool)
        return await result

    async def finish(self) -> None:
        """Wait for the commits under way."""
        while self._writing:
            await asyncio.wait(self._writing)

    def _begin(self, pool: Pool) -> None:
        """Let a transaction begin if one may."""
        if self._waiting and self._preparing is None and len(self._writing) < self._most:
            self._preparing = asyncio.create_task(self._write_waiting(pool))
            self._writing.add(self._preparing)

    def _prepared(self, task: asyncio.Task[Any] | None, pool: Pool) -> None:
        """Let the next transaction begin, since this task's is put together, or takes long."""
        if self._preparing is task:
            self._preparing = None
            self._begin(pool)

    async def _write_waiting(self, pool: Pool) -> None:
        """Commit what waits until nothing does, or another task does."""
        task = cast("asyncio.Task[None]", asyncio.current_task())
        taken: list[_Waiting] = []
        try:
            while self._waiting and self._preparing in {None, task}:
                self._preparing = task
                taken = self._take()
                late = asyncio.get_running_loop().call_later(
                    PREPARED_SECONDS, self._prepared, task, pool
                )
                outcomes = await self._transact(pool, [waiting.commit for waiting in taken])
                late.cancel()
                for waiting, outcome in zip(taken, outcomes, strict=True):
                    settle(waiting.result, outcome)
        finally:
            self._writing.remove(task)
            self._prepared(task, pool)
            for waiting in taken:  # answered already, unless the loop itself is being ended
                unknown = OutcomeUnknownError(f"{self._address}: the server ended meanwhile")
                settle(waiting.result, unknown)

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
        patience = Patience(self._address.timeout)
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
                alone = len(commits) == 1
                if given_up and (alone or attempts) and await patience.lasts():
                    continue
                if alone:
                    return [self._failure(error)]
                break
        each = (self._transact(pool, [commit]) for commit in commits)
        return [outcome for (outcome,) in await asyncio.gather(*each)]

    async def _transact_once(self, pool: Pool, commits: Sequence[Commit]) -> list[CommitResult]:
        async with pool.connection() as connection:
            prepared = await self._commits.prepare(connection, commits)
            self._prepared(asyncio.current_task(), pool)
            try:
                await connection.run_together(prepared.last)
            except StorageError as error:
                if isinstance(error, DatabaseError) and (
                    error.statement < len(prepared.last) - 1 or error.number == DEADLOCK
                ):
                    raise
                self.doubtful.update(commit.collection for commit in commits)
                self._commits.doubt(commits)
                raise OutcomeUnknownError(f"{error}; it may be stored or not") from error
        self.doubtful.difference_update(prepared.changed)  # what was lost finds another head now
        self._commits.stored(prepared)
        return prepared.results

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
