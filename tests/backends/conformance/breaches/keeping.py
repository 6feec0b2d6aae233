"""Breaches of rules 3 and 6: cancelled callers, half commits, locks that are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import anyio
import anyio.lowlevel
from anyio import to_thread
from msgspec.structs import replace

from sharedstate_backends import StorageError
from sharedstate_core.storage import CommitResult
from tests.backends.conformance.journal_backend import Entry, JournalBackend

from .none import Detached, InAThread

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import Cursor, Loaded, Write


class Unshielded(JournalBackend):
    """A caller who is cancelled leaves at once, whatever has begun."""

    async def commit(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        async with self.lock:
            return await self.store(path, writes)


class BetweenLineAndMemory(Unshielded):
    """The line is on the disk, memory stays at the old version, and the next commit follows on that."""

    async def append(self, entry: Entry) -> None:
        await super().append(entry)
        await anyio.lowlevel.checkpoint()


class TheThreadGoesOn(Unshielded):
    """The thread writes its line although the caller left, and memory hears nothing of it."""

    async def append(self, entry: Entry) -> None:
        await to_thread.run_sync(self.write_line, entry.encode(), abandon_on_cancel=True)


class MemoryBeforeLine(Unshielded):
    """Memory has it first; with a caller who is cancelled then, the disk never does."""

    async def store(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        planned = self.plan(path, writes)
        entry = self.entry(path, planned)
        self.apply(entry)
        await anyio.lowlevel.checkpoint()
        await self.append(entry)
        return CommitResult(self.epoch, planned.outcomes)


class OneByOne(Unshielded):
    """Stores each write of a commit by itself."""

    async def store(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        results = [await super(OneByOne, self).store(path, [write]) for write in writes]
        return CommitResult(self.epoch, [outcome for each in results for outcome in each.outcomes])


class OneByOneShielded(JournalBackend):
    """Ends what was begun, but whoever looks meanwhile sees half of it."""

    async def store(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        results = [await super(OneByOneShielded, self).store(path, [write]) for write in writes]
        return CommitResult(self.epoch, [outcome for each in results for outcome in each.outcomes])


class LeavingHalf(Unshielded):
    """In one piece, unless the caller leaves."""

    async def store(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        try:
            await anyio.lowlevel.checkpoint()
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await super().store(path, writes[:2])
            raise
        return await super().store(path, writes)


class LinesOfACommit(Unshielded):
    """Memory changes as one, but on the disk are lines of one write each."""

    async def store(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        kept = self.collection(path)
        for number in range(1, len(writes) + 1):
            planned = self.plan(path, writes[:number])
            if planned.head != kept[0]:
                await self.append(self.entry(path, planned))
                await anyio.lowlevel.checkpoint()
        planned = self.plan(path, writes)
        if planned.head != kept[0]:
            self.apply(self.entry(path, planned))
        return CommitResult(self.epoch, planned.outcomes)


class TakenBack(Unshielded):
    """Takes back what it has told of if the caller leaves before the answer."""

    async def store(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        before = self.collection(path)
        result = await super().store(path, writes)
        try:
            await anyio.lowlevel.checkpoint()
            await anyio.lowlevel.checkpoint()
        except anyio.get_cancelled_exc_class():
            collection = self.stored.get(self.key(path))
            if collection is not None and not before[0].version:
                del self.stored[self.key(path)]
            raise
        return result


class SwallowsCancellation(Unshielded):
    """Says that it has stored what it has not."""

    async def store(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        planned = self.plan(path, writes)
        try:
            await anyio.lowlevel.checkpoint()
        except anyio.get_cancelled_exc_class():
            return CommitResult(self.epoch, planned.outcomes)
        return await super().store(path, writes)


class CancellationIsAnError(Unshielded):
    """And what it says was not stored, was."""

    async def store(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        result = await super().store(path, writes)
        try:
            await anyio.lowlevel.checkpoint()
        except anyio.get_cancelled_exc_class() as error:
            raise StorageError("interrupted") from error
        return result


class GoesRound(Unshielded):
    """Tries again what was cancelled, for ever."""

    async def store(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        while True:
            try:
                await anyio.lowlevel.checkpoint()
                break
            except anyio.get_cancelled_exc_class():
                continue
        return await super().store(path, writes)


class KeepsTheLock(JournalBackend):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.writing = anyio.Semaphore(1)

    async def commit(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        await self.writing.acquire()
        await anyio.lowlevel.checkpoint()
        result = await super().commit(path, writes)
        self.writing.release()
        return result


class LoadsKeepALock(JournalBackend):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.reading = anyio.Semaphore(1)

    async def load(self, path: CollectionPath, since: Cursor | None) -> Loaded:
        await self.reading.acquire()
        await anyio.lowlevel.checkpoint()
        loaded = await super().load(path, since)
        self.reading.release()
        return loaded


class FailsItsNeighbours(JournalBackend):
    """Who comes first writes for those who came meanwhile; if that caller leaves, all of them have failed."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.others: list[anyio.Event] = []
        self.failed = self.busy = False

    async def commit(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        if self.busy:
            self.others.append(anyio.Event())
            await self.others[-1].wait()
            if self.failed:
                raise StorageError("the transaction was given up")
            return await super().commit(path, writes)
        self.busy, self.failed = True, False
        try:
            await anyio.lowlevel.checkpoint()
            return await super().commit(path, writes)
        except anyio.get_cancelled_exc_class():
            self.failed = True
            raise
        finally:
            self.busy = False
            for other in self.others:
                other.set()
            self.others.clear()


class LoadsTwoMoments(Detached):
    """The version is of one moment, the rows are of another."""

    async def load(self, path: CollectionPath, since: Cursor | None) -> Loaded:
        before = await super().load(path, since)
        for _ in range(3):
            await anyio.sleep(0.0005)
        after = await super().load(path, since)
        return replace(after, version=before.version)


class TwoJobs(InAThread):
    """The line is one job of the thread and memory another; a caller who leaves between them is not shielded."""

    async def commit(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        planned = await self.run(self.plan, path, writes)
        entry = await self.run(self.entry, path, planned)
        await self.run(self.write_line, entry.encode())
        await self.run(self.apply, entry)
        return CommitResult(self.epoch, planned.outcomes)


class EndsAfterClose(JournalBackend):
    """What a caller left behind is stored when the file is next open."""

    left: ClassVar[list[tuple[CollectionPath, Sequence[Write]]]] = []

    async def commit(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        try:
            await anyio.lowlevel.checkpoint()
        except anyio.get_cancelled_exc_class():
            self.left.append((path, writes))
            raise
        return await super().commit(path, writes)

    async def heads(self, paths: Sequence[CollectionPath]) -> Mapping[CollectionPath, Cursor]:
        heads = await super().heads(paths)
        while self.left:
            await super().commit(*self.left.pop())
        return heads
