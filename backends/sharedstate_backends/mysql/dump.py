# ruff: noqa: S608 (the table's name was validated; everything else is a literal)
"""Saving the whole content of a service in MySQL or MariaDB, while servers use it.

One transaction reads a consistent snapshot, so nobody waits for it; rows are streamed.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Final

from sharedstate_backends.contract import StorageError
from sharedstate_backends.layout import FORMATS, table_names
from sharedstate_backends.portable import CollectionHead, Portion
from sharedstate_core.storage import Row

from .tables.schema import columns
from .wire.connection import Connection
from .wire.errors import UNKNOWN_DATABASE, DatabaseError
from .wire.packets import literal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from .wire.address import Address

LONG_TIMEOUT: Final = 3600.0
"""Seconds that a statement on many rows may take, and that the server waits for us to read on."""

HEADS: Final = 1_000
"""Number of heads read at once."""

ROWS: Final = 16
"""Number of rows read at once: each may have several megabytes."""


async def dump(address: Address, table: str) -> AsyncGenerator[Portion, None]:
    """See `Portable.dump`."""
    try:
        async with connected(address) as connection:
            await _check(connection, table)
            await connection.run_together(
                [
                    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
                    "START TRANSACTION WITH CONSISTENT SNAPSHOT",
                ]
            )
            async with aclosing(_heads(connection, table)) as heads:
                async for key, head in heads:
                    async with aclosing(rows_of(connection, table, key, head)) as portions:
                        async for portion in portions:
                            yield portion
    except DatabaseError as error:
        if error.number == UNKNOWN_DATABASE:
            raise StorageError(f"{address}: there is no such database; check db_name") from error
        raise


@asynccontextmanager
async def connected(address: Address) -> AsyncIterator[Connection]:
    """Connect for a block whose statements may take long."""
    connection = await Connection.open(address)
    try:
        limits = f"wait_timeout = {LONG_TIMEOUT:.0f}, net_write_timeout = {LONG_TIMEOUT:.0f}"
        await connection.run(f"SET SESSION {limits}")
        yield connection
    finally:
        await connection.end()
        await asyncio.sleep(0)  # its socket is closed in the next turn of the loop


async def _check(connection: Connection, table: str) -> None:
    """Raise `StorageError` unless the tables exist and have our format."""
    meta = table_names(table)[2]
    if not await columns(connection, meta):
        raise StorageError(
            f"there is no table {table} of SharedState's; check db_name and db_table"
        )
    (found,) = await connection.run(f"SELECT value FROM `{meta}` WHERE name = 'format'")
    if not found or found[0][0].decode() not in FORMATS:
        raise StorageError(f"table {table} was made by another version of SharedState; upgrade")


async def _heads(
    connection: Connection, table: str
) -> AsyncGenerator[tuple[int, CollectionHead], None]:
    """Yield the key and the head of each collection, in order."""
    heads = table_names(table)[1]
    after = "TRUE"
    while True:
        (rows,) = await connection.run(
            f"SELECT `key`, app, name, version, horizon FROM `{heads}` FORCE INDEX (by_name) "
            f"WHERE {after} ORDER BY app, name LIMIT {HEADS}",
            timeout=LONG_TIMEOUT,
        )
        for key, app, name, version, horizon in rows:
            yield key, CollectionHead(app.decode(), name.decode(), version, horizon)
        if len(rows) < HEADS:
            return
        app, name = (literal(value) for value in rows[-1][1:3])
        after = f"(app > {app} OR (app = {app} AND name > {name}))"


async def rows_of(
    connection: Connection, table: str, key: int, head: CollectionHead
) -> AsyncGenerator[Portion, None]:
    """Yield the portions of a collection, at least one."""
    query = (
        f"SELECT id, data, created, place, version FROM `{table}` FORCE INDEX (PRIMARY) "
        f"WHERE collection = {key} ORDER BY id"
    )
    empty = True
    async with aclosing(connection.stream(query, ROWS, timeout=LONG_TIMEOUT)) as stream:
        async for rows in stream:
            empty = False
            yield Portion(head, [Row(id.decode(), *rest) for id, *rest in rows])
    if empty:
        yield Portion(head, [])
