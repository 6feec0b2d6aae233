"""A MariaDB that is started anew, or gives way to another server: each open store notices."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from sharedstate_backends.conformance.model import path, put, write_all
from sharedstate_backends.items_service import get_service
from sharedstate_backends.mysql.wire.server import Server, doubts, notes
from tests.backends.opening import opened
from tests.support.faults.proxy import open_proxy
from tests.support.services.mariadb import SYNCHRONOUS, MariaDb, started

if TYPE_CHECKING:
    from pathlib import Path

    from sharedstate_backends import Backend
    from sharedstate_core.storage import Cursor

P = path()


async def cursor(backend: Backend) -> Cursor:
    return (await backend.heads([P]))[P]


async def ids(backend: Backend) -> set[str]:
    return {row.id for row in (await backend.load(P, None)).rows if row.text is not None}


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
