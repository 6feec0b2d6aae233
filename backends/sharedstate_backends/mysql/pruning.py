# ruff: noqa: S608 (the table's name was validated; everything else is a literal)
"""How collections of one service in MySQL or MariaDB are pruned (see `pruning`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sharedstate_backends.history.pruning import Examined, risen
from sharedstate_backends.history.vectors import State, find_lost
from sharedstate_backends.layout import receipts_table
from sharedstate_core.paths import CollectionPath

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .tables.tables import Tables
    from .wire.connection import Connection, OnConnection


class MysqlPruning:
    """A `Prunable`.

    Args:
        tables: the service's tables.
        on_connection: runs something on a pooled connection.
    """

    def __init__(self, tables: Tables, on_connection: OnConnection) -> None:
        self._tables = tables
        self._on_connection = on_connection

    async def examine(self, service: str, after: int, limit: int) -> list[Examined]:
        """See `Prunable.examine`."""

        async def examine(connection: Connection) -> list[Examined]:
            (rows,) = await connection.run(
                f"SELECT `key`, app, name, version, writers, tombstones FROM {self._tables.heads_table} "
                f"WHERE `key` > {after} ORDER BY `key` LIMIT {limit}"
            )
            return [
                Examined(
                    key,
                    CollectionPath(app.decode(), service, name.decode()),
                    State("", version, writers.decode()),
                    tombstones,
                )
                for key, app, name, version, writers, tombstones in rows
            ]

        return await self._on_connection(examine)

    async def empty(self, keys: Sequence[int]) -> set[int]:
        """See `Prunable.empty`."""
        return set(await self._on_connection(lambda connection: self._empty(connection, keys)))

    async def prune(self, keys: Sequence[int], told: Mapping[CollectionPath, State]) -> None:
        """See `Prunable.prune`."""
        await self._on_connection(lambda connection: self._prune(connection, keys, told))

    async def _empty(self, connection: Connection, keys: Sequence[int]) -> dict[int, int]:
        """Return the versions of those collections that are empty, and have no receipts."""
        (rows,) = await connection.run(
            f"SELECT `key`, version FROM {self._tables.heads_table} AS head "
            f"WHERE `key` IN ({', '.join(map(str, keys))}) AND NOT EXISTS "
            f"(SELECT 1 FROM {self._tables.items_table} WHERE collection = head.`key` AND data IS NOT NULL) "
            f"AND NOT EXISTS (SELECT 1 FROM `{receipts_table(self._tables.table)}` "
            "WHERE collection = head.`key`)"
        )
        return dict(rows)

    async def _prune(
        self, connection: Connection, keys: Sequence[int], told: Mapping[CollectionPath, State]
    ) -> None:
        tables = self._tables
        those = ", ".join(map(str, keys))
        # First lock, then read: so earlier commits are seen, and none follows. Heads, whose locks others may hold for
        # long, come before the meta data, for which nearly everybody waits.
        await connection.run_together(
            [
                "START TRANSACTION",
                f"SELECT `key` FROM {tables.heads_table} WHERE `key` IN ({those}) FOR UPDATE",
            ]
        )
        noted = await tables.meta.lock(connection)
        is_lost = find_lost(told, await tables.heads(connection, list(told)))
        versions = {} if is_lost else await self._empty(connection, keys)
        gone = ", ".join(map(str, versions)) or "NULL"
        floor = risen(int(noted.get("floor", "0")), list(versions.values()))
        await connection.run_together(
            [
                f"DELETE FROM {tables.items_table} WHERE collection IN ({gone})",
                f"DELETE FROM {tables.heads_table} WHERE `key` IN ({gone})",
                *(tables.meta.raise_floor(floor) if versions else ()),
                "COMMIT",
            ]
        )
