# ruff: noqa: S608 (the names were validated; everything else is a literal)
"""Whether a service's tables in MySQL or MariaDB accept writes, and how much space they take."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from sharedstate_backends.layout import table_names

from .wire.packets import literal

if TYPE_CHECKING:
    from .wire.connection import Connection

ROWS: Final = 16
"""Number of rows of which a random one is written: servers on several nodes of a cluster would abort each other's
transactions by writing the same row."""


async def probe(connection: Connection, table: str) -> None:
    """Write a new value to a row of our own, and commit it.

    Raises:
        LostError: the server did not answer.
        DatabaseError: it refused to write, or aborted this transaction in favour of another server's.
    """
    meta = table_names(table)[2]
    name = literal(f"probe {secrets.randbelow(ROWS)}")
    value = literal(secrets.token_urlsafe(9))
    await connection.run(
        f"INSERT INTO `{meta}` VALUES ({name}, {value}) ON DUPLICATE KEY UPDATE value = {value}"
    )


async def sizes(connection: Connection, table: str) -> dict[str, int]:
    """Return the bytes of the tables with their indexes, as the database estimates them."""
    names = ", ".join(map(literal, table_names(table)))
    (((size,),),) = await connection.run(
        "SELECT SUM(data_length + index_length) FROM information_schema.tables "
        f"WHERE table_schema = DATABASE() AND table_name IN ({names})"
    )
    return {"database": int(size or 0)}
