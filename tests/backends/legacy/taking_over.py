"""What tests of the migration share, in SQLite and in MariaDB."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

import anyio

from sharedstate_backends.conformance.model import path, state_of
from sharedstate_backends.items_service import get_service
from sharedstate_backends.legacy.migration import Migrated
from sharedstate_backends.mysql.wire.connection import Connection
from tests.backends.opening import opened, sqlite

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import pytest

    from sharedstate_backends import Backend
    from sharedstate_backends.legacy.migration import Migratable
    from sharedstate_backends.mysql.wire.compound import Rows
    from tests.support.services.mariadb import MariaDb


async def migrate(config: dict[str, Any]) -> tuple[Migrated | None, list[str]]:
    """Migrate; return what was done, and what was told of it."""
    return await _migrate(cast("Migratable", get_service(config)))


async def migrate_file(file: str, table: str = "items") -> tuple[Migrated | None, list[str]]:
    """Do the same in a file of SQLite."""
    return await _migrate(sqlite(file, table))


async def _migrate(backend: Migratable) -> tuple[Migrated | None, list[str]]:
    lines: list[str] = []
    return await backend.migrate(lines.append), lines


async def states(config: dict[str, Any], app: str = "app") -> dict[str, list[str]]:
    """Return the ids of every collection, in order."""
    return await _states(get_service(config), app)


async def states_of_file(file: str, app: str = "app") -> dict[str, list[str]]:
    """Do the same for a file of SQLite."""
    return await _states(sqlite(file), app)


async def _states(store: Backend, app: str) -> dict[str, list[str]]:
    async with opened(store) as backend:
        names = await backend.collections(app)
        return {name: list(state_of(await backend.load(path(name, app), None))) for name in names}


def done(config: dict[str, Any], rows: int, taken: int, collections: int) -> Migrated:
    table = config["db_table"]
    return Migrated(table, f"{table}_before_migration", rows, taken, collections)


async def until_listed(database: MariaDb, words: str) -> None:
    """Wait until a connection has such a statement or state."""
    deadline = time.monotonic() + 20
    query = f"SELECT COUNT(*) FROM information_schema.processlist WHERE CONCAT(state, info) LIKE '%{words}%' "
    while database.sql(f"{query} AND id <> CONNECTION_ID()") == [["0"]]:
        assert time.monotonic() < deadline
        await anyio.sleep(0.01)


def watch(
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    *,
    before: Callable[[], Awaitable[None]] | None = None,
    after: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Do something before or after the first packet that begins so."""
    run = Connection.run
    met = False

    async def watched(connection: Connection, statements: str, **options: Any) -> list[Rows]:
        nonlocal met
        mine = statements.lstrip().startswith(words) and not met
        met = met or mine
        if mine and before:
            await before()
        results = await run(connection, statements, **options)
        if mine and after:
            await after()
        return results

    monkeypatch.setattr(Connection, "run", watched)
