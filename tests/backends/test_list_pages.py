"""A page of names costs what is on it, however many collections there are: counted in what the database reads."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Final

import pytest

from sharedstate_backends import Island
from sharedstate_backends.items_service import get_service
from sharedstate_backends.mysql.backend import MysqlBackend
from sharedstate_backends.sqlite.tables import Tables

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sharedstate_backends.mysql.wire.connection import Connection

COLLECTIONS: Final = 3000
HEADS: Final = [
    (number, f"app-{number % 3}", f"list-{number:05}") for number in range(1, COLLECTIONS + 1)
]
PAGE: Final = [f"list-{number:05}" for number in range(1500, 1530, 3)]
"""Ten names of app 0 from the middle."""


@pytest.fixture
async def sqlite_file(tmp_path: Path) -> str:
    name = str(tmp_path / "items.db")
    backend = get_service({"db_type": "sqlite", "db_name": name})
    await backend.open()
    await backend.close()
    connection = sqlite3.connect(name)
    with connection:
        connection.executemany(
            "INSERT INTO items_collections (key, app, name, version, horizon, tombstones) VALUES (?, ?, ?, 1, 0, 0)",
            HEADS,
        )
        connection.execute(
            "INSERT INTO items SELECT key, 'x', 1, 0, 1, '{\"id\":\"x\"}' FROM items_collections"
        )
    connection.close()
    return name


async def test_a_page_from_sqlite(sqlite_file: str) -> None:
    connection = sqlite3.connect(sqlite_file)
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    connection.set_progress_handler(count, 10)  # instructions of the virtual machine
    tables, cursor = Tables("items"), connection.cursor()
    try:
        assert tables.collections(cursor, "app-0", "list-01499", 10) == PAGE
        assert steps < 50
        steps = 0
        assert tables.apps(cursor, "", 10) == ["app-0", "app-1", "app-2"]
        assert steps < 50
    finally:
        connection.close()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_page_from_mariadb(mysql: dict[str, Any]) -> None:
    island = get_service(mysql)
    assert isinstance(island, Island)
    backend = island.backend
    assert isinstance(backend, MysqlBackend)
    table = mysql["db_table"]

    async def fill(connection: Connection) -> None:
        rows = ",".join(f"({key},'{app}','{name}',1,0,0)" for key, app, name in HEADS)
        columns = "`key`, app, name, version, horizon, tombstones"
        await connection.run(f"INSERT INTO {table}_collections ({columns}) VALUES {rows}; DO 0")
        items = f"SELECT `key`, 'x', 1, 0, 1, '{{}}' FROM {table}_collections"
        await connection.run(f"INSERT INTO {table} {items}; DO 0")

    async def reads(connection: Connection) -> int:
        (rows,) = await connection.run("SHOW SESSION STATUS LIKE 'Handler_read%'")
        return sum(int(count) for _, count in rows)

    async def measured(connection: Connection) -> Sequence[tuple[list[str], int]]:
        tables = backend._tables
        before = await reads(connection)
        page = await tables.collections(connection, "app-0", "list-01499", 10)
        between = await reads(connection)
        apps = await tables.apps(connection, "", 10)
        return [(page, between - before), (apps, await reads(connection) - between)]

    await backend.open()
    try:
        await backend._on_connection(fill)
        (page, page_reads), (apps, apps_reads) = await backend._on_connection(measured)
    finally:
        await backend.close()
    assert page == PAGE
    assert apps == ["app-0", "app-1", "app-2"]
    assert max(page_reads, apps_reads) < 200
