# ruff: noqa: S608 (the names were validated; everything else is a literal)
"""Taking over a table of the first generation in MySQL or MariaDB, where no transaction spans CREATE and RENAME.

1. The new tables are created and filled beside the old one, which nobody can change meanwhile. A single RENAME then
   puts all in place, so everybody sees either the old table or the new ones.
2. Tables left behind by an interrupted attempt are recognised by their comment, and dropped.
3. Two connections. The reader holds a lock on the old table while it reads: a WRITE lock, since under a READ lock the
   writes of others would wait inside MySQL 5.6, ahead of the RENAME. The writer requests the RENAME before the lock is
   released: a waiting RENAME goes before every other waiting statement.
4. The writer holds a named lock until its last statement has ended, even if its client has gone: a second attempt
   begins only then.
5. Before MySQL 8 and MariaDB 10.6, a database that dies during RENAME may have moved only the first tables. The items
   come last: while they are missing, a server refuses to start, and the next attempt renames the rest.
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import aclosing, asynccontextmanager, suppress
from itertools import islice, starmap
from typing import TYPE_CHECKING, Final

from sharedstate_backends.contract import StorageError
from sharedstate_backends.legacy.migration import (
    BACKUP_SUFFIX,
    PROGRESS_ROWS,
    Conversion,
    Migrated,
    is_old,
)
from sharedstate_backends.legacy.rows import OldRow

from .tables.schema import (
    BUILDING,
    SUFFIXES,
    columns,
    create,
    new_key,
    note,
    rename_was_cut_off,
    under_construction,
)
from .wire.connection import STATEMENT_BYTES, Connection
from .wire.errors import UNKNOWN_DATABASE, DatabaseError
from .wire.packets import PACKET_BYTES, batches, literal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from sharedstate_backends.legacy.migration import Tell
    from sharedstate_backends.legacy.rows import NewItem

    from .wire.address import Address
    from .wire.compound import Rows

LONG_TIMEOUT: Final = 3600.0
"""Seconds that a statement on the whole table may take, which the database counts, sorts or copies."""

BATCH: Final = 1_000
"""Number of rows read at once: small collections are converted in batches of about this size, large ones as a whole."""

_AS_THEY_ARE: Final = {None, "ascii", "utf8", "utf8mb3", "utf8mb4"}
"""Character sets whose bytes are UTF-8; None for columns without one."""

_RENAMED: Final = ("_collections", "_meta", "")
"""The new tables in the order in which they get their names, after the old table has given up its own."""


async def migrate(address: Address, table: str, tell: Tell) -> Migrated | None:
    """See `Migratable.migrate` for a table at that address."""
    try:
        async with _connected(address) as writer, _connected(address) as reader:
            await _take_turn(writer, address, table)
            if await rename_was_cut_off(writer, table):
                return await _finish(writer, table, tell)
            if not is_old(await columns(writer, table)):
                return None
            return await _migrate(writer, reader, table, tell)
    except DatabaseError as error:
        if error.number == UNKNOWN_DATABASE:
            return None
        raise


@asynccontextmanager
async def _connected(address: Address) -> AsyncIterator[Connection]:
    connection = await Connection.open(address)
    try:
        limits = f"wait_timeout = {LONG_TIMEOUT:.0f}, net_write_timeout = {LONG_TIMEOUT:.0f}"
        waiting = f"lock_wait_timeout = {address.lock_wait}"
        await connection.run(f"SET SESSION {limits}, {waiting}")
        yield connection
    finally:
        await connection.end()
        await asyncio.sleep(0)  # its socket is closed in the next turn of the loop


async def _take_turn(writer: Connection, address: Address, table: str) -> None:
    """Make sure that nobody else migrates the table until the connection ends."""
    name = hashlib.sha256(f"{address.database}.{table}".encode()).hexdigest()[:40]
    lock = f"SELECT GET_LOCK('sharedstate {name}', {address.lock_wait})"
    (((got,),),) = await writer.run(lock)
    if got != 1:
        raise StorageError(f"{address}: table {table}: another migration is under way; wait for it")


async def _migrate(
    writer: Connection, reader: Connection, table: str, tell: Tell
) -> Migrated | None:
    await reader.run(f"LOCK TABLES `{table}` WRITE")
    if not is_old(await columns(reader, table)):  # it has changed since it was examined
        return None
    await _check_names(writer, table)
    await _clear(writer, table)
    try:
        for suffix in SUFFIXES:
            await create(writer, table, suffix, building=True)
        await note(writer, table + BUILDING["_meta"])
        done = await _fill(writer, reader, table, tell)
        await _rename(writer, reader, table)
    except StorageError:
        with suppress(StorageError):
            await _clear(writer, table)
        raise
    return done


async def _check_names(writer: Connection, table: str) -> None:
    """Raise `StorageError` if a required name is taken by something that we must not drop."""
    ours = await under_construction(writer, table)
    wanted = [table + suffix for suffix in ("_collections", "_meta", BACKUP_SUFFIX)]
    wanted += [table + suffix for suffix in BUILDING.values() if table + suffix not in ours]
    for name in wanted:
        if await columns(writer, name):
            raise StorageError(
                f"table {name} is there already, perhaps from an earlier migration; rename or drop it"
            )


async def _clear(writer: Connection, table: str) -> None:
    """Drop what an earlier attempt left behind."""
    for name in await under_construction(writer, table):
        await writer.run(f"DROP TABLE `{name}`", timeout=LONG_TIMEOUT)


async def _fill(writer: Connection, reader: Connection, table: str, tell: Tell) -> Migrated:
    (((total,),),) = await reader.run(f"SELECT COUNT(*) FROM `{table}`", timeout=LONG_TIMEOUT)
    wanted, one_name = await _columns_as_bytes(writer, table)
    conversion = Conversion(tell, total, one_name=one_name, max_text=writer.max_text)
    if total >= PROGRESS_ROWS:
        tell(f"{total:,} rows to read; the database sorts them first")
    # Rows of the same second are in the order of their ids, as with the old server.
    query = f"SELECT {', '.join(wanted)} FROM `{table}` ORDER BY 1, 2, ctime, id"
    async with aclosing(reader.stream(query, BATCH, timeout=LONG_TIMEOUT)) as stream:
        async for rows in _whole_collections(stream):
            items = conversion.items(rows)
            keys: dict[tuple[str, str], int] = {}
            while batch := list(islice(items, BATCH)):
                await _store(writer, table, batch, keys)
    (((stored,),),) = await writer.run(
        f"SELECT COUNT(*) FROM `{table}{BUILDING['']}`", timeout=LONG_TIMEOUT
    )
    if (conversion.rows, conversion.taken) != (total, stored):
        raise StorageError(f"table {table}: {stored} items were stored of {conversion.taken}")
    return Migrated(table, table + BACKUP_SUFFIX, total, stored, conversion.collections)


async def _columns_as_bytes(writer: Connection, table: str) -> tuple[list[str], bool]:
    """Return what to select for app, chnl, id and data, and whether names are compared other than byte by byte."""
    (rows,) = await writer.run(
        "SELECT LOWER(column_name), character_set_name, collation_name "
        "FROM information_schema.columns "
        f"WHERE table_schema = DATABASE() AND table_name = {literal(table)}"
    )
    charsets = {name: charset for name, charset, _ in rows}
    collations = {collation for name, _, collation in rows if name in {"app", "chnl"}}
    texts = {
        name: name if charsets.get(name) in _AS_THEY_ARE else f"CONVERT({name} USING utf8mb4)"
        for name in ("app", "chnl", "id", "data")
    }
    one_name = any(collation and not collation.endswith("bin") for collation in collations)
    return [f"CAST({text} AS BINARY)" for text in texts.values()], one_name


async def _whole_collections(batches_of_rows: AsyncIterator[Rows]) -> AsyncIterator[list[OldRow]]:
    """Yield rows of whole collections, at least `BATCH` at a time."""
    held: list[OldRow] = []
    start = 0  # rows of the last collection
    async for rows in batches_of_rows:
        for row in starmap(OldRow, rows):
            if held and held[-1][:2] != row[:2]:
                start = len(held)
            held.append(row)
        if start >= BATCH:
            yield held[:start]
            held, start = held[start:], 0
    yield held


async def _store(
    writer: Connection, table: str, items: Sequence[NewItem], keys: dict[tuple[str, str], int]
) -> None:
    """Store items, and the heads of collections without a key."""
    limit = min(PACKET_BYTES, writer.max_packet - STATEMENT_BYTES)
    heads = []
    for item in items:
        name = item.app, item.collection
        if name not in keys:
            keys[name] = new_key()
            heads.append(f"({keys[name]},{literal(name[0])},{literal(name[1])},1,0,0)")
    for batch in batches(heads, limit):
        await writer.run(
            f"INSERT INTO `{table}{BUILDING['_collections']}` VALUES {','.join(batch)}"
        )
    rows = (
        f"({keys[item.app, item.collection]},{literal(item.id)},1,{item.place},1,{literal(item.text)})"
        for item in items
    )
    for batch in batches(rows, limit):
        await writer.run(
            f"INSERT INTO `{table}{BUILDING['']}` (collection, id, created, place, version, data) "
            f"VALUES {','.join(batch)}"
        )


async def _rename(writer: Connection, reader: Connection, table: str) -> None:
    """Replace the old table by the new ones, ahead of everybody else waiting for it."""
    (((writer_id,),),) = await writer.run("SELECT CONNECTION_ID()")
    names = [f"`{table}` TO `{table}{BACKUP_SUFFIX}`"]
    names += [f"`{table}{BUILDING[suffix]}` TO `{table}{suffix}`" for suffix in _RENAMED]
    renaming = asyncio.create_task(
        writer.run(f"RENAME TABLE {', '.join(names)}", timeout=LONG_TIMEOUT)
    )
    waits = (
        "SELECT COUNT(*) FROM information_schema.processlist "
        f"WHERE id = {writer_id} AND state LIKE 'Waiting for table metadata lock%'"
    )
    with suppress(StorageError):  # a lost reader has released its lock
        while not renaming.done() and (await reader.run(waits))[0][0][0] == 0:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await reader.run("UNLOCK TABLES")
    reader.close()
    await renaming


async def _finish(writer: Connection, table: str, tell: Tell) -> Migrated:
    """Rename the tables that were left when the database died."""
    left = await under_construction(writer, table)
    names = [
        f"`{table}{BUILDING[suffix]}` TO `{table}{suffix}`"
        for suffix in _RENAMED
        if table + BUILDING[suffix] in left
    ]
    await writer.run(f"RENAME TABLE {', '.join(names)}", timeout=LONG_TIMEOUT)
    tell("an earlier migration, which was cut off at its very end, is complete now")
    counts = []
    for name in (table + BACKUP_SUFFIX, table, f"{table}_collections"):
        (((count,),),) = await writer.run(f"SELECT COUNT(*) FROM `{name}`", timeout=LONG_TIMEOUT)
        counts.append(count)
    return Migrated(table, table + BACKUP_SUFFIX, *counts)
