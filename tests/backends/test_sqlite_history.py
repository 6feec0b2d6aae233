"""A database that is set back under open stores: each of them notices, and nobody is left with what is not there."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sharedstate_backends.conformance.model import path, put, write_all
from sharedstate_core.storage import Committed, Condition, Cursor, Rejected, Write

from .opening import opened, sqlite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sharedstate_backends import Backend

P = path()


def copy(source: str, target: str) -> None:
    """Copy a database online, as `.backup` and `.restore` of the command `sqlite3` do."""
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


class Backups:
    """Takes a database's state, and sets it back."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._taken = 0

    def take(self) -> str:
        self._taken += 1
        name = f"{self._file}.{self._taken}"
        copy(self._file, name)
        return name

    def put_back(self, name: str) -> None:
        copy(name, self._file)


@pytest.fixture
def backups(file: str) -> Backups:
    return Backups(file)


@pytest.fixture
def lost() -> Iterator[list[str]]:
    """Lines of the log about lost history, as they come."""
    lines: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    logging.getLogger("sharedstate").addHandler(handler := Handler())
    yield lines
    logging.getLogger("sharedstate").removeHandler(handler)


async def cursor(backend: Backend) -> Cursor:
    return (await backend.heads([P]))[P]


async def ids(backend: Backend) -> set[str]:
    return {row.id for row in (await backend.load(P, None)).rows if row.text is not None}


async def test_a_look_sees_a_lower_head(file: str, backups: Backups, lost: list[str]) -> None:
    async with opened(sqlite(file)) as backend:
        await write_all(backend, P, put("one"))
        backup = backups.take()
        await write_all(backend, P, put("lost"))
        before = await cursor(backend)
        backups.put_back(backup)
        now = await cursor(backend)
        assert now.epoch != before.epoch
        assert now.version == 1
        assert await cursor(backend) == now, "once is enough"
        (line,) = lost
        assert "storage has gone back: version 2 of /app/service/collection" in line


async def test_a_commit_sees_it_before_anybody_looks(
    file: str, backups: Backups, lost: list[str]
) -> None:
    async with opened(sqlite(file)) as backend:
        await write_all(backend, P, put("one"))
        backup = backups.take()
        await write_all(backend, P, put("lost"))
        before = await cursor(backend)
        backups.put_back(backup)
        condition = Condition(before)
        result = await backend.commit(P, [Write(put("after")), Write(put("x"), condition)])
        assert result.epoch != before.epoch
        stored, refused = result.outcomes
        assert stored == Committed(2)
        assert isinstance(refused, Rejected), "a condition names a state that is lost"
        assert await ids(backend) == {"one", "after"}
        assert len(lost) == 1


async def test_a_load_sees_it(file: str, backups: Backups, lost: list[str]) -> None:
    async with opened(sqlite(file)) as backend:
        await write_all(backend, P, put("one"))
        backup = backups.take()
        await write_all(backend, P, put("lost"))
        before = await cursor(backend)
        backups.put_back(backup)
        loaded = await backend.load(P, before)
        assert loaded.epoch != before.epoch
        assert loaded.base is None
        assert [row.id for row in loaded.rows] == ["one"]
        assert len(lost) == 1


@pytest.mark.parametrize("commits", [1, 2, 5])
async def test_it_is_seen_though_another_store_has_gone_on_from_there(
    commits: int, file: str, backups: Backups, lost: list[str]
) -> None:
    """Also where the head is as high as before, or higher."""
    async with opened(sqlite(file)) as here:
        await write_all(here, P, put("one"))
        backup = backups.take()
        await write_all(here, P, put("lost"))
        before = await cursor(here)
        backups.put_back(backup)
        async with opened(sqlite(file)) as other:  # knows nothing of what was lost
            for number in range(commits):
                await write_all(other, P, put(f"{number}"))
            assert not lost
            now = await cursor(here)
            assert now.epoch != before.epoch
            assert (await here.load(P, before)).base is None
            assert await ids(here) == {"one", *(f"{number}" for number in range(commits))}
            assert await cursor(other) == now, (
                "the other one hears of it, and takes no further epoch"
            )
            assert len(lost) == 1


async def test_the_latest_commit_belongs_to_each_look(
    file: str, backups: Backups, lost: list[str]
) -> None:
    """Of the collection that was written to nobody holds anything here, but some who are away may."""
    other = path("other")
    async with opened(sqlite(file)) as backend:
        await write_all(backend, P, put("one"))
        backup = backups.take()
        await write_all(backend, other, put("lost"))
        before = await cursor(backend)
        backups.put_back(backup)
        assert (await cursor(backend)).epoch != before.epoch
        assert len(lost) == 1
        assert set(await backend.heads([])) == set()


async def test_a_backup_of_an_epoch_before(file: str, backups: Backups, lost: list[str]) -> None:
    async with opened(sqlite(file)) as backend:
        await write_all(backend, P, put("one"))
        backup = backups.take()
        epochs = [(await cursor(backend)).epoch]
        for number in range(3):
            await write_all(backend, P, put(f"{number}"), put("x"))
            backups.put_back(backup)
            epochs.append((await cursor(backend)).epoch)
        assert len(set(epochs)) == 4
        assert len(lost) == 3


async def test_a_backup_of_now_changes_nothing(
    file: str, backups: Backups, lost: list[str]
) -> None:
    async with opened(sqlite(file)) as here, opened(sqlite(file)) as there:
        for number in range(5):
            await write_all(here, P, put(f"{number}"))
            await write_all(there, P, put(f"{number}"))
        before = await cursor(here)
        backups.put_back(backups.take())
        assert await cursor(here) == await cursor(there) == before
        await write_all(there, P, put("more"))
        assert await cursor(here) == Cursor(before.epoch, before.version + 1)
        assert not lost


async def test_a_reader_who_holds_more_is_believed_once_for_each_start(
    file: str, lost: list[str]
) -> None:
    """Before this process began nobody was there to remember."""
    async with opened(sqlite(file)) as backend:
        await write_all(backend, P, put("one"))
    async with opened(sqlite(file)) as backend:
        before = await cursor(backend)
        for honest in (before, Cursor("another", 9), Cursor(before.epoch, 0)):
            await backend.doubt(P, honest)
            assert await cursor(backend) == before
    async with opened(sqlite(file)) as backend, opened(sqlite(file)) as other:
        assert await cursor(other) == before
        await backend.doubt(P, Cursor(before.epoch, 7))
        (line,) = lost
        assert "a reader holds version 7 of /app/service/collection, and there is version 1" in line
        now = await cursor(backend)
        assert now.epoch != before.epoch
        for claimed in (before.epoch, now.epoch):
            await backend.doubt(P, Cursor(claimed, 99))
        assert await cursor(backend) == await cursor(other) == now
        await other.doubt(P, Cursor(now.epoch, 99))
        assert await cursor(other) == now, "that epoch is younger than this process"
        assert len(lost) == 1


async def test_data_of_version_0_1_and_back(file: str, lost: list[str]) -> None:
    """A column is added, which version 0.1 neither needs nor minds; what it has written is taken as it is."""
    async with opened(sqlite(file)) as backend:
        await write_all(backend, P, put("a"))
        epoch = (await cursor(backend)).epoch
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("ALTER TABLE items_collections DROP COLUMN writers")
        connection.execute("DELETE FROM items_meta WHERE name IN ('boot', 'former_epochs')")
        connection.commit()
    async with opened(sqlite(file)) as backend:
        assert await cursor(backend) == Cursor(epoch, 1)
        await write_all(backend, P, put("b"))
        assert await cursor(backend) == Cursor(epoch, 2)
        with closing(sqlite3.connect(file)) as connection:  # as version 0.1 does, at the same time
            connection.execute(
                "INSERT INTO items_collections (key, app, name, version, horizon, tombstones) "
                "VALUES (1, 'app', 'collection', 3, 0, 0) ON CONFLICT (key) DO UPDATE SET "
                "version = excluded.version, horizon = excluded.horizon, tombstones = excluded.tombstones"
            )
            connection.commit()
        assert await cursor(backend) == Cursor(epoch, 3)
        await write_all(backend, P, put("c"))
        assert await cursor(backend) == Cursor(epoch, 4)
    assert not lost


def test_the_copy_is_one(file: str, tmp_path: Path) -> None:
    """What the tests above call a backup holds what the write-ahead log holds, too."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t AS SELECT 7 AS x")
        connection.commit()
        copy(file, str(tmp_path / "copy"))
        assert Path(file).stat().st_size < 8192
    with closing(sqlite3.connect(tmp_path / "copy")) as connection:
        assert connection.execute("SELECT x FROM t").fetchall() == [(7,)]
