# ruff: noqa: S608 (the table's name was validated; everything else is a parameter)
"""How collections of one service in SQLite are pruned (see `pruning`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sharedstate_backends.history.pruning import Examined, risen
from sharedstate_backends.history.vectors import State, find_lost
from sharedstate_backends.layout import FORMAT_WITH_FLOOR, receipts_table, table_names
from sharedstate_core.paths import CollectionPath

from .rows import placeholders
from .schema import read_meta, write_meta

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from .tables import Tables
    from .threads import Threads


class SqlitePruning:
    """A `Prunable`.

    Args:
        table: a valid name.
        tables: reads the tables.
        threads: the connections to the database.
    """

    def __init__(self, table: str, tables: Tables, threads: Threads) -> None:
        self._table = table
        self._tables = tables
        self._items, self._heads, _ = (f'"{name}"' for name in table_names(table))
        self._receipts = f'"{receipts_table(table)}"'
        self._threads = threads

    async def examine(self, service: str, after: int, limit: int) -> list[Examined]:
        """See `Prunable.examine`."""

        def examine(cursor: sqlite3.Cursor) -> list[Examined]:
            rows = cursor.execute(
                f"SELECT key, app, name, version, writers, tombstones FROM {self._heads} "
                "WHERE key > ? ORDER BY key LIMIT ?",
                (after, limit),
            )
            return [
                Examined(key, CollectionPath(app, service, name), State("", *state), tombstones)
                for key, app, name, *state, tombstones in rows.fetchall()
            ]

        return await self._threads.read(examine)

    async def empty(self, keys: Sequence[int]) -> set[int]:
        """See `Prunable.empty`."""
        return await self._threads.read(lambda cursor: set(self._empty(cursor, keys)))

    async def prune(self, keys: Sequence[int], told: Mapping[CollectionPath, State]) -> None:
        """See `Prunable.prune`."""
        await self._threads.write(lambda cursor: self._prune(cursor, keys, told))

    def _empty(self, cursor: sqlite3.Cursor, keys: Sequence[int]) -> dict[int, int]:
        """Return the versions of those collections that are empty, and have no receipts."""
        rows = cursor.execute(
            f"SELECT key, version FROM {self._heads} AS head "
            f"WHERE key IN {placeholders(1, len(keys))} AND NOT EXISTS "
            f"(SELECT 1 FROM {self._items} WHERE collection = head.key AND data IS NOT NULL) "
            f"AND NOT EXISTS (SELECT 1 FROM {self._receipts} WHERE collection = head.key)",
            keys,
        )
        return dict(rows.fetchall())

    def _prune(
        self, cursor: sqlite3.Cursor, keys: Sequence[int], told: Mapping[CollectionPath, State]
    ) -> None:
        if find_lost(told, self._tables.heads(cursor, list(told))):
            return
        versions = self._empty(cursor, keys)
        for key in versions:
            cursor.execute(f"DELETE FROM {self._items} WHERE collection = ?", (key,))
            cursor.execute(f"DELETE FROM {self._heads} WHERE key = ?", (key,))
        if versions:
            before = int(read_meta(cursor, self._table).get("floor", "0"))
            floor = str(risen(before, list(versions.values())))
            noted = {"floor": floor, "format": str(FORMAT_WITH_FLOOR)}
            write_meta(cursor, self._table, noted)
