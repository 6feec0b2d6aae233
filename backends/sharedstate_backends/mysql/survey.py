"""Finds out what a start would create in MySQL or MariaDB, without creating anything."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from .tables.schema import SUFFIXES, found_columns, refuse_to_create
from .wire.connection import Connection
from .wire.errors import (
    ACCESS_DENIED,
    NO_SUCH_TABLE,
    TABLE_ACCESS_DENIED,
    UNKNOWN_DATABASE,
    DatabaseError,
)

if TYPE_CHECKING:
    from .wire.address import Address


async def missing(address: Address, table: str) -> str | None:
    """See `Surveying.missing`."""
    try:
        connection = await Connection.open(address)
    except DatabaseError as error:
        if error.number not in {UNKNOWN_DATABASE, ACCESS_DENIED}:
            raise
        connection = await Connection.open(address, database=False)
        try:
            await _try_to_create(connection, address)
        except DatabaseError as refusal:
            if refusal.number not in {ACCESS_DENIED, TABLE_ACCESS_DENIED}:
                raise
            raise refuse_to_create(address) from refusal
        finally:
            await connection.end()
        return f"{address} is not there yet: a start creates it"
    try:
        found = await found_columns(connection, table)
        names = [f"{table}{suffix}" for suffix in SUFFIXES if not found[suffix]]
        if not names:
            return None
        await _try_to_create(connection, address)
    finally:
        await connection.end()
    if len(names) == 1:
        return f"{address}: the table {names[0]} is not there yet: a start creates it"
    return f"{address}: the tables {', '.join(names)} are not there yet: a start creates them"


async def _try_to_create(connection: Connection, address: Address) -> None:
    """Raise `DatabaseError` unless tables can be created in the database, whether it exists or not.

    Nothing is created: the server checks the permission before it looks for the database, and for the table to copy,
    which does not exist.
    """
    name, no_table = (f"`{address.database}`.`{secrets.token_hex(12)}`" for _ in range(2))
    try:
        await connection.run(f"CREATE TABLE {name} LIKE {no_table}; DO 0")
    except DatabaseError as error:
        if error.number not in {UNKNOWN_DATABASE, NO_SUCH_TABLE}:
            raise
