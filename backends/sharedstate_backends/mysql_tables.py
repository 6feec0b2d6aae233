# ruff: noqa: S608 (the table's name was validated; everything else is a literal)
"""What is read from the tables of one service in MySQL or MariaDB; `mysql_schema` tells what they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sharedstate_core.storage import Cursor, Loaded, Row

from .mysql_packets import literal
from .sqlite_schema import table_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sharedstate_core.paths import CollectionPath

    from .mysql_connection import Connection

_NAMES: Final = 500
"""Collections asked for in one statement: few enough for the planner to look each up."""


class MysqlTables:
    """One service's tables.

    Args:
        table: a valid name.

    Attributes:
        items_table, heads_table: their names, quoted.
        select_epoch: a statement.
    """

    def __init__(self, table: str) -> None:
        self.items_table, self.heads_table, meta = (f"`{name}`" for name in table_names(table))
        self.select_epoch = f"SELECT value FROM {meta} WHERE name = 'epoch'"

    async def load(
        self, connection: Connection, collection: CollectionPath, since: Cursor | None
    ) -> Loaded:
        """Return what `Backend.load` promises."""
        _, _, ((epoch,),), heads = await connection.run_together(
            [
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
                "START TRANSACTION WITH CONSISTENT SNAPSHOT",
                self.select_epoch,
                self.select_heads([collection]),
            ]
        )
        key, _, _, version, horizon, _ = heads[0] if heads else (None, b"", b"", 0, 0, 0)
        epoch = epoch.decode()
        base = None
        if since and since.epoch == epoch and horizon <= since.version <= version:
            base = since.version
        select_rows = (
            f"SELECT id, data, created, place, version FROM {self.items_table} "
            f"WHERE collection = {literal(key)} AND version > {base or 0}"
        )
        rows, _ = await connection.run_together([select_rows, "COMMIT"])
        return Loaded(
            epoch, version, horizon, [Row(id.decode(), *rest) for id, *rest in rows], base
        )

    async def settle(self, connection: Connection, collection: CollectionPath) -> None:
        """See to it that a commit whose outcome was lost is stored now, or never.

        If it has begun, it holds the lock on the head until its end. If its packet still waits to be read, it finds
        another head than it expects: one tombstone more.
        """
        await connection.run(
            f"UPDATE {self.heads_table} SET tombstones = tombstones + 1 "
            f"WHERE app = {literal(collection.app)} AND name = {literal(collection.collection)}"
        )

    async def heads(
        self, connection: Connection, collections: Sequence[CollectionPath]
    ) -> Mapping[CollectionPath, Cursor]:
        """Return the cursor of each collection."""
        (((epoch,),),) = await connection.run(self.select_epoch)
        versions: dict[tuple[bytes, bytes], int] = {}
        for start in range(0, len(collections), _NAMES):
            batch = collections[start : start + _NAMES]
            (rows,) = await connection.run(self.select_heads(batch))
            versions.update({(app, name): version for _, app, name, version, _, _ in rows})
        return {
            path: Cursor(
                epoch.decode(), versions.get((path.app.encode(), path.collection.encode()), 0)
            )
            for path in collections
        }

    async def collections(self, connection: Connection, app: str) -> list[str]:
        """Return the names of the app's collections, sorted by code point."""
        (rows,) = await connection.run(
            f"SELECT name FROM {self.heads_table} WHERE app = {literal(app)} ORDER BY name"
        )
        return [name.decode() for (name,) in rows]

    def select_heads(self, collections: Sequence[CollectionPath]) -> str:
        """Return a statement; to a row belong key, app, name, version, horizon, tombstones."""
        wanted = " OR ".join(
            f"(app = {literal(path.app)} AND name = {literal(path.collection)})"
            for path in collections
        )
        return (
            f"SELECT `key`, app, name, version, horizon, tombstones FROM {self.heads_table} "
            f"FORCE INDEX (by_name) WHERE {wanted or 'FALSE'}"
        )
