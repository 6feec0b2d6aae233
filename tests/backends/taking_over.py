"""What tests of the migration in MariaDB share."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import anyio

from sharedstate_backends.conformance.model import path, state_of
from sharedstate_backends.items_service import get_service
from sharedstate_backends.migration import Migrated
from sharedstate_backends.mysql_connection import Connection

from .opening import opened

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import pytest

    from sharedstate_backends.mysql_connection import Rows
    from tests.support.mariadb import MariaDb


async def migrate(config: dict[str, Any]) -> tuple[Migrated | None, list[str]]:
    lines: list[str] = []
    backend = get_service(config)
    return await backend.migrate(lines.append), lines  # type: ignore[attr-defined]


async def states(config: dict[str, Any], app: str = "app") -> dict[str, list[str]]:
    """The ids of every collection, in order."""
    async with opened(get_service(config)) as backend:
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
