# ruff: noqa: S608 (the table's name was validated; everything else is a parameter)
"""Reads the tables of one service in SQLite, inside the caller's transaction.

`schema` describes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sharedstate_backends.contract import StorageError
from sharedstate_backends.history.vectors import (
    STARTS,
    Lost,
    State,
    absent,
    find_lost,
    starts,
)
from sharedstate_backends.layout import table_names
from sharedstate_backends.paging import Begun
from sharedstate_backends.plan import Head
from sharedstate_core.storage import Loaded, Row

from .rows import batches, flat, placeholders
from .schema import read_meta, renew_epoch

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import Cursor

    Place: TypeAlias = tuple[int | None, int, int | None]
    """A collection's key, a version, and the last row of it that was read; None for all of them."""

    Found: TypeAlias = tuple[State, int | None, Head]
    """What is known of a collection besides its rows: its state, its key (None before the first write), and the part of
    the head that commits change."""

PAIRS: Final = 256
"""Maximum number of pairs looked up by one statement, a power of two: SQLite may be limited to 999 parameters."""


class Tables:
    """Reads one service's tables.

    Args:
        table: a valid name.
    """

    def __init__(self, table: str) -> None:
        self._table = table
        self._items, self._heads, self._meta = (f'"{name}"' for name in table_names(table))
        items = f"SELECT 1 FROM {self._items} WHERE collection = head.key AND data IS NOT NULL"
        self._holds_items = f"EXISTS ({items})"

    def load(
        self,
        cursor: sqlite3.Cursor,
        collection: CollectionPath,
        since: Cursor | None,
        limit: int | None,
    ) -> Begun[Mapping[CollectionPath, State]]:
        """See `Paged.begin`."""
        heads = self.read_heads(cursor, [collection, STARTS])
        (epoch, _, _), key, (version, horizon, _) = heads[collection]
        base = None
        if since and since.epoch == epoch and horizon <= since.version <= version:
            base = since.version
        rows, place = self.page(cursor, (key, base or 0, None), version, limit)
        loaded = Loaded(epoch, version, horizon, rows, base)
        return Begun(loaded, {path: state for path, (state, _, _) in heads.items()}, place)

    def page(
        self, cursor: sqlite3.Cursor, place: Place, upto: int, limit: int | None
    ) -> tuple[list[Row], Place | None]:
        """See `Paged.page`; without a limit, return all the rest."""
        key, version, last = place
        found: list[tuple[Any, ...]] = []
        conditions = [("version = ? AND rowid > ?", (version, last))] if last is not None else []
        conditions.append(("version > ? AND version <= ?", (version, upto)))
        for condition, values in conditions:
            found += cursor.execute(
                f"SELECT id, data, created, place, version, rowid FROM {self._items} "
                f"WHERE collection = ? AND {condition} ORDER BY version, rowid LIMIT ?",
                (key, *values, -1 if limit is None else limit - len(found)),
            )
        rows = [Row(*row[:5]) for row in found]
        if limit is None or len(rows) < limit:
            return rows, None
        return rows, (key, found[-1][4], found[-1][5])

    def heads(
        self, cursor: sqlite3.Cursor, collections: Sequence[CollectionPath]
    ) -> dict[CollectionPath, State]:
        """Return the head of each collection, and `STARTS`."""
        heads = self.read_heads(cursor, [*collections, STARTS])
        return {path: state for path, (state, _, _) in heads.items()}

    def verify(
        self, cursor: sqlite3.Cursor, remembered: Mapping[CollectionPath, State]
    ) -> list[Lost]:
        """Return which collections do not go on from what is remembered; if any, draw a new epoch.

        Call it under the file's write lock, so that nothing changes meanwhile. The result has the new epoch in `now`.
        """
        heads = self.read_heads(cursor, list(remembered))
        return self.verify_heads(cursor, remembered, heads)

    def believe(
        self, cursor: sqlite3.Cursor, path: CollectionPath, claimed: Cursor
    ) -> State | None:
        """Draw a new epoch, and return the old head, if the head is still of the claimed epoch but lower."""
        state = self.read_heads(cursor, [path])[path][0]
        if state.epoch != claimed.epoch or state.version >= claimed.version:
            return None
        renew_epoch(cursor, self._table)
        return state

    def verify_heads(
        self,
        cursor: sqlite3.Cursor,
        remembered: Mapping[CollectionPath, State],
        heads: dict[CollectionPath, Found],
    ) -> list[Lost]:
        """See `verify`; write the new epoch into these heads too."""
        states = {path: heads[path][0] for path in remembered}
        lost = find_lost(remembered, states)
        if lost and any(before.epoch != now.epoch for _, before, now in lost):
            former = read_meta(cursor, self._table).get("former_epochs", "")
            lost = find_lost(remembered, states, former)
        if not lost:
            return []
        epoch = renew_epoch(cursor, self._table, {before.epoch for _, before, _ in lost})
        for path, (state, key, head) in heads.items():
            heads[path] = (state._replace(epoch=epoch), key, head)
        return [each._replace(now=each.now._replace(epoch=epoch)) for each in lost]

    def collections(self, cursor: sqlite3.Cursor, app: str, after: str, limit: int) -> list[str]:
        """Return the first names of the app's collections that hold an item, sorted by code point."""
        rows = cursor.execute(
            f"SELECT name FROM {self._heads} AS head WHERE app = ? AND name > ? AND {self._holds_items} "
            "ORDER BY name LIMIT ?",
            (app, after, limit),
        )
        return [name for (name,) in rows.fetchall()]

    def apps(self, cursor: sqlite3.Cursor, after: str, limit: int) -> list[str]:
        """Return the first names of the apps with collections that hold an item, sorted by code point.

        The index is entered once for each app; the collections of an app are passed over.
        """
        rows = cursor.execute(
            f"WITH RECURSIVE each (app) AS (SELECT min(app) FROM {self._heads} WHERE app > ? UNION ALL "
            f"SELECT (SELECT min(app) FROM {self._heads} WHERE app > each.app) FROM each "
            "WHERE each.app IS NOT NULL ORDER BY 1) "
            f"SELECT app FROM each WHERE EXISTS (SELECT 1 FROM {self._heads} AS head "
            f"WHERE head.app = each.app AND {self._holds_items}) LIMIT ?",
            (after, limit),
        )
        return [app for (app,) in rows.fetchall()]

    def read_heads(
        self, cursor: sqlite3.Cursor, collections: Sequence[CollectionPath]
    ) -> dict[CollectionPath, Found]:
        """Return what is known of each collection; `STARTS` may be among them."""
        heads: dict[tuple[str, str], Found] = {}
        if STARTS in collections:
            meta = read_meta(cursor, self._table)
            if "epoch" not in meta:
                raise self._without_epoch()
            marks = starts(meta["epoch"], meta.get("starts", ""))
            heads[STARTS.app, STARTS.collection] = (marks, None, Head())
        wanted = [(path.app, path.collection) for path in collections if path != STARTS]
        for batch in batches(wanted, PAIRS):
            rows = cursor.execute(
                f"WITH wanted (app, name) AS (VALUES {placeholders(len(batch), 2)}) "
                f"SELECT wanted.app, wanted.name, (SELECT value FROM {self._meta} WHERE name = 'epoch'), key, "
                "version, horizon, tombstones, writers, CASE WHEN key IS NULL THEN "
                f"(SELECT CAST(value AS INTEGER) FROM {self._meta} WHERE name = 'floor') END "
                f"FROM wanted LEFT JOIN {self._heads} AS head "
                "ON head.app = wanted.app AND head.name = wanted.name",
                flat(batch),
            )
            for (
                app,
                name,
                epoch,
                key,
                version,
                horizon,
                tombstones,
                writers,
                floor,
            ) in rows.fetchall():
                if epoch is None:
                    raise self._without_epoch()
                if key is None:
                    heads[app, name] = (absent(epoch, floor or 0), None, Head.absent(floor or 0))
                else:
                    state = State(epoch, version, writers)
                    heads[app, name] = (state, key, Head(version, horizon, tombstones))
        return {path: heads[path.app, path.collection] for path in collections}

    def _without_epoch(self) -> StorageError:
        return StorageError(f"table {self._meta} has no epoch; restore a backup")
