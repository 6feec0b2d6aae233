"""Commits of many callers in few transactions, for stores on asyncio.

1. Waiting commits share a transaction, whatever their collections; if it fails, each commit gets its own.
2. The next transaction begins once the current one is put together, if that many may be under way; until then commits
   queue up.
3. A transaction has at most one commit per collection. A second one exists only if the caller of the first did not wait
   for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, cast

from .contract import OutcomeUnknownError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import CommitResult, Write

MAX_COMMITS: Final = 256
"""Maximum number of commits in one transaction: enough to make its cost per commit small, few enough that none waits
long."""

PREPARED_SECONDS: Final = 0.05
"""A transaction not put together within this many seconds lets the next one begin: it may wait for another program's
lock."""


class Commit(NamedTuple):
    """What one collection's commit asks for."""

    collection: CollectionPath
    writes: Sequence[Write]


class Transact(Protocol):
    """What a store does: one transaction."""

    async def __call__(
        self, commits: Sequence[Commit], prepared: Callable[[], None]
    ) -> Sequence[CommitResult | Exception]:
        """Execute all of these commits together.

        Args:
            commits: one per collection.
            prepared: to be called when the next transaction may begin; it may anyway when this one ends.

        Returns:
            The outcome of each: its result, or the error for its caller.

        Raises:
            StorageError: nothing was stored, and each commit may be tried alone; a single commit fails with this error.
        """
        ...


class Batcher:
    """Takes commits and returns the outcome of each.

    Args:
        name: the store's name in messages.
        transact: one transaction.
        limit: maximum number of transactions under way.
        max_bytes: maximum size of the texts in a transaction of several commits; None for no limit.
    """

    def __init__(
        self, name: str, transact: Transact, *, limit: int = 1, max_bytes: int | None = None
    ) -> None:
        self._name = name
        self._transact = transact
        self._limit = limit
        self._max_bytes = max_bytes
        self._waiting: deque[_Waiting] = deque()
        self._writing: set[asyncio.Task[None]] = set()
        self._preparing: asyncio.Task[None] | None = None
        """One of them, whose transaction is not put together yet."""

    async def commit(self, collection: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        """Commit, in one transaction with others that are waiting.

        Raises:
            StorageError: nothing was stored.
            OutcomeUnknownError: it may or may not be stored.
        """
        result: asyncio.Future[CommitResult] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(Commit(collection, writes), result))
        self._begin()
        return await result

    async def finish(self) -> None:
        """Wait for all commits, under way or waiting."""
        while self._writing:
            await asyncio.wait(self._writing)

    def _begin(self) -> None:
        """Let a transaction begin if one may."""
        if self._waiting and self._preparing is None and len(self._writing) < self._limit:
            self._preparing = asyncio.create_task(self._write_waiting())
            self._writing.add(self._preparing)

    def _prepared(self, task: asyncio.Task[None]) -> None:
        """Let the next transaction begin, since this task's is put together or takes long."""
        if self._preparing is task:
            self._preparing = None
            self._begin()

    async def _write_waiting(self) -> None:
        """Commit what waits, until nothing does or another task takes over."""
        task = cast("asyncio.Task[None]", asyncio.current_task())
        prepared = partial(self._prepared, task)
        taken: list[_Waiting] = []
        try:
            while self._waiting and self._preparing in {None, task}:
                self._preparing = task
                taken = self._take()
                outcomes = await self._together([each.commit for each in taken], prepared)
                for waiting, outcome in zip(taken, outcomes, strict=True):
                    _settle(waiting.result, outcome)
        finally:
            self._writing.remove(task)
            if self._preparing is task:
                self._preparing = None
            for waiting in taken:  # already settled, unless the loop itself is ending
                unknown = OutcomeUnknownError(f"{self._name}: the server ended meanwhile")
                _settle(waiting.result, unknown)
            while self._waiting and not self._writing:
                refused = StorageError(f"{self._name}: the server is ending")
                _settle(self._waiting.popleft().result, refused)

    def _take(self) -> list[_Waiting]:
        """Take as many waiting commits as fit in one transaction."""
        taken: dict[CollectionPath, _Waiting] = {}
        size = 0
        while self._waiting and len(taken) < MAX_COMMITS:
            waiting = self._waiting[0]
            if waiting.commit.collection in taken:
                break
            if self._max_bytes is not None:
                size += waiting.size
                if taken and size > self._max_bytes:
                    break
            taken[waiting.commit.collection] = self._waiting.popleft()
        return list(taken.values())

    async def _together(
        self, commits: Sequence[Commit], prepared: Callable[[], None]
    ) -> Sequence[CommitResult | Exception]:
        """Commit all in one transaction; if it fails, each in its own."""
        late = None
        if self._limit > 1:
            late = asyncio.get_running_loop().call_later(PREPARED_SECONDS, prepared)
        try:
            return await self._transact(commits, prepared)
        except StorageError as error:
            if len(commits) == 1:
                return [error]
            each = (self._alone(commit) for commit in commits)
            return await asyncio.gather(*each)
        finally:
            if late is not None:
                late.cancel()

    async def _alone(self, commit: Commit) -> CommitResult | Exception:
        try:
            (outcome,) = await self._transact([commit], _nothing)
        except StorageError as error:
            return error
        return outcome


class _Waiting(NamedTuple):
    """A commit waiting for its transaction."""

    commit: Commit
    result: asyncio.Future[CommitResult]

    @property
    def size(self) -> int:
        """Size of its texts, in bytes."""
        texts = (write.update.insert.values() for write in self.commit.writes)
        size = sum(len(text) for each in texts for text in each)
        patches = (patch for write in self.commit.writes for patch in write.update.patch)
        return size + sum(patch.length for patch in patches)


def _settle(future: asyncio.Future[CommitResult], outcome: CommitResult | Exception) -> None:
    """Give a waiting caller the outcome, unless it has stopped waiting or already has one."""
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


def _nothing() -> None:
    """Do nothing: a commit that is retried alone is one of many."""
