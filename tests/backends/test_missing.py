"""What a store says would be created at a start, which creates nothing itself, and a log without its database."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sharedstate_backends import Island, StorageError
from sharedstate_backends.contract import OldDataError
from sharedstate_backends.items_service import get_service

from .carrying import fill
from .opening import opened, problem, sqlite

if TYPE_CHECKING:
    from tests.support.services.mariadb import MariaDb

LONE = "items.db-wal is there without {0}: put the database back beside it, or move it away to begin empty"


async def missing(config: dict[str, object]) -> str | None:
    """Ask a store that is not open."""
    backend = get_service(config)
    assert isinstance(backend, Island)
    return await backend.missing()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "items.db"


@pytest.fixture
def config(file: Path) -> dict[str, object]:
    return {"db_type": "sqlite", "db_name": str(file)}


async def test_a_file_of_sqlite(file: Path, config: dict[str, object]) -> None:
    assert await missing(config) == f"{file} is not there yet: a start creates it"
    assert not list(file.parent.iterdir())
    file.touch()
    assert await missing(config) == f"{file} is empty: a start begins a database in it"
    assert not file.stat().st_size
    async with opened(get_service(config)):
        assert await missing(config) is None
    assert await missing(config) is None
    other = await missing(config | {"db_table": "others"})
    assert other == f"{file} has no table others yet: a start creates it"
    assert await missing({"db_type": "sqlite"}) is None
    link = file.with_name("link.db")
    link.symlink_to("moved.db")
    found = await missing(config | {"db_name": str(link)})
    assert found == f"{link} is not there yet: a start creates it"
    assert not link.exists()


async def test_what_sqlite_could_not_create(file: Path, config: dict[str, object]) -> None:
    with pytest.raises(StorageError, match="check that its folder exists and may be written"):
        await missing(config | {"db_name": str(file.parent / "no" / "items.db")})
    if os.geteuid():
        file.parent.chmod(0o500)
        with pytest.raises(StorageError, match="check that its folder exists and may be written"):
            await missing(config)
        file.parent.chmod(0o700)


async def test_other_tables_are_in_the_place(file: Path, config: dict[str, object]) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE items (a)")
        connection.execute("CREATE TABLE old (app, chnl, id, ctime, data)")
        connection.commit()
    with pytest.raises(StorageError, match="is not SharedState's; choose another db_table"):
        await missing(config)
    with pytest.raises(OldDataError):
        await missing(config | {"db_table": "old"})


@pytest.mark.parametrize("empty", [False, True])
async def test_a_log_without_its_database(
    file: Path, config: dict[str, object], empty: bool
) -> None:
    """SQLite would delete it, with the last commits in it."""
    away = file.with_name("away.db")
    log = Path(f"{file}-wal")
    async with opened(sqlite(str(file))) as backend:
        await backend.probe()
        shutil.copy(log, f"{away}-wal")
        shutil.copy(file, away)
    file.unlink()
    Path(f"{away}-wal").rename(log)
    if empty:
        file.touch()
    before = log.read_bytes()
    assert before
    expected = LONE.format(file).replace("items.db-wal", f"{file}-wal", 1)
    assert await problem(config) == expected
    with pytest.raises(StorageError) as caught:
        await missing(config)
    assert str(caught.value) == expected
    assert log.read_bytes() == before
    assert file.exists() == empty
    away.rename(file)
    assert await missing(config) is None
    async with opened(get_service(config)):
        pass


async def test_an_empty_log_is_no_loss(file: Path, config: dict[str, object]) -> None:
    Path(f"{file}-wal").touch()
    assert await missing(config) is not None
    async with opened(get_service(config)):
        pass


async def test_mariadb(own_mariadb: MariaDb) -> None:
    own_mariadb.sql("DROP DATABASE IF EXISTS sharedstate")
    own_mariadb.sql("DROP USER IF EXISTS looker")
    own_mariadb.sql("CREATE USER looker IDENTIFIED BY 'looker'")
    config = own_mariadb.config(db_table="looked", db_user="looker", db_password="looker")
    where = f"database {config['db_name']} at "

    async def fails() -> str:
        with pytest.raises(StorageError) as caught:
            await missing(config)
        return str(caught.value)

    assert "user looker may neither use nor create it" in await fails()
    own_mariadb.sql("GRANT ALL ON sharedstate.* TO looker")
    found = await missing(config)
    assert found is not None
    assert found.startswith(where)
    assert found.endswith(" is not there yet: a start creates it")
    own_mariadb.sql("SET GLOBAL read_only = 1")
    try:
        assert "the server is read-only" in await fails()
    finally:
        own_mariadb.sql("SET GLOBAL read_only = 0")
    assert own_mariadb.sql("SHOW DATABASES LIKE 'sharedstate'") == []
    own_mariadb.sql("CREATE DATABASE sharedstate")
    tables = "looked, looked_collections, looked_meta"
    found = await missing(config)
    assert found is not None
    assert found.endswith(f": the tables {tables} are not there yet: a start creates them")
    own_mariadb.sql("REVOKE ALL ON sharedstate.* FROM looker")
    own_mariadb.sql("GRANT SELECT ON sharedstate.* TO looker")
    assert "let the user of db_user use this database: GRANT ALL ON ..." in await fails()
    own_mariadb.sql("GRANT ALL ON sharedstate.* TO looker")
    assert own_mariadb.sql("SHOW TABLES FROM sharedstate") == []
    await fill(config)
    assert await missing(config) is None
    own_mariadb.sql("DROP TABLE sharedstate.looked_meta")
    found = await missing(config)
    assert found is not None
    assert found.endswith(": the table looked_meta is not there yet: a start creates it")
    assert own_mariadb.sql("SHOW TABLES FROM sharedstate LIKE 'looked_meta'") == []
