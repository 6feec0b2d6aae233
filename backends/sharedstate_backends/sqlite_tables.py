# ruff: noqa: S608 (the table's name was validated; everything else is a parameter)
"""The tables of one service in SQLite: plain functions on a cursor, inside the caller's transaction.

`sqlite_schema` tells what they hold. A commit reads the rows of the ids it names, then writes those rows and
the collection's head, nothing else: its cost does not depend on the collection's size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sharedstate_core.storage import CommitResult, Cursor, Loaded, Row

from .plan import MAX_TOMBSTONES, Head, Known, Plan, must_prune, names, plan
from .sqlite_schema import table_names

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import Write

_BATCH: Final = 512
"""Ids asked for in one statement, a power of two: SQLite built with its oldest limits takes 999 parameters."""


class _Head(NamedTuple):
    """What is known of a collection before its rows; the key is None until somebody writes."""

    epoch: str
    key: int | None
    version: int
    horizon: int
    tombstones: int


class Tables:
    """The statements on one service's tables.

    Args:
        table: a valid name.
        max_tombstones: how many are kept in a collection.
    """

    def __init__(self, table: str, max_tombstones: int = MAX_TOMBSTONES) -> None:
        self._items, self._heads, self._meta = (f'"{name}"' for name in table_names(table))
        self._max_tombstones = max_tombstones

    def load(
        self, cursor: sqlite3.Cursor, collection: CollectionPath, since: Cursor | None
    ) -> Loaded:
        """Return what `Backend.load` promises."""
        epoch, key, version, horizon, _ = self._head(cursor, collection)
        base = None
        if since and since.epoch == epoch and horizon <= since.version <= version:
            base = since.version
        rows = cursor.execute(
            f"SELECT id, data, created, place, version FROM {self._items} "
            "WHERE collection = ? AND version > ?",
            (key, base or 0),
        )
        return Loaded(epoch, version, horizon, list(map(Row._make, rows)), base)

    def heads(
        self, cursor: sqlite3.Cursor, collections: Sequence[CollectionPath]
    ) -> Mapping[CollectionPath, Cursor]:
        """Return the cursor of each collection."""
        heads = ((path, self._head(cursor, path)) for path in collections)
        return {path: Cursor(head.epoch, head.version) for path, head in heads}

    def collections(self, cursor: sqlite3.Cursor, app: str) -> list[str]:
        """Return the names of the app's collections, sorted by code point."""
        rows = cursor.execute(f"SELECT name FROM {self._heads} WHERE app = ? ORDER BY name", (app,))
        return [name for (name,) in rows.fetchall()]

    def commit(
        self, cursor: sqlite3.Cursor, collection: CollectionPath, writes: Sequence[Write]
    ) -> CommitResult:
        """Apply the writes that may be applied; return one outcome each, in order.

        All rows that they name are read at once, and all that changed is written at once: most of what a
        statement costs is starting it.
        """
        epoch, key, *rest = self._head(cursor, collection)
        head = Head(*rest)
        planned = plan(epoch, head, self._known(cursor, key, names(writes)), writes)
        if planned.head != head:
            if key is None:
                key = self._new_key(cursor, collection)
            self._put(cursor, key, planned)
        return CommitResult(epoch, planned.outcomes)

    def _head(self, cursor: sqlite3.Cursor, collection: CollectionPath) -> _Head:
        (row,) = cursor.execute(
            "SELECT value, key, coalesce(version, 0), coalesce(horizon, 0), "
            f"coalesce(tombstones, 0) FROM {self._meta} AS meta "
            f"LEFT JOIN {self._heads} AS head ON head.app = ? AND head.name = ? "
            "WHERE meta.name = 'epoch'",
            (collection.app, collection.collection),
        ).fetchall()
        return _Head._make(row)

    def _new_key(self, cursor: sqlite3.Cursor, collection: CollectionPath) -> int | None:
        cursor.execute(
            f"INSERT INTO {self._heads} (app, name, version, horizon, tombstones) "
            "VALUES (?, ?, 0, 0, 0)",
            (collection.app, collection.collection),
        )
        return cursor.lastrowid

    def _known(self, cursor: sqlite3.Cursor, key: int | None, ids: list[str]) -> dict[str, Known]:
        """Return what the collection has of these ids."""
        known: dict[str, Known] = {}
        if key is None:
            return known
        for start in range(0, len(ids), _BATCH):
            batch = ids[start : start + _BATCH]
            size = 1 << (len(batch) - 1).bit_length()  # few lengths, so that statements are reused
            found = cursor.execute(
                f"SELECT id, created, place, version FROM {self._items} "
                f"WHERE collection = ? AND id IN ({','.join('?' * size)})",
                (key, *batch, *batch[:1] * (size - len(batch))),
            )
            known.update((id, Known._make(rest)) for id, *rest in found.fetchall())
        return known

    def _put(self, cursor: sqlite3.Cursor, key: int | None, planned: Plan) -> None:
        """Write the rows that change, then the head; forget the oldest tombstones if there are too many."""
        if planned.reset:
            cursor.execute(f"DELETE FROM {self._items} WHERE collection = ?", (key,))
        cursor.executemany(
            f"INSERT INTO {self._items} (id, data, created, place, version, collection) "
            "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (collection, id) DO UPDATE SET "
            "created = excluded.created, place = excluded.place, "
            "version = excluded.version, data = excluded.data",
            [(*row, key) for row in planned.rows.values()],
        )
        version, horizon, tombstones = self._prune(cursor, key, planned.head)
        cursor.execute(
            f"UPDATE {self._heads} SET version = ?, horizon = ?, tombstones = ? WHERE key = ?",
            (version, horizon, tombstones, key),
        )

    def _prune(self, cursor: sqlite3.Cursor, key: int | None, head: Head) -> Head:
        """Delete the oldest tombstones, whole versions at a time, if there are too many."""
        if not must_prune(head, self._max_tombstones):
            return head
        ((horizon,),) = cursor.execute(
            f"SELECT version FROM {self._items} WHERE collection = ? AND data IS NULL "
            "ORDER BY version LIMIT 1 OFFSET ?",
            (key, head.tombstones - self._max_tombstones - 1),
        ).fetchall()
        cursor.execute(
            f"DELETE FROM {self._items} WHERE collection = ? AND data IS NULL AND version <= ?",
            (key, horizon),
        )
        return head._replace(horizon=horizon, tombstones=head.tombstones - cursor.rowcount)
