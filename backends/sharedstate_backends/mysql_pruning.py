# ruff: noqa: S608 (the table's name was validated; everything else is a literal)
"""How collections of one service in MySQL or MariaDB are pruned (see `pruning`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sharedstate_core.paths import CollectionPath

from .history import State
from .pruning import Examined, choose

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .mysql_connection import Connection, OnConnection
    from .mysql_tables import MysqlTables


class MysqlPruning:
    """A `Prunable`.

    Args:
        tables: the service's.
        on_connection: does something on a connection of the pool.
    """

    def __init__(self, tables: MysqlTables, on_connection: OnConnection) -> None:
        self._tables = tables
        self._on_connection = on_connection

    async def examine(self, service: str, after: int, most: int) -> list[Examined]:
        """Do as `Prunable.examine`."""
        where = f"WHERE `key` > {after} ORDER BY `key` LIMIT {most}"
        return await self._on_connection(lambda connection: self._read(connection, service, where))

    async def prune(
        self, service: str, keys: Sequence[int], remembered: Mapping[CollectionPath, State]
    ) -> None:
        """Do as `Prunable.prune`."""
        await self._on_connection(
            lambda connection: self._prune(connection, service, keys, remembered)
        )

    async def _read(self, connection: Connection, service: str, where: str) -> list[Examined]:
        tables = self._tables
        select_heads = (
            "SELECT `key`, app, name, version, writers, tombstones, NOT EXISTS "
            f"(SELECT 1 FROM {tables.items_table} WHERE collection = head.`key` AND data IS NOT NULL) "
            f"FROM {tables.heads_table} AS head {where}"
        )
        noted, rows = await connection.run_together([tables.meta.select_starts, select_heads])
        epoch = tables.meta.starts(noted)[0].epoch
        return [
            Examined(
                key,
                CollectionPath(app.decode(), service, name.decode()),
                State(epoch, version, writers.decode()),
                tombstones,
                bool(is_empty),
            )
            for key, app, name, version, writers, tombstones, is_empty in rows
        ]

    async def _prune(
        self,
        connection: Connection,
        service: str,
        keys: Sequence[int],
        remembered: Mapping[CollectionPath, State],
    ) -> None:
        tables = self._tables
        those = ", ".join(map(str, keys))
        noted = await tables.meta.lock(connection, begin=True)
        # First the locks, then a look: what was committed before them is seen, and nothing comes after.
        await connection.run(
            f"SELECT `key` FROM {tables.heads_table} WHERE `key` IN ({those}) FOR UPDATE"
        )
        examined = await self._read(connection, service, f"WHERE `key` IN ({those})")
        chosen = choose(examined, remembered)
        gone = ", ".join(str(each.key) for each in chosen) or "NULL"
        floor = max((each.state.version for each in chosen), default=0)
        await connection.run_together(
            [
                f"DELETE FROM {tables.items_table} WHERE collection IN ({gone})",
                f"DELETE FROM {tables.heads_table} WHERE `key` IN ({gone})",
                *tables.meta.raise_floor(noted, floor),
                "COMMIT",
            ]
        )
