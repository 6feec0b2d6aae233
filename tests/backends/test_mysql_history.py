"""A MariaDB that is set back under open stores, or gives way to another: each store notices."""

from __future__ import annotations

import logging
import shutil
from typing import TYPE_CHECKING, Any, cast

import anyio
import pytest

from sharedstate_backends.conformance.model import path, put, write_all
from sharedstate_backends.items_service import get_service
from sharedstate_backends.mysql_server import Server, doubts, notes
from sharedstate_core.storage import Committed, Condition, Cursor, Rejected, Write
from tests.support.mariadb import SYNCHRONOUS, MariaDb, started
from tests.support.proxy import open_proxy

from .opening import opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sharedstate_backends import Backend, Doubting

P = path()


class Backups:
    """Takes what is in a service's tables, and puts it back, as the programs for that do."""

    def __init__(self, database: MariaDb, table: str) -> None:
        self._database = database
        self._tables = [table, f"{table}_collections", f"{table}_meta"]

    def take(self) -> str:
        return self._database.dump(*self._tables)

    def put_back(self, backup: str) -> None:
        self._database.sql(backup, "sharedstate")


@pytest.fixture
def backups(shared_mariadb: MariaDb, table: str) -> Backups:
    return Backups(shared_mariadb, table)


@pytest.fixture
def said() -> Iterator[list[str]]:
    """Lines of the log, as they come."""
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


async def doubt(backend: Backend, claimed: Cursor) -> None:
    await cast("Doubting", backend).doubt(P, claimed)


# --- restored ---------------------------------------------------------------------------------------


async def test_a_look_sees_a_lower_head(
    mysql: dict[str, Any], backups: Backups, said: list[str]
) -> None:
    async with opened(get_service(mysql)) as backend:
        await write_all(backend, P, put("one"))
        backup = backups.take()
        await write_all(backend, P, put("lost"))
        before = await cursor(backend)
        backups.put_back(backup)
        now = await cursor(backend)
        assert now.epoch != before.epoch
        assert now.version == 1
        assert await cursor(backend) == now, "once is enough"
        (line,) = said
        assert "storage has gone back: version 2 of /app/service/collection" in line


@pytest.mark.parametrize("writes", [1, 3])
async def test_a_commit_sees_it_before_anybody_looks(
    mysql: dict[str, Any], backups: Backups, said: list[str], writes: int
) -> None:
    """Also where it would make sure of the head that it remembers, in one packet."""
    async with opened(get_service(mysql)) as backend:
        await write_all(backend, P, *[put("one")] * writes)
        backup = backups.take()
        await write_all(backend, P, *[put("lost")] * writes)
        before = await cursor(backend)
        backups.put_back(backup)
        condition = Condition(before)
        result = await backend.commit(P, [Write(put("after")), Write(put("x"), condition)])
        assert result.epoch != before.epoch
        stored, refused = result.outcomes
        assert stored == Committed(writes + 1)
        assert isinstance(refused, Rejected), "a condition names a state that is lost"
        assert await ids(backend) == {"one", "after"}
        assert len(said) == 1


async def test_a_head_that_somebody_told_of_is_more_than_our_own_last_one(
    mysql: dict[str, Any], backups: Backups, said: list[str]
) -> None:
    """What is there again is just as our last commit has left it."""
    async with opened(get_service(mysql)) as here, opened(get_service(mysql)) as there:
        await write_all(here, P, *[put("one")] * 3)
        backup = backups.take()
        await write_all(there, P, put("lost"))
        before = await cursor(here)
        assert before.version == 4
        backups.put_back(backup)
        assert (await here.commit(P, [Write(put("after"))])).epoch != before.epoch
        assert len(said) == 1


async def test_a_load_sees_it(mysql: dict[str, Any], backups: Backups, said: list[str]) -> None:
    async with opened(get_service(mysql)) as backend:
        await write_all(backend, P, put("one"))
        backup = backups.take()
        await write_all(backend, P, put("lost"))
        before = await cursor(backend)
        backups.put_back(backup)
        loaded = await backend.load(P, before)
        assert loaded.epoch != before.epoch
        assert loaded.base is None
        assert [row.id for row in loaded.rows] == ["one"]
        assert len(said) == 1


@pytest.mark.parametrize("commits", [1, 2, 5])
async def test_it_is_seen_though_another_store_has_gone_on_from_there(
    commits: int, mysql: dict[str, Any], backups: Backups, said: list[str]
) -> None:
    """Also where the head is as high as before, or higher."""
    async with opened(get_service(mysql)) as here:
        await write_all(here, P, put("one"))
        backup = backups.take()
        await write_all(here, P, put("lost"))
        before = await cursor(here)
        backups.put_back(backup)
        async with opened(get_service(mysql)) as other:  # knows nothing of what was lost
            for number in range(commits):
                await write_all(other, P, put(f"{number}"))
            assert not said
            now = await cursor(here)
            assert now.epoch != before.epoch
            assert (await here.load(P, before)).base is None
            assert await ids(here) == {"one", *(f"{number}" for number in range(commits))}
            assert await cursor(other) == now, "it hears of it, and takes no further epoch"
            assert len(said) == 1


async def test_the_latest_commit_belongs_to_each_look(
    mysql: dict[str, Any], backups: Backups, said: list[str]
) -> None:
    async with opened(get_service(mysql)) as backend:
        await write_all(backend, P, put("one"))
        backup = backups.take()
        await write_all(backend, path("other"), put("lost"))
        before = await cursor(backend)
        backups.put_back(backup)
        assert (await cursor(backend)).epoch != before.epoch
        assert len(said) == 1
        assert set(await backend.heads([])) == set()


async def test_a_backup_of_an_epoch_before(
    mysql: dict[str, Any], backups: Backups, said: list[str]
) -> None:
    async with opened(get_service(mysql)) as backend:
        await write_all(backend, P, put("one"))
        backup = backups.take()
        epochs = [(await cursor(backend)).epoch]
        for number in range(3):
            await write_all(backend, P, put(f"{number}"), put("x"))
            backups.put_back(backup)
            epochs.append((await cursor(backend)).epoch)
        assert len(set(epochs)) == 4
        assert len(said) == 3


async def test_a_backup_of_now_changes_nothing(
    mysql: dict[str, Any], backups: Backups, said: list[str]
) -> None:
    async with opened(get_service(mysql)) as here, opened(get_service(mysql)) as there:
        for number in range(5):
            await write_all(here, P, put(f"{number}"))
            await write_all(there, P, put(f"{number}"))
        before = await cursor(here)
        backups.put_back(backups.take())
        assert await cursor(here) == await cursor(there) == before
        await write_all(there, P, put("more"))
        assert await cursor(here) == Cursor(before.epoch, before.version + 1)
        assert not said


# --- version 0.1 -----------------------------------------------------------------------------------


async def test_a_backup_of_version_0_1_is_made_ready(
    mysql: dict[str, Any], shared_mariadb: MariaDb, table: str
) -> None:
    async with opened(get_service(mysql)) as backend:
        await write_all(backend, P, put("a"))
        shared_mariadb.sql(f"ALTER TABLE {table}_collections DROP COLUMN writers", "sharedstate")
        assert (await cursor(backend)).version == 1
        await write_all(backend, P, put("b"))
        assert await ids(backend) == {"a", "b"}


async def test_a_reader_who_holds_more_is_believed_once_for_each_start(
    mysql: dict[str, Any], said: list[str]
) -> None:
    """Before this process began nobody was there to remember."""
    async with opened(get_service(mysql)) as backend:
        await write_all(backend, P, put("one"))
    async with opened(get_service(mysql)) as backend, opened(get_service(mysql)) as other:
        before = await cursor(backend)
        await doubt(backend, Cursor("another", 9))
        assert await cursor(backend) == await cursor(other) == before
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


async def test_data_of_version_0_1_and_back(
    mysql: dict[str, Any], shared_mariadb: MariaDb, table: str, said: list[str]
) -> None:
    """A column is added, which version 0.1 does not see; what it has written is taken as it is."""
    async with opened(get_service(mysql)) as backend:
        await write_all(backend, P, put("a"))
        epoch = (await cursor(backend)).epoch
    heads = f"{table}_collections"
    shared_mariadb.sql(
        f"ALTER TABLE {heads} DROP COLUMN writers; "
        f"DELETE FROM {table}_meta WHERE name NOT IN ('epoch', 'format')",
        "sharedstate",
    )
    async with opened(get_service(mysql)) as backend:
        assert await cursor(backend) == Cursor(epoch, 1)
        await write_all(backend, P, put("b"))
        assert await cursor(backend) == Cursor(epoch, 2)
        shared_mariadb.sql(  # as version 0.1 does, at the same time
            f"UPDATE {heads} SET version = 3 WHERE name = 'collection'; "
            f"INSERT INTO {heads} VALUES (7, 'app', 'new', 1, 0, 0)",
            "sharedstate",
        )
        assert await cursor(backend) == Cursor(epoch, 3)
        assert (await backend.heads([path("new")]))[path("new")] == Cursor(epoch, 1)
        for name in ("collection", "new"):
            await write_all(backend, path(name), put("c"))
        assert await cursor(backend) == Cursor(epoch, 4)
    assert not said


# --- another server, and a new start of the same ---------------------------------------------------


async def test_another_server_behind_the_address(
    mariadb_template: Path, tmp_path: Path, said: list[str]
) -> None:
    """One that lags, and a store that has told nothing of what is missing there."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with started(mariadb_template, tmp_path / "one", SYNCHRONOUS) as database:
        async with open_proxy(database.port) as proxy:
            config = database.config(db_port=proxy.port)
            async with opened(get_service(config)) as backend:
                await write_all(backend, P, put("one"))
            database.snapshot(tmp_path / "copy")
            async with opened(get_service(config)) as backend:
                await write_all(backend, P, put("lost"))
            async with opened(get_service(config)) as backend:
                epoch = (await backend.heads([path("other")]))[path("other")].epoch
                with started(tmp_path / "copy", tmp_path / "two") as second:
                    proxy.target = second.port
                    await proxy.cut_all()
                    now = await cursor(backend)
                    assert now.version == 1
                    assert now.epoch != epoch
                    (line,) = said
                    assert "it is another database server than before" in line
                    assert await cursor(backend) == now
                await proxy.cut_all()


@pytest.mark.parametrize("flush", [0, 1])
async def test_a_new_start(
    mariadb_template: Path, tmp_path: Path, said: list[str], flush: int
) -> None:
    """It draws a new epoch where commits do not wait for the disk: once, also for who is connected all the time."""
    option = f"--innodb-flush-log-at-trx-commit={flush}"
    with started(mariadb_template, tmp_path, option) as database:
        config = database.config()
        epochs = []
        async with opened(get_service(config)) as backend:
            epochs.append((await cursor(backend)).epoch)
            async with opened(get_service(config)) as other:
                assert await cursor(other) == await cursor(backend)
            assert not said
            await anyio.sleep(2)  # starts are told apart by seconds
            database.kill()
            await anyio.to_thread.run_sync(database.start)
            epochs.append((await cursor(backend)).epoch)
            async with opened(get_service(config)) as other:
                assert await cursor(other) == await cursor(backend)
    assert len(set(epochs)) == len(said) + 1 == (1 if flush else 2)


def test_what_is_noted_of_a_server() -> None:
    relaxed = Server("one", 100, is_durable=False)
    noted = notes(relaxed, {}, is_opening=True)
    assert not doubts(relaxed, noted, is_opening=True)
    assert not doubts(relaxed._replace(start=101), noted, is_opening=True), "rounding"
    assert "started anew" in doubts(relaxed._replace(start=105), noted, is_opening=False)
    durable = Server("one", 105)
    assert "started anew" in doubts(durable, noted, is_opening=True), "what it was before counts"
    noted |= notes(durable, noted, is_opening=True)
    assert not doubts(durable._replace(start=200), noted, is_opening=True)
    assert notes(durable._replace(start=200), noted, is_opening=False) == {}, "it may be read-only"
    assert "another" in doubts(Server("two", 105), noted, is_opening=False)
    assert not doubts(Server("", 105), noted, is_opening=False), "it tells no name"
    node = Server("galera 1", 0, is_durable=False, is_galera=True)
    assert notes(node, {}, is_opening=True) == {"durable": "no", "server": "galera 1"}
    noted = notes(node, {}, is_opening=True)
    assert not doubts(node, noted, is_opening=False)
    assert doubts(node, noted, is_opening=True)


def test_the_copy_is_one(mariadb_template: Path, tmp_path: Path) -> None:
    """What the tests above call a copy is a database."""
    (tmp_path / "home").mkdir()
    with started(mariadb_template, tmp_path / "home", SYNCHRONOUS) as database:
        database.sql("CREATE DATABASE x; CREATE TABLE x.t (a INT); INSERT INTO x.t VALUES (7)")
        database.snapshot(tmp_path / "copy")
    shutil.rmtree(tmp_path / "home")
    (tmp_path / "home").mkdir()
    with started(tmp_path / "copy", tmp_path / "home") as database:
        assert database.sql("SELECT a FROM x.t") == [["7"]]
