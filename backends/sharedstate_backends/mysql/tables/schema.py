# ruff: noqa: S608 (the names were validated; everything else is a literal)
"""The tables of a service in MySQL or MariaDB, created if missing: the same as in `sqlite.schema`.

Ids and names are VARBINARY and texts LONGBLOB: they are compared byte by byte, trailing spaces count, and no character
set of the server, the database or the connection converts them. The key of a collection is drawn at random, so it need
not be queried.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from sharedstate_backends.contract import OldDataError, StorageError
from sharedstate_backends.history.vectors import new_epoch
from sharedstate_backends.layout import (
    FORMAT,
    FORMAT_WITH_FLOOR,
    FORMATS,
    receipts_table,
    table_names,
)
from sharedstate_backends.legacy.migration import BACKUP_SUFFIX, HOW_TO_MIGRATE, is_old
from sharedstate_backends.mysql.wire.connection import Connection
from sharedstate_backends.mysql.wire.errors import (
    ACCESS_DENIED,
    DUPLICATE_COLUMN,
    NO_SUCH_TABLE,
    SYNTAX_ERROR,
    UNKNOWN_DATABASE,
    DatabaseError,
)
from sharedstate_backends.mysql.wire.packets import literal

if TYPE_CHECKING:
    from sharedstate_backends.mysql.wire.address import Address

_COLUMNS: Final = {
    "": ["collection", "id", "created", "place", "version", "data"],
    "_collections": ["key", "app", "name", "version", "horizon", "tombstones"],
    "_meta": ["name", "value"],
}
SUFFIXES: Final = tuple(_COLUMNS)
"""Suffixes of a service's tables: items, collections, meta data."""

BUILDING: Final = {"": "_migrating", "_collections": "_migrating_heads", "_meta": "_migrating_meta"}
"""Suffixes while a migration fills them; the comment of such a table marks it as ours."""

_STATEMENTS: Final = {
    "": """
CREATE TABLE IF NOT EXISTS `{name}` (
  collection BIGINT NOT NULL,
  id VARBINARY(255) NOT NULL,
  created BIGINT NOT NULL,
  place INT NOT NULL,
  version BIGINT NOT NULL,
  data LONGBLOB,
  PRIMARY KEY (collection, id),
  KEY by_version (collection, version, created)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4""",
    "_collections": """
CREATE TABLE IF NOT EXISTS `{name}` (
  `key` BIGINT NOT NULL PRIMARY KEY,
  app VARBINARY(128) NOT NULL,
  name VARBINARY(128) NOT NULL,
  version BIGINT NOT NULL,
  horizon BIGINT NOT NULL,
  tombstones BIGINT NOT NULL,
  UNIQUE KEY by_name (app, name)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4""",
    "_meta": """
CREATE TABLE IF NOT EXISTS `{name}` (
  name VARBINARY(64) NOT NULL PRIMARY KEY,
  value VARBINARY(255) NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4""",
}

_RECEIPTS: Final = """
CREATE TABLE IF NOT EXISTS `{name}` (
  collection BIGINT NOT NULL,
  session VARBINARY(64) NOT NULL,
  last BIGINT NOT NULL,
  stored BINARY(32) NOT NULL,
  refused BLOB NOT NULL,
  time BIGINT NOT NULL,
  PRIMARY KEY (collection, session),
  KEY by_time (collection, time)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4"""

_RECEIPT_COLUMNS: Final = ["collection", "session", "last", "stored", "refused", "time"]

MAX_KEY: Final = 2**63


def new_key() -> int:
    """Return a key for a new collection."""
    return secrets.randbelow(MAX_KEY)


async def create_database(address: Address) -> None:
    """Create the database if it does not exist.

    Raises:
        StorageError: it does not exist and cannot be created; the message says what to do.
    """
    try:
        connection = await Connection.open(address)
    except DatabaseError as error:
        if error.number not in {UNKNOWN_DATABASE, ACCESS_DENIED}:
            raise
    else:
        await connection.end()
        return
    connection = await Connection.open(address, database=False)
    try:
        name = f"`{address.database}`"
        await connection.run(f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb4; DO 0")
    except DatabaseError as error:
        if error.number != ACCESS_DENIED:
            raise
        raise refuse_to_create(address) from error
    finally:
        await connection.end()


def refuse_to_create(address: Address) -> StorageError:
    """Return the error for a user without permission to create the database."""
    name = f"`{address.database}`"
    return StorageError(
        f"{address}: user {address.user} may neither use nor create it; as administrator: CREATE "
        f"DATABASE IF NOT EXISTS {name}; GRANT ALL ON {name}.* TO the user"
    )


async def prepare(connection: Connection, table: str, address: Address) -> bool:
    """Create missing tables; draw an epoch if there is none; return whether the store is new.

    Raises:
        StorageError: the tables are not ours or have another format, or the server is of an unsafe kind.
    """
    found = await found_columns(connection, table)
    for suffix, names in found.items():
        if not names:
            await create(connection, table, suffix)
    meta = table_names(table)[2]
    await note(connection, meta)
    found_format = await _format(connection, table)
    if found_format not in FORMATS:
        raise StorageError(
            f"table {table}: format {found_format} was made by another version of "
            f"SharedState, this one knows {FORMAT_WITH_FLOOR}; upgrade, or choose another db_table"
        )
    await _add_writers(connection, table, address)
    await _add_receipts(connection, table)
    return not any(found.values())


async def found_columns(connection: Connection, table: str) -> dict[str, list[str]]:
    """Return the columns of each table, by its suffix; empty for a missing table.

    Raises:
        StorageError: the tables are not ours, or the server is of an unsafe kind.
    """
    await _refuse_several_primaries(connection)
    found = {suffix: await columns(connection, table + suffix) for suffix in SUFFIXES}
    if is_old(found[""]):
        raise OldDataError(f"table {table} {HOW_TO_MIGRATE}")
    if not found[""] and await rename_was_cut_off(connection, table):
        raise OldDataError(f"table {table}{BACKUP_SUFFIX} {HOW_TO_MIGRATE}")
    is_ours = found["_meta"] == _COLUMNS["_meta"] and await _format(connection, table)
    for suffix, names in found.items():
        ours = [name for name in names if name != "writers"]
        if names and ours != _COLUMNS[suffix] and not is_ours:
            raise StorageError(
                f"table {table}{suffix} is there already and is not SharedState's; "
                "choose another db_table"
            )
    return found


async def _add_writers(connection: Connection, table: str, address: Address) -> None:
    """Add the column of version vectors, unknown to version 0.1, to the heads.

    Version 0.1 inserts rows without naming columns. So the column is invisible where the server supports that: from
    MariaDB 10.3 and MySQL 8.0.23 on.
    """
    heads = table_names(table)[1]
    if "writers" in await columns(connection, heads):
        return
    column = "writers VARBINARY(512) NOT NULL DEFAULT ''"
    for kind in (f"{column} INVISIBLE", column):
        try:
            await connection.run(
                f"SET SESSION lock_wait_timeout = {address.lock_wait}; "
                f"ALTER TABLE `{heads}` ADD COLUMN {kind}; DO 0"
            )
        except DatabaseError as error:
            if error.number == DUPLICATE_COLUMN:  # another process was faster
                return
            if error.number != SYNTAX_ERROR or kind == column:
                raise
        else:
            return


async def _add_receipts(connection: Connection, table: str) -> None:
    """Create the table of receipts, which earlier versions do not make.

    Raises:
        StorageError: another one has its name.
    """
    name = receipts_table(table)
    found = await columns(connection, name)
    if not found:
        await connection.run(f"{_RECEIPTS.replace('{name}', name)}; DO 0")
    elif found != _RECEIPT_COLUMNS:
        raise StorageError(
            f"table {name} is there already and is not SharedState's; choose another db_table"
        )


async def _refuse_several_primaries(connection: Connection) -> None:
    """Raise `StorageError` for MySQL's Group Replication in multi-primary mode.

    There, as in Galera, a transaction may be aborted between two statements, and MySQL has no compound statement to
    prevent that.
    """
    (rows,) = await connection.run(
        "SHOW VARIABLES WHERE variable_name IN "
        "('group_replication_group_name', 'group_replication_single_primary_mode')"
    )
    found: dict[str, str] = dict(rows)
    if found.get("group_replication_group_name") and (
        found.get("group_replication_single_primary_mode") == "OFF"
    ):
        raise StorageError(
            "this MySQL is a member of a replication group in multi-primary mode, in which acknowledged updates would "
            "be lost; switch the group over: SELECT group_replication_switch_to_single_primary_mode()"
        )


async def create(
    connection: Connection, table: str, suffix: str, *, building: bool = False
) -> None:
    """Create one of the tables if it does not exist; with `building`, under its temporary name for a migration."""
    name = table + (BUILDING[suffix] if building else suffix)
    statement = _STATEMENTS[suffix].replace("{name}", name)
    if building:
        statement += f" COMMENT = '{_comment(table)}'"
    # Followed by a statement without warnings, since the driver logs those of the last one.
    await connection.run(f"{statement}; DO 0")


async def under_construction(connection: Connection, table: str) -> list[str]:
    """Return the names of tables that a migration of this one is filling or has left behind."""
    names = {table + suffix for suffix in BUILDING.values()}
    (rows,) = await connection.run(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() "
        f"AND table_name IN ({', '.join(map(literal, sorted(names)))}) "
        f"AND table_comment = '{_comment(table)}'"
    )
    return sorted(names & {name for (name,) in rows})


async def rename_was_cut_off(connection: Connection, table: str) -> bool:
    """Return whether a database died while a migration was renaming tables."""
    return (
        not await columns(connection, table)
        and table + BUILDING[""] in await under_construction(connection, table)
        and is_old(await columns(connection, table + BACKUP_SUFFIX))
    )


def _comment(table: str) -> str:
    return f"made by sharedstate-anyio migrate for {table}"


async def note(connection: Connection, meta: str) -> None:
    """Note the format in the table `meta`, and an epoch if there is none."""
    epoch, made_by = literal(new_epoch()), literal(str(FORMAT))
    await connection.run(
        f"INSERT INTO `{meta}` (name, value) VALUES ('format', {made_by}), ('epoch', {epoch}) "
        "ON DUPLICATE KEY UPDATE name = name"
    )


async def _format(connection: Connection, table: str) -> str | None:
    """Return the number of the format; None if there is none."""
    rows = (await connection.run(f"SELECT value FROM `{table}_meta` WHERE name = 'format'"))[0]
    return rows[0][0].decode() if rows else None


async def columns(connection: Connection, name: str) -> list[str]:
    """Return the columns of a table in order; empty if there is no such table.

    Raises:
        StorageError: the database lists the table but cannot open it.
    """
    for _ in range(2):
        try:
            (rows,) = await connection.run(f"SHOW COLUMNS FROM `{name}`")
        except DatabaseError as error:
            if error.number != NO_SUCH_TABLE:
                raise
        else:
            return [row[0] for row in rows]
        (((listed,),),) = await connection.run(
            "SELECT COUNT(*) FROM information_schema.tables "
            f"WHERE table_schema = DATABASE() AND table_name = {literal(name)}"
        )
        if not listed:
            return []
    raise StorageError(
        f"table {name} is listed but cannot be opened; before version 8, that is what MySQL leaves if it dies "
        "while it renames tables: restore its data folder from a backup, or see its error log"
    )
