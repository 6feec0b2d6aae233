# ruff: noqa: S608 (the table's name was validated; everything else is a parameter)
"""The tables of one service in SQLite: plain functions on a cursor, inside the caller's transaction.

`sqlite_schema` tells what they hold. An update reads the rows of the ids it names, then writes those rows and
the collection's head, nothing else: its cost does not depend on the collection's size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

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

from .sqlite_schema import table_names

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping, Sequence

    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import Write
    from sharedstate_core.updates import Update

MAX_TOMBSTONES: Final = 10_000
"""Tombstones kept in a collection: they cost about 100 bytes each and let a client resume that was away for
fewer removals; a tenth more may be there before the oldest are pruned, so that pruning is rare."""

_BATCH: Final = 500
"""Ids asked for in one statement: SQLite built with its oldest limits takes 999 parameters."""


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
        """Apply the writes that may be applied; return one outcome each, in order."""
        before = head = self._head(cursor, collection)
        outcomes: list[Outcome] = []
        for write in writes:
            if not self._may_apply(cursor, head, write):
                message = "the collection has changed in the meantime"
                outcomes.append(Rejected("conflict", message, head.version))
                continue
            if not write.update.is_noop:
                if head.key is None:
                    head = self._new_head(cursor, collection, head)
                head = self._apply(cursor, head, write.update)
            outcomes.append(Committed(head.version))
        if head != before:
            head = self._prune(cursor, head)
            cursor.execute(
                f"UPDATE {self._heads} SET version = ?, horizon = ?, tombstones = ? WHERE key = ?",
                (head.version, head.horizon, head.tombstones, head.key),
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

    def _may_apply(self, cursor: sqlite3.Cursor, head: _Head, write: Write) -> bool:
        condition = write.condition
        if condition is None:
            return True
        versions: list[int] = []
        if condition.ids and head.key is not None:
            rows = self._select(cursor, "version", head.key, condition.ids)
            versions = [version for (version,) in rows]
        return condition_holds(
            condition,
            epoch=head.epoch,
            version=head.version,
            horizon=head.horizon,
            versions=versions,
        )

    def _select(
        self, cursor: sqlite3.Cursor, columns: str, key: int | None, ids: Sequence[str]
    ) -> Iterator[tuple[Any, ...]]:
        for start in range(0, len(ids), _BATCH):
            batch = ids[start : start + _BATCH]
            yield from cursor.execute(
                f"SELECT {columns} FROM {self._items} "
                f"WHERE collection = ? AND id IN ({','.join('?' * len(batch))})",
                (key, *batch),
            ).fetchall()

    def _apply(self, cursor: sqlite3.Cursor, head: _Head, update: Update) -> _Head:
        """Apply one update that is no no-op; return the head after it."""
        key, version = head.key, head.version + 1
        if update.reset:
            cursor.execute(f"DELETE FROM {self._items} WHERE collection = ?", (key,))
            self._put(cursor, key, version, update, {})
            return head._replace(version=version, horizon=version, tombstones=0)
        ids = list(dict.fromkeys((*update.remove, *update.insert)))
        alive: dict[str, tuple[int, int]] = {}
        dead = 0
        columns = "id, created, place, data IS NULL"
        for id, created, place, removed in self._select(cursor, columns, key, ids):
            if removed:
                dead += id in update.insert
            else:
                alive[id] = created, place
        gone = [id for id in update.remove if alive.pop(id, None) and id not in update.insert]
        if gone:
            cursor.executemany(
                f"UPDATE {self._items} SET data = NULL, created = 0, place = 0, version = ? "
                "WHERE collection = ? AND id = ?",
                [(version, key, id) for id in gone],
            )
        self._put(cursor, key, version, update, alive)
        return head._replace(version=version, tombstones=head.tombstones + len(gone) - dead)

    def _put(
        self,
        cursor: sqlite3.Cursor,
        key: int | None,
        version: int,
        update: Update,
        kept: Mapping[str, tuple[int, int]],
    ) -> None:
        """Write the update's items; those in `kept` keep this (created, place)."""
        cursor.executemany(
            f"INSERT INTO {self._items} (collection, id, created, place, version, data) "
            "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (collection, id) DO UPDATE SET "
            "created = excluded.created, place = excluded.place, "
            "version = excluded.version, data = excluded.data",
            [
                (key, id, *kept.get(id, (version, place)), version, text)
                for place, (id, text) in enumerate(update.insert.items())
            ],
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
