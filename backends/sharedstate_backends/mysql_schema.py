# ruff: noqa: S608 (the names were validated; everything else is a literal)
"""The tables of a service in MySQL or MariaDB, made when they are missing: those of `sqlite_schema`.

Ids and names are VARBINARY and texts LONGBLOB: they are compared byte by byte, spaces at the end count, and no
character set of the server, the database or the connection converts them. The key of a collection is drawn
at random: nobody needs to ask the server for it.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from .contract import StorageError
from .mysql_connection import (
    ACCESS_DENIED,
    NO_SUCH_TABLE,
    UNKNOWN_DATABASE,
    Connection,
    DatabaseError,
)
from .mysql_packets import literal
from .sqlite_schema import FORMAT, table_names

if TYPE_CHECKING:
    from .mysql_connection import Address

_COLUMNS: Final = {
    "": ["collection", "id", "created", "place", "version", "data"],
    "_collections": ["key", "app", "name", "version", "horizon", "tombstones"],
    "_meta": ["name", "value"],
}
_OLDER_COLUMNS: Final = {"app", "chnl", "id", "ctime", "data"}

_STATEMENTS: Final = {
    "": """
CREATE TABLE IF NOT EXISTS `{T}` (
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
CREATE TABLE IF NOT EXISTS `{T}_collections` (
  `key` BIGINT NOT NULL PRIMARY KEY,
  app VARBINARY(128) NOT NULL,
  name VARBINARY(128) NOT NULL,
  version BIGINT NOT NULL,
  horizon BIGINT NOT NULL,
  tombstones BIGINT NOT NULL,
  UNIQUE KEY by_name (app, name)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4""",
    "_meta": """
CREATE TABLE IF NOT EXISTS `{T}_meta` (
  name VARBINARY(64) NOT NULL PRIMARY KEY,
  value VARBINARY(255) NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4""",
}

MAX_KEY: Final = 2**63


def new_key() -> int:
    """Return a key for a new collection."""
    return secrets.randbelow(MAX_KEY)


async def create_database(address: Address) -> None:
    """Create the database if it is not there.

    Raises:
        StorageError: it is not there and cannot be created; the message says what to do.
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
        raise StorageError(
            f"{address}: user {address.user} may neither use nor create it; as administrator: CREATE "
            f"DATABASE IF NOT EXISTS {name}; GRANT ALL ON {name}.* TO the user"
        ) from error
    finally:
        await connection.end()


async def prepare(connection: Connection, table: str) -> None:
    """Create the tables that are missing; draw an epoch if there is none, or if commits may have been lost.

    A server that does not write its log to the disk at every commit may lose commits which clients have seen;
    their versions would be counted anew, so each start draws a new epoch.

    Raises:
        StorageError: the tables are not ours, or of another format.
    """
    found = {suffix: await _columns(connection, table + suffix) for suffix in _COLUMNS}
    if set(found[""]) == _OLDER_COLUMNS:
        raise StorageError(f"table {table} holds data in an older format; choose another db_table")
    is_ours = found["_meta"] == _COLUMNS["_meta"] and await _format(connection, table)
    for suffix, columns in found.items():
        if columns and columns != _COLUMNS[suffix] and not is_ours:
            raise StorageError(
                f"table {table}{suffix} is there already and is not SharedState's; "
                "choose another db_table"
            )
    for suffix, columns in found.items():
        if not columns:
            # Behind it something without warnings: those of the last statement are logged by the driver.
            await connection.run(_STATEMENTS[suffix].replace("{T}", table) + "; DO 0")
    meta = f"`{table_names(table)[2]}`"
    epoch, made_by = (literal(text) for text in (secrets.token_urlsafe(9), str(FORMAT)))
    await connection.run(
        f"INSERT INTO {meta} VALUES ('format', {made_by}), ('epoch', {epoch}) "
        "ON DUPLICATE KEY UPDATE name = name"
    )
    found_format = await _format(connection, table)
    if found_format != str(FORMAT):
        raise StorageError(
            f"table {table}: format {found_format} was made by another version of "
            f"SharedState, this one knows {FORMAT}; upgrade, or choose another db_table"
        )
    ((durable,),) = (await connection.run("SELECT @@innodb_flush_log_at_trx_commit"))[0]
    if durable != 1:
        await connection.run(f"UPDATE {meta} SET value = {epoch} WHERE name = 'epoch'")


async def _format(connection: Connection, table: str) -> str | None:
    """Return the format's number, None if there is none."""
    rows = (await connection.run(f"SELECT value FROM `{table}_meta` WHERE name = 'format'"))[0]
    return rows[0][0].decode() if rows else None


async def _columns(connection: Connection, name: str) -> list[str]:
    try:
        (rows,) = await connection.run(f"SHOW COLUMNS FROM `{name}`")
    except DatabaseError as error:
        if error.number == NO_SUCH_TABLE:
            return []
        raise
    return [row[0] for row in rows]
