# ruff: noqa: S608 (the table's name was validated; everything else is a parameter)
"""What planned commits write to the tables of one service in SQLite, whatever their collections."""

from __future__ import annotations

from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from sharedstate_backends.layout import table_names
from sharedstate_backends.plan import must_prune

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from sharedstate_backends.plan import Head, Plan
    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import Row

_WRITTEN: Final = 128
"""Maximum number of rows written by one statement, a power of two: SQLite may be limited to 999 parameters."""

_WRITTEN_BYTES: Final = 1024 * 1024
"""Maximum size of texts written by one statement: SQLite copies them, and keeps the copies until the statement is used
again."""


class Change(NamedTuple):
    """What is written to one collection, and its version vector afterwards."""

    key: int
    path: CollectionPath
    plan: Plan
    writers: str


def row_values(row: Row, key: int) -> tuple[str, bytes | None, int, int, int, int]:
    """Return a row's columns in the order of the statements: id, data, created, place, version, collection."""
    return (row.id, row.text, row.created, row.place, row.version, key)


class Rows:
    """Writes to one service's tables.

    Args:
        table: a valid name.
        max_tombstones: maximum number kept in a collection.
    """

    def __init__(self, table: str, max_tombstones: int) -> None:
        self._items, self._heads, _ = (f'"{name}"' for name in table_names(table))
        self._max_tombstones = max_tombstones

    def put(self, cursor: sqlite3.Cursor, changes: Sequence[Change]) -> None:
        """Write the changed rows, then the heads; delete the oldest tombstones where there are too many."""
        for key, _, planned, _ in changes:
            if planned.reset:
                cursor.execute(f"DELETE FROM {self._items} WHERE collection = ?", (key,))
        self._put_items(cursor, changes)
        self._put_heads(cursor, changes)

    def _put_items(self, cursor: sqlite3.Cursor, changes: Sequence[Change]) -> None:
        insert = f"INSERT INTO {self._items} (id, data, created, place, version, collection) "
        self._write(
            cursor,
            insert + "VALUES ",
            " ON CONFLICT (collection, id) DO UPDATE SET created = excluded.created, "
            "place = excluded.place, version = excluded.version, data = excluded.data",
            [
                row_values(row, key)
                for key, _, planned, _ in changes
                for row in planned.rows.values()
            ],
        )
        self._write(
            cursor,
            insert + "VALUES ",
            " ON CONFLICT (collection, id) DO UPDATE SET "
            "created = CASE created WHEN 0 THEN excluded.created ELSE created END, "
            "place = CASE created WHEN 0 THEN excluded.place ELSE place END, "
            "version = excluded.version, data = excluded.data",
            [
                row_values(row, key)
                for key, _, planned, _ in changes
                for row in planned.upserts.values()
            ],
        )
        self._write(
            cursor,
            "WITH removed (collection, id, version) AS (VALUES ",
            f") {insert} SELECT item.id, NULL, 0, 0, removed.version, item.collection "
            f"FROM removed CROSS JOIN {self._items} AS item "
            "ON item.collection = removed.collection AND item.id = removed.id "
            "WHERE item.data IS NOT NULL ON CONFLICT (collection, id) DO UPDATE SET "
            "created = 0, place = 0, version = excluded.version, data = NULL",
            [(key, *each) for key, _, planned, _ in changes for each in planned.removals.items()],
        )

    def _put_heads(self, cursor: sqlite3.Cursor, changes: Sequence[Change]) -> None:
        self._write(
            cursor,
            f"INSERT INTO {self._heads} (key, app, name, version, horizon, tombstones, writers) "
            "VALUES ",
            " ON CONFLICT (key) DO UPDATE SET version = excluded.version, horizon = excluded.horizon, "
            "tombstones = excluded.tombstones, writers = excluded.writers",
            [
                (key, path.app, path.collection, *self._prune(cursor, key, planned.head), writers)
                for key, path, planned, writers in changes
            ],
        )

    def _write(
        self, cursor: sqlite3.Cursor, before: str, after: str, rows: Sequence[tuple[object, ...]]
    ) -> None:
        """Execute a statement with these rows in it, some perhaps twice."""
        size = sum(len(value) for row in rows for value in row if isinstance(value, bytes))
        for batch in batches(rows, _WRITTEN if size <= _WRITTEN_BYTES else 1):
            cursor.execute(before + placeholders(len(batch), len(batch[0])) + after, flat(batch))

    def _prune(self, cursor: sqlite3.Cursor, key: int, head: Head) -> Head:
        """Count the tombstones, and delete the oldest, whole versions at a time, if there are too many."""
        if not must_prune(head, self._max_tombstones):
            return head
        tombstones = f"FROM {self._items} WHERE collection = ? AND data IS NULL"
        ((count,),) = cursor.execute(f"SELECT count(*) {tombstones}", (key,)).fetchall()
        if count <= self._max_tombstones:
            return head._replace(tombstones=count)
        ((horizon,),) = cursor.execute(
            f"SELECT version {tombstones} ORDER BY version LIMIT 1 OFFSET ?",
            (key, count - self._max_tombstones - 1),
        ).fetchall()
        cursor.execute(f"DELETE {tombstones} AND version <= ?", (key, horizon))
        return head._replace(horizon=horizon, tombstones=count - cursor.rowcount)


@cache
def placeholders(count: int, width: int) -> str:
    """Return placeholders for `count` rows, to follow VALUES."""
    return ", ".join([f"({', '.join('?' * width)})"] * count)


def flat(rows: Sequence[tuple[object, ...]]) -> list[object]:
    """Return the values of all rows in one list."""
    return list(chain.from_iterable(rows))


def batches(
    rows: Sequence[tuple[object, ...]], limit: int
) -> Iterator[Sequence[tuple[object, ...]]]:
    """Yield batches of at most `limit` rows, padded by repeating the last row.

    So there are few distinct statements, which SQLite caches: four lengths from each power of two to the next.
    """
    for start in range(0, len(rows), limit):
        batch = rows[start : start + limit]
        step = 1 << max(0, len(batch).bit_length() - 3)
        yield [*batch, *[batch[-1]] * (-len(batch) % step)]
