"""Callers that are cancelled, loops that go on, threads that come and go."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing

import anyio
import pytest

from sharedstate_backends import OutcomeUnknownError, StorageError
from sharedstate_backends.conformance.model import item_text, path, put, state_of, write_all
from sharedstate_backends.sqlite.backend import SqliteBackend
from sharedstate_core.storage import Write
from sharedstate_core.updates import Update
from tests.backends.opening import opened, sqlite


async def test_a_cancelled_commit_runs_to_its_end(file: str) -> None:
    async with opened(sqlite(file)) as backend:
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # holds it up until the caller has been cancelled
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(backend.commit, path(), [Write(put("a", "b"))])
                await anyio.wait_all_tasks_blocked()
                tasks.cancel_scope.cancel()
                other.execute("ROLLBACK")
    async with opened(sqlite(file)) as backend:
        assert list(state_of(await backend.load(path(), None))) == ["a", "b"]


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_on_trio_a_cancelled_caller_learns_the_end(file: str) -> None:
    async with opened(sqlite(file)) as backend:
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            results: list[int] = []

            async def work() -> None:
                results.append(await write_all(backend, path(), put("a")))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(work)
                await anyio.wait_all_tasks_blocked()
                tasks.cancel_scope.cancel()
                other.execute("ROLLBACK")
            assert results == [1]


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_on_trio_a_cancelled_caller_hands_nothing_over() -> None:
    async with opened(sqlite()) as backend:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await backend.commit(path(), [Write(put("a"))])
        assert scope.cancelled_caught
        assert (await backend.load(path(), None)).version == 0


async def test_close_waits_for_commits(file: str) -> None:
    """For the one under way, and for those that wait behind it."""
    results: list[int] = []

    async def work(name: str) -> None:
        results.append(await write_all(backend, path(name), put("a")))

    backend = sqlite(file)
    await backend.open()
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        async with anyio.create_task_group() as tasks:
            for name in ("under way", "waits"):
                tasks.start_soon(work, name)
                await anyio.wait_all_tasks_blocked()
            tasks.start_soon(backend.close)
            await anyio.wait_all_tasks_blocked()
            other.execute("ROLLBACK")
    assert results == [1, 1]


async def test_no_thread_is_left(file: str) -> None:
    """Only the cached helper threads of the loops themselves may remain."""
    before = set(threading.enumerate())
    for name in (":memory:", file, file + "/cannot be opened"):
        backend = sqlite(name)
        try:
            await backend.open()
            await write_all(backend, path(), put("a"))
        except StorageError:
            assert name.startswith(file)
        await backend.close()
        await backend.close()
    left = set(threading.enumerate()) - before
    assert not [thread for thread in left if "_connection_worker_thread" in thread.name]


async def test_the_loop_runs_on_meanwhile(file: str) -> None:
    """While the file is locked, the caller's loop does other things: here, it frees the lock."""
    async with opened(sqlite(file)) as backend:
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(write_all, backend, path(), put("a"))
                await anyio.wait_all_tasks_blocked()
                other.execute("ROLLBACK")
        assert (await backend.load(path(), None)).version == 1


async def test_loads_do_not_wait_for_commits(file: str) -> None:
    async with opened(sqlite(file)) as backend:
        await write_all(backend, path(), put("a"))
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(write_all, backend, path("other"), put("a"))
                await anyio.wait_all_tasks_blocked()
                assert (await backend.load(path(), None)).version == 1
                other.execute("ROLLBACK")


def test_a_loop_that_ends_answers_its_callers(file: str) -> None:
    """What was handed over when the loop itself was ended is in doubt, not refused and not lost."""
    failures: list[BaseException] = []

    async def work(backend: SqliteBackend, name: str) -> None:
        try:
            await backend.commit(path(name), [Write(Update(insert={"a": item_text("a")}))])
        except (Exception, asyncio.CancelledError) as error:
            failures.append(error)

    async def main() -> None:
        backend = SqliteBackend(file)
        await backend.open()
        callers = [asyncio.create_task(work(backend, "one"))]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        callers.append(asyncio.create_task(work(backend, "two")))
        await asyncio.sleep(0)
        (writing,) = backend._writer._batcher._writing
        writing.cancel()
        await asyncio.wait(callers)
        await backend.close()

    asyncio.run(main())
    assert {type(failure) for failure in failures} <= {OutcomeUnknownError, StorageError}
    assert OutcomeUnknownError in {type(failure) for failure in failures}
