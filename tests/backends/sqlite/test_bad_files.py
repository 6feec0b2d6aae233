"""Files that are locked, full, damaged, or somebody else's: one line tells which and what to do."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from sharedstate_backends import StorageError, layout
from sharedstate_backends.conformance.model import (
    path,
    put,
    write_all,
)
from sharedstate_backends.sqlite import connection as sqlite_connection
from sharedstate_core.storage import Write
from sharedstate_core.updates import Update
from tests.backends.opening import opened, sqlite
from tests.support.faults.disk import NoDiskError, disk


def execute(file: str, *statements: str) -> None:
    with closing(sqlite3.connect(file)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def test_a_file_locked_while_it_is_opened(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite does not wait for the switch to a write-ahead log, so we do: here, the lock goes meanwhile."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("CREATE TABLE something (x)")
        other.execute("BEGIN IMMEDIATE")
        pauses: list[float] = []

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            other.execute("ROLLBACK")

        monkeypatch.setattr("sharedstate_backends.sqlite.connection.time.sleep", pause)
        connection = sqlite_connection.connect(file, synchronous="FULL", busy_timeout=60)
        with closing(connection):
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert len(pauses) == 1


async def test_full_disk(file: str) -> None:
    async with opened(sqlite(file)) as backend:
        await write_all(backend, path(), put("a"))
    connection = sqlite_connection.connect(file, synchronous="FULL", busy_timeout=0)
    with closing(connection):
        connection.execute("PRAGMA max_page_count = 1").fetchone()

        def grow(cursor: sqlite3.Cursor) -> None:
            cursor.execute("INSERT INTO items VALUES (1, 'big', 1, 1, 1, zeroblob(1000000))")

        with pytest.raises(StorageError, match="the disk is full; make room"):
            sqlite_connection.write(connection, file, grow)


async def test_missing_folder(tmp_path: Path) -> None:
    await _refused(str(tmp_path / "missing" / "items.db"), "check that its folder exists")


async def test_folder_instead_of_file(tmp_path: Path) -> None:
    await _refused(str(tmp_path), "cannot be opened")


async def test_not_a_database(file: str) -> None:
    Path(file).write_bytes(b"these are no pages of a database, but it is long enough\n" * 99)
    await _refused(file, "is not an SQLite database; give another db_name")


async def test_damaged_file(file: str) -> None:
    async with opened(sqlite(file)) as backend:
        await write_all(backend, path(), put(*map(str, range(500)), value="x" * 100))
    content = bytearray(Path(file).read_bytes())
    content[100:] = b"\xa5" * (len(content) - 100)
    Path(file).write_bytes(content)
    await _refused(
        file, "is damaged; move it away, with -wal and -shm beside it, and restore a backup"
    )


async def test_damage_met_later(file: str) -> None:
    """What cannot be read is an error, never an empty collection."""
    async with opened(sqlite(file)) as backend:
        await write_all(backend, path("big"), put(*map(str, range(500)), value="x" * 100))
    content = bytearray(Path(file).read_bytes())
    content[-8 * 4096 :] = b"\xa5" * (8 * 4096)
    Path(file).write_bytes(content)
    async with opened(sqlite(file)) as backend:
        with pytest.raises(StorageError, match="is damaged"):
            await backend.load(path("big"), None)
        assert (await backend.heads([path("big")]))[path("big")].version == 1


async def test_damage_met_by_a_commit(file: str) -> None:
    """It is refused, whole."""
    async with opened(sqlite(file)) as backend:
        await write_all(backend, path("big"), put(*map(str, range(500)), value="x" * 100))
    content = bytearray(Path(file).read_bytes())
    content[-8 * 4096 :] = b"\xa5" * (8 * 4096)
    Path(file).write_bytes(content)
    async with opened(sqlite(file)) as backend:
        for update in (put("0"), Update(reset=True)):
            with pytest.raises(StorageError, match="is damaged"):
                await backend.commit(path("big"), [Write(put("first")), Write(update)])
            assert (await backend.heads([path("big")]))[path("big")].version == 1


def test_read_only_file(file: str) -> None:
    """As SQLite tells it, whoever runs the tests: no permission stops the superuser."""
    execute(file, "CREATE TABLE other (x)")
    with (
        closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection,
        pytest.raises(StorageError) as caught,
    ):
        sqlite_connection.write(
            connection, file, lambda cursor: cursor.execute("CREATE TABLE another (x)")
        )
    assert str(caught.value).startswith(f"{file}: is read-only; let the server's user write")


async def test_read_only_disk(tmp_path: Path) -> None:
    """As it is after the kernel has met an error; whoever runs the tests."""
    try:
        with disk(tmp_path / "disk") as mounted:
            file = str(mounted / "items.db")
            async with opened(sqlite(file)) as backend:
                await write_all(backend, path(), put("a"))
            before = Path(file).read_bytes()
            subprocess.run(["mount", "-o", "remount,ro", mounted], check=True)
            await _refused(file, "may be written to")
            assert Path(file).read_bytes() == before
    except NoDiskError as error:
        pytest.skip(str(error))


@pytest.mark.skipif(os.geteuid() == 0, reason="no permission stops the superuser")
async def test_read_only_permissions(file: str) -> None:
    async with opened(sqlite(file)):
        pass
    Path(file).chmod(stat.S_IRUSR)
    await _refused(file, "is read-only")


@pytest.mark.parametrize("name", ["items", "items_meta", "items_collections"])
async def test_somebody_elses_table(file: str, name: str) -> None:
    execute(file, f"CREATE TABLE {name} (x)")
    await _refused(file, f"table {name} is there already and is not SharedState's")


async def test_newer_format(file: str) -> None:
    async with opened(sqlite(file)):
        pass
    execute(
        file,
        f"UPDATE items_meta SET value = {layout.FORMAT_WITH_FLOOR + 1} WHERE name = 'format'",
        "ALTER TABLE items ADD COLUMN something",
    )
    await _refused(file, "upgrade, or choose another db_table")


async def _refused(file: str, message: str) -> None:
    backend = sqlite(file)
    with pytest.raises(StorageError) as caught:
        await backend.open()
    assert str(caught.value).startswith(f"{file}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    await backend.close()
    with pytest.raises(StorageError, match="is not open"):
        await backend.load(path(), None)
