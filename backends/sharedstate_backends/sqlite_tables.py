# ruff: noqa: S608 (the table's name was validated; everything else is a parameter)
"""The tables of one service in SQLite: plain functions on a cursor, inside the caller's transaction.

`sqlite_schema` tells what they hold. A commit reads the rows of the ids it names, then writes those rows and
the collection's head, nothing else: its cost does not depend on the collection's size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sharedstate_core.storage import (
    CommitResult,
    Committed,
    Cursor,
    Loaded,
    Outcome,
    Rejected,
    Row,
    condition_holds,
)

from .changes import Changes, Place
from .sqlite_schema import table_names

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import Write

MAX_TOMBSTONES: Final = 10_000
"""Tombstones kept in a collection: they cost about 100 bytes each and let a client resume that was away for
fewer removals; a tenth more may be there before the oldest are pruned, so that pruning is rare."""

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
        self._slack = max_tombstones // 10

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
        head = self._head(cursor, collection)
        version, horizon = head.version, head.horizon
        changes = Changes(self._rows(cursor, head.key, writes), head.tombstones)
        outcomes: list[Outcome] = []
        for update, condition in writes:
            if condition is not None and not condition_holds(
                condition,
                epoch=head.epoch,
                version=version,
                horizon=horizon,
                versions=changes.versions(condition.ids or ()),
            ):
                message = "the collection has changed in the meantime"
                outcomes.append(Rejected("conflict", message, version))
                continue
            if not update.is_noop:
                version += 1
                changes.apply(update, version)
                if update.reset:
                    horizon = version
            outcomes.append(Committed(version))
        if version != head.version:
            if head.key is None:
                head = self._new_head(cursor, collection, head)
            self._put(cursor, head.key, changes)
            self._put_head(
                cursor, _Head(head.epoch, head.key, version, horizon, changes.tombstones)
            )
        return CommitResult(head.epoch, outcomes)

    def _head(self, cursor: sqlite3.Cursor, collection: CollectionPath) -> _Head:
        (row,) = cursor.execute(
            "SELECT value, key, coalesce(version, 0), coalesce(horizon, 0), "
            f"coalesce(tombstones, 0) FROM {self._meta} AS meta "
            f"LEFT JOIN {self._heads} AS head ON head.app = ? AND head.name = ? "
            "WHERE meta.name = 'epoch'",
            (collection.app, collection.collection),
        ).fetchall()
        return _Head._make(row)

    def _new_head(self, cursor: sqlite3.Cursor, collection: CollectionPath, head: _Head) -> _Head:
        cursor.execute(
            f"INSERT INTO {self._heads} (app, name, version, horizon, tombstones) "
            "VALUES (?, ?, 0, 0, 0)",
            (collection.app, collection.collection),
        )
        return head._replace(key=cursor.lastrowid)

    def _rows(
        self, cursor: sqlite3.Cursor, key: int | None, writes: Sequence[Write]
    ) -> dict[str, Place]:
        """Return what the collection has of the ids that the writes name."""
        if key is None:
            return {}
        named: set[str] = set()
        for update, condition in writes:
            named.update(update.insert)
            named.update(update.remove)
            if condition is not None and condition.ids:
                named.update(condition.ids)
        ids = list(named)
        rows: dict[str, Place] = {}
        for start in range(0, len(ids), _BATCH):
            batch = ids[start : start + _BATCH]
            size = 1 << (len(batch) - 1).bit_length()  # few lengths, so that statements are reused
            found = cursor.execute(
                f"SELECT id, created, place, version, data IS NOT NULL FROM {self._items} "
                f"WHERE collection = ? AND id IN ({','.join('?' * size)})",
                (key, *batch, *batch[:1] * (size - len(batch))),
            )
            rows.update((id, Place._make(rest)) for id, *rest in found.fetchall())
        return rows

    def _put(self, cursor: sqlite3.Cursor, key: int | None, changes: Changes) -> None:
        """Write the rows that changed."""
        if changes.emptied:
            cursor.execute(f"DELETE FROM {self._items} WHERE collection = ?", (key,))
        rows = changes.rows
        cursor.executemany(
            f"INSERT INTO {self._items} (collection, id, created, place, version, data) "
            "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (collection, id) DO UPDATE SET "
            "created = excluded.created, place = excluded.place, "
            "version = excluded.version, data = excluded.data",
            [(key, id, *rows[id][:3], text) for id, text in changes.texts.items()],
        )

    def _put_head(self, cursor: sqlite3.Cursor, head: _Head) -> None:
        """Write the collection's head, after its rows; forget the oldest tombstones if there are too many."""
        head = self._prune(cursor, head)
        cursor.execute(
            f"UPDATE {self._heads} SET version = ?, horizon = ?, tombstones = ? WHERE key = ?",
            (head.version, head.horizon, head.tombstones, head.key),
        )

    def _prune(self, cursor: sqlite3.Cursor, head: _Head) -> _Head:
        """Delete the oldest tombstones, whole versions at a time, if there are too many."""
        if head.tombstones <= self._max_tombstones + self._slack:
            return head
        ((horizon,),) = cursor.execute(
            f"SELECT version FROM {self._items} WHERE collection = ? AND data IS NULL "
            "ORDER BY version LIMIT 1 OFFSET ?",
            (head.key, head.tombstones - self._max_tombstones - 1),
        ).fetchall()
        cursor.execute(
            f"DELETE FROM {self._items} WHERE collection = ? AND data IS NULL AND version <= ?",
            (head.key, horizon),
        )
        return head._replace(horizon=horizon, tombstones=head.tombstones - cursor.rowcount)
