# ruff: noqa: S608 (the table's name was validated; everything else is a parameter)
"""How collections of one service in SQLite are pruned (see `pruning`): inside the caller's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sharedstate_core.paths import CollectionPath

from .history import State
from .pruning import Examined, choose
from .sqlite_rows import placeholders
from .sqlite_schema import FORMAT_WITH_FLOOR, read_meta, table_names, write_meta

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from .sqlite_threads import Threads


class SqlitePruning:
    """A `Prunable`.

    Args:
        table: a valid name.
        threads: the database's connections.
    """

    def __init__(self, table: str, threads: Threads) -> None:
        self._table = table
        self._items, self._heads, _ = (f'"{name}"' for name in table_names(table))
        self._threads = threads

    async def examine(self, service: str, after: int, most: int) -> list[Examined]:
        """Do as `Prunable.examine`."""
        where = "WHERE key > ? ORDER BY key LIMIT ?"
        return await self._threads.read(
            lambda cursor: self._read(cursor, service, where, (after, most))
        )

    async def prune(
        self, service: str, keys: Sequence[int], remembered: Mapping[CollectionPath, State]
    ) -> None:
        """Do as `Prunable.prune`."""
        await self._threads.write_alone(
            lambda cursor: self._prune(cursor, service, keys, remembered)
        )

    def _read(
        self, cursor: sqlite3.Cursor, service: str, where: str, values: Sequence[int]
    ) -> list[Examined]:
        epoch = read_meta(cursor, self._table).get("epoch", "")
        rows = cursor.execute(
            "SELECT key, app, name, version, writers, tombstones, NOT EXISTS "
            f"(SELECT 1 FROM {self._items} WHERE collection = head.key AND data IS NOT NULL) "
            f"FROM {self._heads} AS head {where}",
            values,
        )
        return [
            Examined(
                key,
                CollectionPath(app, service, name),
                State(epoch, version, writers),
                tombstones,
                bool(is_empty),
            )
            for key, app, name, version, writers, tombstones, is_empty in rows.fetchall()
        ]

    def _prune(
        self,
        cursor: sqlite3.Cursor,
        service: str,
        keys: Sequence[int],
        remembered: Mapping[CollectionPath, State],
    ) -> None:
        wanted = f"IN {placeholders(1, len(keys))}"
        examined = self._read(cursor, service, f"WHERE key {wanted}", keys)
        chosen = choose(examined, remembered)
        for key, *_ in chosen:
            cursor.execute(f"DELETE FROM {self._items} WHERE collection = ?", (key,))
            cursor.execute(f"DELETE FROM {self._heads} WHERE key = ?", (key,))
        floor = max((each.state.version for each in chosen), default=0)
        if floor > int(read_meta(cursor, self._table).get("floor", "0")):
            noted = {"floor": str(floor), "format": str(FORMAT_WITH_FLOOR)}
            write_meta(cursor, self._table, noted)
