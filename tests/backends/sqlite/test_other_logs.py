"""Another program begins a log of its own in the place of ours, which was deleted: it is spared."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sharedstate_backends import StorageError
from sharedstate_backends.conformance.model import put, write_all
from sharedstate_backends.sqlite import files
from sharedstate_core.storage import Write
from tests.backends.opening import opened, sqlite

from .moving import P, delete, files_of, ids_in, move, stored

if TYPE_CHECKING:
    from sharedstate_backends import Backend


pytestmark = pytest.mark.usefixtures("no_pause")


def write_elsewhere(file: str, rows: int) -> None:
    """Let another program open the file, write and end, as `sqlite3` at the command line may."""
    script = (
        "import sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1])\n"
        "connection.execute('CREATE TABLE theirs (x)')\n"
        "rows = [('y' * 3000,)] * int(sys.argv[2])\n"
        "connection.executemany('INSERT INTO theirs VALUES (?)', rows)\n"
        "connection.commit()\n"
        "connection.close()\n"
    )
    subprocess.run([sys.executable, "-c", script, file, str(rows)], check=True, timeout=60)


def theirs(file: str) -> int:
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        ((count,),) = connection.execute("SELECT count(*) FROM theirs").fetchall()
        return int(count)


async def begun(backend: Backend, file: str) -> None:
    """Let the database hold ten items, and its log ten more, and lose the log."""
    await write_all(backend, P, *(put(f"early {number}") for number in range(10)))
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    await write_all(backend, P, *(put(f"late {number}") for number in range(10)))
    for part in files_of(file)[1:]:
        part.unlink()


ROWS = [5, 2000]  # with that many SQLite empties their log into the database


@pytest.mark.parametrize("rows", ROWS)
async def test_another_program_that_begins_a_log_of_its_own_is_spared(
    rows: int, file: str, said: list[str]
) -> None:
    """Both files beside the database were deleted, so neither knows of the other: what was only in ours is lost."""
    async with opened(sqlite(file)) as backend:
        await begun(backend, file)
        write_elsewhere(file, rows)
        with pytest.raises(StorageError, match="-wal was replaced under the running server"):
            await backend.commit(P, [Write(put("refused"))])
        await write_all(backend, P, put("more"))
        assert await stored(backend) == {"more", *(f"early {number}" for number in range(10))}
        (line,) = said
        assert "storage has gone back: version 20" in line
    assert theirs(file) == rows
    assert len(ids_in(file)) == 11


async def test_of_a_program_that_only_looks_nothing_is_lost(file: str, said: list[str]) -> None:
    async with opened(sqlite(file)) as backend:
        await begun(backend, file)
        script = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('SELECT * FROM items').fetchall()"
        subprocess.run([sys.executable, "-c", script, file], check=True, timeout=60)
        with pytest.raises(StorageError, match="-wal was replaced under the running server"):
            await backend.commit(P, [Write(put("refused"))])
        await write_all(backend, P, put("more"))
        assert len(await stored(backend)) == 21
    assert not said
    assert len(ids_in(file)) == 21


@pytest.mark.parametrize("rows", ROWS)
async def test_a_store_that_ends_meanwhile_spares_it_too(rows: int, file: str) -> None:
    async with opened(sqlite(file)) as backend:
        await begun(backend, file)
        write_elsewhere(file, rows)
    assert theirs(file) == rows
    assert len(ids_in(file)) == 10


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_without_sparing_it_the_file_is_damaged(
    file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: the tests above can fail."""
    monkeypatch.setattr(files, "_lock", lambda *_: None)
    async with opened(sqlite(file)) as backend:
        await begun(backend, file)
        write_elsewhere(file, max(ROWS))
    with pytest.raises((AssertionError, sqlite3.DatabaseError)):
        assert theirs(file) == max(ROWS)


async def test_the_log_of_another_file_is_not_deleted(file: str, tmp_path: Path) -> None:
    """One that was put in our file's place with its log, while somebody uses it."""
    other, away = str(tmp_path / "other.db"), str(tmp_path / "away.db")
    async with opened(sqlite(file)) as backend, opened(sqlite(other)) as theirs:
        await write_all(backend, P, put("a"))
        await write_all(theirs, P, put("other"))
        move(file, away)
        move(other, file)
        delete(away)
        await backend.close()
        assert Path(f"{file}-wal").exists()
    assert Path(file).exists()
