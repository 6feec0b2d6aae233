"""Commits that are merged, fail or end in doubt."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import anyio
import pytest

from sharedstate_backends import Island, OutcomeUnknownError, StorageError
from sharedstate_backends.conformance.model import path, put, state_of, write_all
from sharedstate_backends.sqlite import connection as sqlite_connection
from sharedstate_backends.sqlite.backend import SqliteBackend
from sharedstate_backends.sqlite.connection import WorkError
from sharedstate_core.storage import Committed, Write
from sharedstate_core.updates import Update
from tests.backends.opening import opened, sqlite

if TYPE_CHECKING:
    from collections.abc import Callable

BAD = Update(insert={"\ud800": b"{}"})
"""An id that cannot be encoded; the core lets none through."""


async def on_thread(
    island: Island, backend: SqliteBackend, change: Callable[[sqlite3.Connection], object]
) -> None:
    """Do something to the writing connection, on its thread."""

    async def call() -> None:
        assert backend._threads._writer is not None
        await backend._threads._writer.run(change)

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

        def insert(cursor: sqlite3.Cursor) -> None:
            cursor.execute("INSERT INTO t VALUES (1)")

        sqlite_connection.write(connection, "name", insert)
        with pytest.raises(WorkError) as caught:
            sqlite_connection.write(connection, "name", insert)
        assert str(caught.value) == "name: UNIQUE constraint failed: t.x"
        assert not connection.in_transaction


def test_a_transaction_left_open_is_ended_by_the_next() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.execute("CREATE TABLE t (x)")
        names = "SELECT name FROM sqlite_schema"
        found = sqlite_connection.write(
            connection, "", lambda cursor: cursor.execute(names).fetchall()
        )
        assert found == []


def test_a_read_sees_one_moment(file: str) -> None:
    with closing(sqlite_connection.connect(file, synchronous="FULL", busy_timeout=0)) as writer:
        writer.execute("CREATE TABLE t (x)")

        def count_twice(cursor: sqlite3.Cursor) -> list[int]:
            counts = []
            for number in range(2):
                counts += cursor.execute("SELECT count(*) FROM t").fetchone()
                writer.execute("INSERT INTO t VALUES (?)", (number,))
            return counts

        with closing(sqlite_connection.connect(file, synchronous="FULL", busy_timeout=0)) as reader:
            assert sqlite_connection.read(reader, file, count_twice) == [0, 0]
            assert sqlite_connection.read(reader, file, count_twice) == [2, 2]


async def test_acknowledged_versions_are_the_stores(file: str) -> None:
    async with opened(sqlite(file)) as backend:
        result = await backend.commit(path(), [Write(put("a")), Write(put("b"))])
        assert list(result.outcomes) == [Committed(1), Committed(2)]
        assert (await backend.heads([path()]))[path()] == (result.epoch, 2)
