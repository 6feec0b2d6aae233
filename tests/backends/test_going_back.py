"""A database that is set back under open stores: each of them notices, and nobody is left with what is not there."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from sharedstate_backends import Island, OutcomeUnknownError, StorageError, history
from sharedstate_backends.conformance.model import path, put, write_all
from sharedstate_core.storage import Committed, Condition, Cursor, Rejected, Write
from sharedstate_core.updates import Update

from .opening import opened
from .restoring import MariaDbTables, SqliteFile, copy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from sharedstate_backends import Backend, Doubting

    from .restoring import Restorable

P = path()


@pytest.fixture(params=["sqlite", "mariadb"])
def database(request: pytest.FixtureRequest) -> Restorable:
    if request.param == "sqlite":
        return SqliteFile(request.getfixturevalue("file"))
    mysql: dict[str, Any] = request.getfixturevalue("mysql")
    return MariaDbTables(request.getfixturevalue("shared_mariadb"), mysql)


async def cursor(backend: Backend) -> Cursor:
    return (await backend.heads([P]))[P]


async def ids(backend: Backend) -> set[str]:
    return {row.id for row in (await backend.load(P, None)).rows if row.text is not None}


def guard_of(backend: Backend) -> Any:
    assert isinstance(backend, Island)
    return cast("Any", backend.backend)._guard


def failing(problem: Exception) -> Callable[..., Awaitable[None]]:
    async def fail(*_: object) -> None:
        raise problem

    return fail


async def doubt(backend: Backend, claimed: Cursor) -> None:
    await cast("Doubting", backend).doubt(P, claimed)


async def test_a_look_sees_a_lower_head(database: Restorable, said: list[str]) -> None:
    async with opened(database.store()) as backend:
        await write_all(backend, P, put("one"))
        backup = database.take()
        await write_all(backend, P, put("lost"))
        before = await cursor(backend)
        database.put_back(backup)
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
        await write_all(backend, P, *[put("one")] * writes)
        backup = database.take()
        await write_all(backend, P, *[put("lost")] * writes)
        before = await cursor(backend)
        database.put_back(backup)
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
        await write_all(backend, P, put("one"))
        backup = database.take()
        await write_all(backend, P, put("lost"))
        before = await cursor(backend)
        database.put_back(backup)
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
        await write_all(here, P, put("one"))
        backup = database.take()
        await write_all(here, P, put("lost"))
        before = await cursor(here)
        database.put_back(backup)
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


async def look(backend: Backend) -> str:
    """Look at nothing in particular, as a server does that nobody watches."""
    await backend.heads([])
    return (await cursor(backend)).epoch


async def load(backend: Backend) -> str:
    return (await backend.load(P, None)).epoch


async def commit(backend: Backend) -> str:
    return (await backend.commit(P, [Write(put("new"))])).epoch


async def commit_nothing(backend: Backend) -> str:
    return (await backend.commit(P, [Write(Update())])).epoch


@pytest.mark.parametrize("act", [look, load, commit, commit_nothing])
async def test_a_start_that_has_told_nothing_yet_sees_what_was_there(
    act: Callable[[Backend], Awaitable[str]], database: Restorable, said: list[str]
) -> None:
    """Somebody who is away holds what the process before had told of."""
    async with opened(database.store()) as backend:
        await write_all(backend, P, put("one"))
        backup = database.take()
        await write_all(backend, P, put("lost"))
        before = await cursor(backend)
    async with opened(database.store()) as backend, opened(database.store()) as other:
        database.put_back(backup)
        epoch = await act(backend)
        assert epoch != before.epoch
        (line,) = said
        assert "what is there now is older than this server's start" in line
        for each in (backend, other):
            assert await look(each) == await load(each) == epoch, "one of them draws it"
            await write_all(each, P, put("more"))
        assert len(said) == 1


async def test_others_may_start_and_end_meanwhile(database: Restorable, said: list[str]) -> None:
    """More of them than there is room for; and a backup of that time has the mark."""
    async with opened(database.store()) as backend:
        before = await cursor(backend)
        for _ in range(history.MAX_WRITERS + 2):
            async with opened(database.store()) as other:
                assert await cursor(other) == before
        database.put_back(database.take())
        assert await cursor(backend) == before
        await write_all(backend, P, put("one"))
        assert await cursor(backend) == Cursor(before.epoch, 1)
    assert not said


async def test_a_start_after_a_set_back_is_another_one(
    database: Restorable, said: list[str]
) -> None:
    """As many have been since, or more; and nobody has written anything."""
    async with opened(database.store()) as backend:
        await write_all(backend, P, put("one"))
    backup = database.take()
    async with opened(database.store()) as here:
        database.put_back(backup)
        async with opened(database.store()), opened(database.store()) as other:
            assert not said
            epoch = await look(here)
            assert await look(other) == epoch
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


async def test_a_reader_who_holds_more_is_believed_once_for_each_start(
    database: Restorable, said: list[str]
) -> None:
    """Before this process began nobody was there to remember."""
    async with opened(database.store()) as backend:
        await write_all(backend, P, put("one"))
    async with opened(database.store()) as backend:
        before = await cursor(backend)
        for honest in (before, Cursor("another", 9), Cursor(before.epoch, 0)):
            await doubt(backend, honest)
            assert await cursor(backend) == before
    async with opened(database.store()) as backend, opened(database.store()) as other:
        assert await cursor(other) == before
        await doubt(backend, Cursor(before.epoch, 7))
        (line,) = said
        assert "a reader holds version 7 of /app/service/collection, and there is version 1" in line
        now = await cursor(backend)
        assert now.epoch != before.epoch
        for claimed in (before.epoch, now.epoch):
            await doubt(backend, Cursor(claimed, 99))
        assert await cursor(backend) == await cursor(other) == now
        await doubt(other, Cursor(now.epoch, 99))
        assert await cursor(other) == now, "that epoch is younger than this process"
        assert len(said) == 1


async def test_a_reader_is_believed_later_if_the_store_cannot_be_asked(
    database: Restorable, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(database.store()) as backend:
        await write_all(backend, P, put("one"))
    async with opened(database.store()) as backend:
        before = await cursor(backend)
        claimed = Cursor(before.epoch, 7)
        judge = guard_of(backend)._judge
        for problem in (StorageError("away"), OutcomeUnknownError("away")):
            with monkeypatch.context() as patched:
                patched.setattr(judge, "believe", failing(problem))
                with pytest.raises(type(problem)):
                    await doubt(backend, claimed)
        assert not said
        await doubt(backend, claimed)
        assert (await cursor(backend)).epoch != before.epoch
        assert len(said) == 1


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
        await write_all(backend, P, put("one"))
        backup = database.take()
        await write_all(backend, P, put("lost"))
        before = await cursor(backend)
        database.put_back(backup)
        judge = guard_of(backend)._judge
        verify = judge.verify
        verified = 0

        async def cancel_and_verify(remembered: Any) -> Any:
            nonlocal verified
            for _ in range(3):
                looking.cancel()
                await asyncio.sleep(0)
            lost = await verify(remembered)
            verified += 1
            return lost

        monkeypatch.setattr(judge, "verify", cancel_and_verify)
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
    monkeypatch.setattr(history, "LOOKED_AT", 0)
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
