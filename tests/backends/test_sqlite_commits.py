"""Commits that are merged, fail, end in doubt or lose their caller; threads that come and go."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import anyio
import pytest

from sharedstate_backends import Island, OutcomeUnknownError, StorageError, sqlite_connection
from sharedstate_backends.conformance.model import item_text, path, put, state_of, write_all
from sharedstate_backends.island import THREAD_NAME
from sharedstate_backends.sqlite import SqliteBackend
from sharedstate_core.storage import Committed, Write
from sharedstate_core.updates import Update

from .opening import opened, sqlite

if TYPE_CHECKING:
    from collections.abc import Callable

BAD = Update(insert={"\ud800": b"{}"})
"""An id that cannot be encoded; the core lets none through."""


async def on_thread(
    island: Island, backend: SqliteBackend, change: Callable[[sqlite3.Connection], object]
) -> None:
    """Do something to the writing connection, on its thread."""

    async def call() -> None:
        assert backend._writer is not None
        await backend._writer.run(change)

    await island._run(call)


async def test_commits_of_one_moment_share_a_transaction() -> None:
    backend = SqliteBackend()
    seen: list[str] = []
    async with opened(Island(backend)) as island:
        await on_thread(island, backend, lambda each: each.set_trace_callback(seen.append))
        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(write_all, island, path(f"{number}"), put("a"))
        await on_thread(island, backend, lambda each: each.set_trace_callback(None))
        assert len(await island.collections("app")) == 20
    assert 0 < seen.count("COMMIT") < 20


async def test_a_failure_is_nobody_elses() -> None:
    """Among merged commits one fails unexpectedly: the others are stored, it leaves nothing behind."""
    results: dict[int, Exception | int] = {}

    async with opened(sqlite()) as backend:

        async def work(number: int) -> None:
            updates = (put("a"), BAD if number == 3 else put("b"))
            try:
                result = await backend.commit(path(f"{number}"), [Write(each) for each in updates])
                results[number] = result.outcomes[-1].version
            except StorageError as error:
                results[number] = error

        async with anyio.create_task_group() as tasks:
            for number in range(8):
                tasks.start_soon(work, number)
        failure = results.pop(3)
        assert isinstance(failure, StorageError)
        assert "UnicodeEncodeError" in str(failure)
        assert set(results.values()) == {2}
        assert list(await backend.collections("app")) == sorted(map(str, results))
        assert await write_all(backend, path("3"), put("a")) == 1


def refuse_commit(action: int, argument: str | None, *_: object) -> int:
    is_commit = action == sqlite3.SQLITE_TRANSACTION and argument == "COMMIT"
    return sqlite3.SQLITE_DENY if is_commit else sqlite3.SQLITE_OK


async def test_commit_that_ends_in_doubt() -> None:
    """An error of COMMIT itself is no certain failure; afterwards the store goes on."""
    backend = SqliteBackend()
    async with opened(Island(backend)) as island:
        await write_all(island, path(), put("a"))
        await on_thread(island, backend, lambda each: each.set_authorizer(refuse_commit))
        with pytest.raises(OutcomeUnknownError, match="it may be stored or not"):
            await island.commit(path(), [Write(put("b"))])
        await on_thread(island, backend, lambda each: each.set_authorizer(None))
        assert list(state_of(await island.load(path(), None))) == ["a"]
        assert await write_all(island, path(), put("c")) == 2


def test_error_before_commit_is_certain() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (x UNIQUE)")

        def insert(cursor: sqlite3.Cursor) -> str:
            cursor.execute("INSERT INTO t VALUES (1)")
            return "done"

        results = sqlite_connection.write(connection, "name", [insert, insert])
        assert results[0] == "done"
        assert isinstance(results[1], StorageError)
        assert str(results[1]) == "name: UNIQUE constraint failed: t.x"
        assert not connection.in_transaction


def test_a_transaction_left_open_is_ended_by_the_next() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.execute("CREATE TABLE t (x)")
        names = "SELECT name FROM sqlite_schema"
        (result,) = sqlite_connection.write(
            connection, "", [lambda cursor: cursor.execute(names).fetchall()]
        )
        assert result == []


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


async def test_a_cancelled_caller_hands_nothing_over() -> None:
    async with opened(sqlite()) as backend:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await anyio.lowlevel.checkpoint_if_cancelled()
            await backend.commit(path(), [Write(put("a"))])
        assert (await backend.load(path(), None)).version == 0


async def test_close_waits_for_commits(file: str) -> None:
    results: list[int] = []

    async def work(number: int) -> None:
        results.append(await write_all(backend, path(f"{number}"), put("a")))

    backend = sqlite(file)
    await backend.open()
    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(work, number)
        await anyio.wait_all_tasks_blocked()
        await backend.close()
    assert results == [1] * 10


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
    assert not [thread for thread in left if thread.name == THREAD_NAME]
    assert not [thread for thread in left if "_connection_worker_thread" in thread.name]


async def test_island_only_where_it_is_needed(anyio_backend_name: str) -> None:
    async with opened(sqlite()):
        islands = [thread for thread in threading.enumerate() if thread.name == THREAD_NAME]
        assert bool(islands) == (anyio_backend_name != "asyncio")


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
        assert backend._writing is not None
        backend._writing.cancel()
        await asyncio.wait(callers)
        await backend.close()

    asyncio.run(main())
    assert {type(failure) for failure in failures} <= {OutcomeUnknownError, StorageError}
    assert OutcomeUnknownError in {type(failure) for failure in failures}


async def test_acknowledged_versions_are_the_stores(file: str) -> None:
    async with opened(sqlite(file)) as backend:
        result = await backend.commit(path(), [Write(put("a")), Write(put("b"))])
        assert list(result.outcomes) == [Committed(1), Committed(2)]
        assert (await backend.heads([path()]))[path()] == (result.epoch, 2)
