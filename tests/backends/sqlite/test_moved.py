"""A file that is deleted, moved or replaced under an open store: nothing is acknowledged into a file without a name."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_backends import OutcomeUnknownError, StorageError
from sharedstate_backends.conformance.model import put, write_all
from sharedstate_backends.sqlite import connection as sqlite_connection
from sharedstate_core.storage import Write
from tests.backends.opening import opened, sqlite

from .moving import P, delete, ids_in, move, stored

if TYPE_CHECKING:
    from collections.abc import Callable

    from sharedstate_backends import Backend


pytestmark = pytest.mark.usefixtures("no_pause")


async def problems(backend: Backend) -> set[str]:
    """Return what every operation says; each of them fails."""
    said = set()
    for attempt in (
        lambda: backend.load(P, None),
        lambda: backend.heads([P]),
        lambda: backend.collections("app"),
        lambda: backend.commit(P, [Write(put("refused"))]),
    ):
        with pytest.raises(StorageError) as caught:
            await attempt()
        said.add(str(caught.value))
    return said


@pytest.mark.parametrize("gone", [delete, lambda name: Path(name).unlink()])
async def test_deleted(gone: Callable[[str], None], file: str) -> None:
    async with opened(sqlite(file)) as backend:
        await write_all(backend, P, put("a"))
        gone(file)
        (said,) = await problems(backend)
        assert said.startswith(
            f"{file} was deleted or moved under the running server; put that very file back"
        )
        assert not Path(file).exists(), "nobody makes an empty one"


async def test_moved_and_put_back(file: str, tmp_path: Path) -> None:
    away = str(tmp_path / "away.db")
    async with opened(sqlite(file)) as backend:
        await write_all(backend, P, put("a"))
        before = (await backend.heads([P]))[P]
        move(file, away)
        assert len(await problems(backend)) == 1
        move(away, file)
        assert (await backend.heads([P]))[P] == before
        await write_all(backend, P, put("b"))
        assert await stored(backend) == {"a", "b"}
    assert ids_in(file) == {"a", "b"}


async def test_deleted_and_restored_from_a_backup(file: str, tmp_path: Path) -> None:
    backup = str(tmp_path / "backup.db")
    async with opened(sqlite(file)) as backend:
        await write_all(backend, P, put("a"))
        with closing(sqlite3.connect(file)) as old, closing(sqlite3.connect(backup)) as new:
            old.backup(new)
        await write_all(backend, P, put("lost"))
        before = (await backend.heads([P]))[P]
        delete(file)
        await problems(backend)
        shutil.copy(backup, file)
        now = (await backend.heads([P]))[P]
        assert now.epoch != before.epoch
        assert await stored(backend) == {"a"}
        await write_all(backend, P, put("b"))
    assert ids_in(file) == {"a", "b"}


async def test_replaced_at_once_while_the_old_log_still_lies_there(
    file: str, tmp_path: Path
) -> None:
    """The log of the old file must not be taken for that of the new one."""
    backup = str(tmp_path / "backup.db")
    async with opened(sqlite(file)) as backend:
        await write_all(backend, P, put("a"))
        with closing(sqlite3.connect(file)) as old, closing(sqlite3.connect(backup)) as new:
            old.backup(new)
        await write_all(backend, P, *(put(f"lost {number}") for number in range(50)))
        Path(backup).replace(file)
        with pytest.raises(StorageError, match="was replaced under the running server"):
            await backend.commit(P, [Write(put("refused"))])
        await write_all(backend, P, put("b"))
        assert await stored(backend) == {"a", "b"}
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert ids_in(file) == {"a", "b"}


async def test_a_log_that_is_deleted_loses_nothing(file: str) -> None:
    async with opened(sqlite(file)) as backend:
        await write_all(backend, P, *(put(f"{number}") for number in range(20)))
        before = (await backend.heads([P]))[P]
        Path(file + "-wal").unlink()
        with pytest.raises(StorageError, match="-wal was deleted or moved"):
            await backend.commit(P, [Write(put("refused"))])
        assert (await backend.heads([P]))[P] == before
        await write_all(backend, P, put("more"))
        assert await stored(backend) == {"more", *(f"{number}" for number in range(20))}
    assert ids_in(file) == {"more", *(f"{number}" for number in range(20))}


@pytest.mark.parametrize("content", [b"", b"this is no database" * 100, "foreign"])
async def test_what_is_put_there_must_be_ours(content: bytes | str, file: str) -> None:
    async with opened(sqlite(file)) as backend:
        await write_all(backend, P, put("a"))
        kept = file + ".kept"
        move(file, kept)
        if isinstance(content, bytes):
            Path(file).write_bytes(content)
        else:
            with closing(sqlite3.connect(file)) as connection:
                connection.execute("CREATE TABLE another (x)")
        assert "was replaced" in str(await problems(backend))
        said = str(await problems(backend))
        assert "has no table items_meta" in said or "is not an SQLite database" in said
        delete(file)
        move(kept, file)
        await write_all(backend, P, put("b"))
        assert await stored(backend) == {"a", "b"}


async def test_a_file_that_goes_within_the_commit_is_in_doubt(
    file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = sqlite_connection._end

    def lose_it_first(*arguments: Any) -> Any:
        delete(file)
        return end(*arguments)

    async with opened(sqlite(file)) as backend:
        await write_all(backend, P, put("a"))
        monkeypatch.setattr(sqlite_connection, "_end", lose_it_first)
        with pytest.raises(OutcomeUnknownError, match="was deleted or moved"):
            await backend.commit(P, [Write(put("b"))])


async def test_a_link_that_is_turned(file: str, tmp_path: Path) -> None:
    one, other = str(tmp_path / "one.db"), str(tmp_path / "other.db")
    async with opened(sqlite(other)) as backend:
        await write_all(backend, P, put("other"))
    Path(file).symlink_to(one)
    async with opened(sqlite(file)) as backend:
        await write_all(backend, P, put("a"))
        before = (await backend.heads([P]))[P]
        Path(file).unlink()
        await problems(backend)
        Path(file).symlink_to(one)
        assert (await backend.heads([P]))[P] == before
        Path(file).unlink()
        Path(file).symlink_to(other)
        with pytest.raises(StorageError, match="was replaced"):
            await backend.commit(P, [Write(put("refused"))])
        assert await stored(backend) == {"other"}
        assert (await backend.heads([P]))[P].epoch != before.epoch
    assert ids_in(one) == {"a"}


async def test_a_log_index_that_is_deleted_loses_nothing(file: str) -> None:
    """It holds the locks: who opens the file without it does not know of us."""
    async with opened(sqlite(file)) as backend:
        await write_all(backend, P, *(put(f"{number}") for number in range(20)))
        Path(file + "-shm").unlink()
        with pytest.raises(StorageError, match="-shm was deleted or moved"):
            await backend.commit(P, [Write(put("refused"))])
        await write_all(backend, P, put("more"))
        assert await stored(backend) == {"more", *(f"{number}" for number in range(20))}
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def test_a_file_that_is_replaced_while_it_is_opened(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection is to the one, the name is that of the other."""
    newcomer = str(tmp_path / "newcomer.db")
    for name in (file, newcomer):
        async with opened(sqlite(name)) as backend:
            await write_all(backend, P, put(Path(name).stem))
    connect = sqlite_connection.connect

    def connect_and_replace(name: str, **how: Any) -> sqlite3.Connection:
        connection = connect(name, **how)
        if Path(newcomer).exists():
            Path(newcomer).replace(file)
        return connection

    monkeypatch.setattr(sqlite_connection, "connect", connect_and_replace)
    with pytest.raises(StorageError, match="was replaced"):
        async with opened(sqlite(file)):
            pass
    async with opened(sqlite(file)) as backend:
        assert await stored(backend) == {"newcomer"}


async def test_a_relative_name_means_the_folder_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    async with opened(sqlite("items.db")) as backend:
        await write_all(backend, P, put("a"))
        monkeypatch.chdir(tmp_path / "elsewhere")
        await write_all(backend, P, put("b"))
        Path(tmp_path / "items.db-wal").unlink()
        with pytest.raises(StorageError, match="was deleted"):
            await backend.commit(P, [Write(put("refused"))])
        assert await stored(backend) == {"a", "b"}
    assert not list((tmp_path / "elsewhere").iterdir())


async def test_a_backup_of_version_0_1_is_made_ready(file: str) -> None:
    """Put back in place by a program that knows SQLite, so that no file has changed."""
    async with opened(sqlite(file)) as backend:
        await write_all(backend, P, put("a"))
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("ALTER TABLE items_collections DROP COLUMN writers")
            connection.commit()
        with pytest.raises(StorageError, match="no such column"):
            await backend.commit(P, [Write(put("refused"))])
        await write_all(backend, P, put("b"))
        assert await stored(backend) == {"a", "b"}


async def test_a_database_in_memory_cannot_be_moved() -> None:
    async with opened(sqlite()) as backend:
        await write_all(backend, P, put("a"))
        assert await stored(backend) == {"a"}


async def test_away_and_back_and_opened_again(file: str, tmp_path: Path) -> None:
    """What was told while another file was there is told under an epoch of its own, each time."""
    other, away = str(tmp_path / "other.db"), str(tmp_path / "away.db")
    async with opened(sqlite(other)) as backend:
        await write_all(backend, P, put("other"))
    seen = []
    async with opened(sqlite(file)) as backend:
        await write_all(backend, P, put("a"))
        seen.append(await backend.load(P, None))
        move(file, away)
        move(other, file)
        with pytest.raises(StorageError, match="was replaced"):
            await backend.load(P, None)
        seen.append(await backend.load(P, None))
        move(file, other)
        move(away, file)
        with pytest.raises(StorageError, match="was replaced"):
            await backend.load(P, None)
        seen.append(await backend.load(P, None))
        await write_all(backend, P, put("b"))
        seen.append(await backend.load(P, None))
    async with opened(sqlite(file)) as backend:
        seen.append(await backend.load(P, None))
    assert [{row.id for row in each.rows} for each in seen] == [
        {"a"},
        {"other"},
        {"a"},
        {"a", "b"},
        {"a", "b"},
    ]
    epochs = [each.epoch for each in seen]
    assert len(set(epochs[:3])) == 3
    assert len(set(epochs[2:])) == 1


async def test_a_hard_link_is_refused_at_the_start(file: str, tmp_path: Path) -> None:
    async with opened(sqlite(file)) as backend:
        await write_all(backend, P, put("a"))
        (link := tmp_path / "link.db").hardlink_to(file)
        with pytest.raises(StorageError, match=r"link\.db: it has 2 names \(hard links\)"):
            async with opened(sqlite(str(link))):
                pass
        await write_all(backend, P, put("b"))
    assert ids_in(file) == {"a", "b"}
