"""The journal without a breach, in other ways: callers who are cancelled leave at once; each `open` draws an epoch."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

import anyio
from anyio import to_thread

from sharedstate_core.storage import CommitResult
from tests.backends.conformance.journal_backend import JournalBackend

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import Cursor, Loaded, Write

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Detached(JournalBackend):
    """A commit is a task of the store's own, for which `close` waits."""

    async def open(self) -> None:
        await super().open()
        self.tasks = anyio.create_task_group()
        await self.tasks.__aenter__()

    async def close(self) -> None:
        await self.tasks.__aexit__(None, None, None)
        await super().close()

    async def commit(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        results: list[CommitResult] = []
        ended = anyio.Event()

        async def work() -> None:
            results.append(await super(Detached, self).commit(path, writes))
            ended.set()

        self.tasks.start_soon(work)
        await ended.wait()
        return results[0]


class InAThread(JournalBackend):
    """Commits and loads are jobs of one thread, for the last of which `close` waits."""

    async def open(self) -> None:
        self.thread = ThreadPoolExecutor(1)
        await super().open()

    async def close(self) -> None:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(self.thread.shutdown)
        await super().close()

    async def run(self, job: Callable[[*Ts], T], *args: *Ts) -> T:
        waiting = self.thread.submit(job, *args)
        return await to_thread.run_sync(waiting.result, abandon_on_cancel=True)

    async def load(self, path: CollectionPath, since: Cursor | None) -> Loaded:
        return await self.run(self.loaded, path, since)

    async def commit(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        return await self.run(self.commit_now, path, writes)

    def commit_now(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        planned = self.plan(path, writes)
        if planned.head != self.collection(path)[0]:
            entry = self.entry(path, planned)
            self.write_line(entry.encode())
            self.apply(entry)
        return CommitResult(self.epoch, planned.outcomes)


class EpochAnew(JournalBackend):
    """Draws an epoch whenever it is opened, as a store that cannot tell what it lost: it has to be said of it."""

    async def open(self) -> None:
        await super().open()
        self.epoch = self.draw_epoch()
