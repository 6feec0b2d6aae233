"""A database that is set back under open stores: each of them notices, and nobody is left with what is not there."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_backends.conformance.model import path, put, write_all
from sharedstate_backends.history import memory
from sharedstate_core.storage import Committed, Condition, Cursor, Rejected, Write
from sharedstate_core.updates import Update
from tests.backends.opening import opened
from tests.backends.restoring import copy

from .going_back import P, cursor, guard_of, ids, load, look, set_back

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from sharedstate_backends import Backend
    from tests.backends.restoring import Restorable


async def test_a_look_sees_a_lower_head(database: Restorable, said: list[str]) -> None:
    async with opened(database.store()) as backend:
        before = await set_back(backend, database)
        now = await cursor(backend)
        assert now.epoch != before.epoch
        assert now.version == 1
        assert await cursor(backend) == now, "once is enough"
        (line,) = said
        assert "storage has gone back: version 2 of /app/service/collection" in line


@pytest.mark.parametrize("writes", [1, 3])
async def test_a_commit_sees_it_before_anybody_looks(
    database: Restorable, said: list[str], writes: int
) -> None:
    """Also where MariaDB would make sure of the head that is remembered, in one packet."""
    async with opened(database.store()) as backend:
        before = await set_back(backend, database, writes)
        condition = Condition(before)
        result = await backend.commit(P, [Write(put("after")), Write(put("x"), condition)])
        assert result.epoch != before.epoch
        stored, refused = result.outcomes
        assert stored == Committed(writes + 1)
        assert isinstance(refused, Rejected), "a condition names a state that is lost"
        assert await ids(backend) == {"one", "after"}
        assert len(said) == 1


async def test_a_head_that_somebody_told_of_is_more_than_our_own_last_one(
    database: Restorable, said: list[str]
) -> None:
    """What is there again is just as our last commit has left it."""
    async with opened(database.store()) as here, opened(database.store()) as there:
        await write_all(here, P, *[put("one")] * 3)
        backup = database.take()
        await write_all(there, P, put("lost"))
        before = await cursor(here)
        assert before.version == 4
        database.put_back(backup)
        assert (await here.commit(P, [Write(put("after"))])).epoch != before.epoch
        assert len(said) == 1


async def test_a_load_sees_it(database: Restorable, said: list[str]) -> None:
    async with opened(database.store()) as backend:
        before = await set_back(backend, database)
        loaded = await backend.load(P, before)
        assert loaded.epoch != before.epoch
        assert loaded.base is None
        assert [row.id for row in loaded.rows] == ["one"]
        assert len(said) == 1


@pytest.mark.parametrize("commits", [1, 2, 5])
async def test_it_is_seen_though_another_store_has_gone_on_from_there(
    commits: int, database: Restorable, said: list[str]
) -> None:
    """Also where the head is as high as before, or higher."""
    async with opened(database.store()) as here:
        before = await set_back(here, database)
        async with opened(database.store()) as other:  # knows nothing of what was lost
            for number in range(commits):
                await write_all(other, P, put(f"{number}"))
            assert not said
            now = await cursor(here)
            assert now.epoch != before.epoch
            assert (await here.load(P, before)).base is None
            assert await ids(here) == {"one", *(f"{number}" for number in range(commits))}
            assert await cursor(other) == now, (
                "the other one hears of it, and takes no further epoch"
            )
            assert len(said) == 1


async def test_the_latest_commit_belongs_to_each_look(
    database: Restorable, said: list[str]
) -> None:
    """Of the collection that was written to nobody holds anything here, but some who are away may."""
    other = path("other")
    async with opened(database.store()) as backend:
        await write_all(backend, P, put("one"))
        backup = database.take()
        await write_all(backend, other, put("lost"))
        before = await cursor(backend)
        database.put_back(backup)
        assert (await cursor(backend)).epoch != before.epoch
        assert len(said) == 1
        assert set(await backend.heads([])) == set()


async def test_a_backup_of_an_epoch_before(database: Restorable, said: list[str]) -> None:
    async with opened(database.store()) as backend:
        await write_all(backend, P, put("one"))
        backup = database.take()
        epochs = [(await cursor(backend)).epoch]
        for number in range(3):
            await write_all(backend, P, put(f"{number}"), put("x"))
            database.put_back(backup)
            epochs.append((await cursor(backend)).epoch)
        assert len(set(epochs)) == 4
        assert len(said) == 3


async def test_a_backup_of_now_changes_nothing(database: Restorable, said: list[str]) -> None:
    async with opened(database.store()) as here, opened(database.store()) as there:
        for number in range(5):
            await write_all(here, P, put(f"{number}"))
            await write_all(there, P, put(f"{number}"))
        before = await cursor(here)
        database.put_back(database.take())
        assert await cursor(here) == await cursor(there) == before
        await write_all(there, P, put("more"))
        assert await cursor(here) == Cursor(before.epoch, before.version + 1)
        assert not said


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("act", [load, look])
async def test_who_is_cancelled_while_an_epoch_is_drawn_says_so(
    act: Callable[[Backend], Coroutine[Any, Any, str]],
    database: Restorable,
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In asyncio's way, from which no scope shields."""
    async with opened(database.store()) as backend:
        before = await set_back(backend, database)
        verifier = guard_of(backend)._verifier
        verify = verifier.verify
        verified = 0

        async def cancel_and_verify(remembered: Any) -> Any:
            nonlocal verified
            for _ in range(3):
                looking.cancel()
                await asyncio.sleep(0)
            lost = await verify(remembered)
            verified += 1
            return lost

        monkeypatch.setattr(verifier, "verify", cancel_and_verify)
        looking = asyncio.create_task(act(backend))
        with pytest.raises(asyncio.CancelledError):
            await looking
        assert verified == 1, "whoever is cancelled waits for it"
        assert len(said) == 1
        assert (await cursor(backend)).epoch != before.epoch
        assert len(said) == 1


async def test_data_of_version_0_1_and_back(database: Restorable, said: list[str]) -> None:
    """A column is added, which version 0.1 neither needs nor minds; what it has written is taken as it is."""
    heads = f"{database.table}_collections"
    async with opened(database.store()) as backend:
        await write_all(backend, P, put("a"))
        epoch = (await cursor(backend)).epoch
    database.sql(f"ALTER TABLE {heads} DROP COLUMN writers")
    database.sql(
        f"DELETE FROM {database.table}_meta WHERE name NOT IN ('epoch', 'format', 'synchronous')"
    )
    async with opened(database.store()) as backend:
        assert await cursor(backend) == Cursor(epoch, 1)
        await write_all(backend, P, put("b"))
        assert await cursor(backend) == Cursor(epoch, 2)
        # As version 0.1 does, at the same time:
        columns = "app, name, version, horizon, tombstones"
        database.sql(f"UPDATE {heads} SET version = 3 WHERE name = 'collection'")
        database.sql(f"INSERT INTO {heads} (`key`, {columns}) VALUES (7, 'app', 'new', 1, 0, 0)")
        assert await cursor(backend) == Cursor(epoch, 3)
        new = path("new")
        assert (await backend.heads([new]))[new] == Cursor(epoch, 1)
        for each in (P, new):
            await write_all(backend, each, put("c"))
        assert await cursor(backend) == Cursor(epoch, 4)
    assert not said


async def test_a_commit_that_writes_nothing_is_not_the_latest(
    database: Restorable, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though it tells of a head that is new here."""
    monkeypatch.setattr(memory, "LOOKED_AT", 0)
    other, latest = path("other"), path("latest")
    async with opened(database.store()) as there:
        await write_all(there, other, put("x"))
    async with opened(database.store()) as backend:
        backup = database.take()
        await write_all(backend, latest, put("lost"))
        epoch = (await cursor(backend)).epoch
        await write_all(backend, other, Update())
        database.put_back(backup)
        assert (await cursor(backend)).epoch != epoch
        assert len(said) == 1


def test_the_copy_of_a_file_is_one(file: str, tmp_path: Path) -> None:
    """What the tests above call a backup holds what the write-ahead log holds, too."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t AS SELECT 7 AS x")
        connection.commit()
        copy(file, str(tmp_path / "copy"))
        assert Path(file).stat().st_size < 8192
    with closing(sqlite3.connect(tmp_path / "copy")) as connection:
        assert connection.execute("SELECT x FROM t").fetchall() == [(7,)]
