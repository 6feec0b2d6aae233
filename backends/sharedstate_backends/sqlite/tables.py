# ruff: noqa: S608 (the table's name was validated; everything else is a parameter)
"""The tables of one service in SQLite: plain functions on a cursor, inside the caller's transaction.

`schema` tells what they hold. Commits of many collections take as many statements as one does: heads are
read, and the rows on which conditions depend; rows are written, then heads. Each step of a statement lets go of
Python's global lock and takes it again, which costs more than the step while the server is busy.
"""

from __future__ import annotations

from itertools import starmap
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from sharedstate_backends.collection_limit import MAX_COLLECTIONS, CollectionLimit
from sharedstate_backends.contract import StorageError
from sharedstate_backends.history.history import (
    STARTS,
    Lost,
    State,
    absent,
    find_lost,
    starts,
    with_writer,
)
from sharedstate_backends.layout import table_names
from sharedstate_backends.plan import MAX_TOMBSTONES, Head, Known, names, plan
from sharedstate_core.storage import CommitResult, Loaded, Row

from .rows import Change, Rows, batches, flat, placeholders
from .schema import read_meta, renew_epoch

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import Cursor, Write

    _Found: TypeAlias = tuple[State, int | None, Head]
    """What is known of a collection before its rows: its state, its key, which is None until somebody writes, and the
    head as far as commits change it."""

_WANTED: Final = 256
"""Pairs looked up by one statement, a power of two: SQLite built with its oldest limits takes 999 parameters."""


class Part(NamedTuple):
    """What one collection's commit asks for, and how it tells that it goes on from what was there (see `history`).

    Attributes:
        before: the head that is remembered; None for nothing.
        writer: the name under which to write.
    """

    collection: CollectionPath
    writes: Sequence[Write]
    before: State | None
    writer: str


class Stored(NamedTuple):
    """What came of one collection's commit.

    Attributes:
        result: the answer.
        state: the head after it.
        is_written: whether that is new.
        lost: set if the collection's history was found lost, or the store's since the start.
    """

    result: CommitResult
    state: State
    is_written: bool
    lost: Lost | None


class Tables:
    """The statements on one service's tables.

    Args:
        table: a valid name.
        max_tombstones: how many are kept in a collection.
        max_collections: how many are kept.
    """

    def __init__(
        self,
        table: str,
        max_tombstones: int = MAX_TOMBSTONES,
        max_collections: int = MAX_COLLECTIONS,
    ) -> None:
        self._limit = CollectionLimit(max_collections)
        self._table = table
        self._items, self._heads, self._meta = (f'"{name}"' for name in table_names(table))
        self._rows = Rows(table, max_tombstones)

    def load(
        self, cursor: sqlite3.Cursor, collection: CollectionPath, since: Cursor | None
    ) -> tuple[Loaded, dict[CollectionPath, State]]:
        """Return what `Backend.load` promises, and the head, and `STARTS`."""
        heads = self._read_heads(cursor, [collection, STARTS])
        (epoch, _, _), key, (version, horizon, _) = heads[collection]
        base = None
        if since and since.epoch == epoch and horizon <= since.version <= version:
            base = since.version
        rows = cursor.execute(
            f"SELECT id, data, created, place, version FROM {self._items} "
            "WHERE collection = ? AND version > ?",
            (key, base or 0),
        )
        loaded = Loaded(epoch, version, horizon, list(starmap(Row, rows)), base)
        return loaded, {path: state for path, (state, _, _) in heads.items()}

    def heads(
        self, cursor: sqlite3.Cursor, collections: Sequence[CollectionPath]
    ) -> dict[CollectionPath, State]:
        """Return the head of each collection, and `STARTS`."""
        heads = self._read_heads(cursor, [*collections, STARTS])
        return {path: state for path, (state, _, _) in heads.items()}

    def verify(
        self, cursor: sqlite3.Cursor, remembered: Mapping[CollectionPath, State]
    ) -> list[Lost]:
        """Return which collections do not go on from what is remembered; if any, draw a new epoch.

        Under the file's write lock, so that nothing changes meanwhile. What is returned has the new epoch in `now`.
        """
        heads = self._read_heads(cursor, list(remembered))
        return self._find_lost(cursor, remembered, heads)

    def believe(
        self, cursor: sqlite3.Cursor, path: CollectionPath, claimed: Cursor
    ) -> State | None:
        """Draw a new epoch if the head is still of the epoch claimed, but lower; return what it was then."""
        state = self._read_heads(cursor, [path])[path][0]
        if state.epoch != claimed.epoch or state.version >= claimed.version:
            return None
        renew_epoch(cursor, self._table)
        return state

    def _find_lost(
        self,
        cursor: sqlite3.Cursor,
        remembered: Mapping[CollectionPath, State],
        heads: dict[CollectionPath, _Found],
    ) -> list[Lost]:
        """Do as `verify`; write the new epoch into these heads, too."""
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

    def collections(self, cursor: sqlite3.Cursor, app: str) -> list[str]:
        """Return the names of the app's collections that hold an item, sorted by code point."""
        rows = cursor.execute(
            f"SELECT name FROM {self._heads} AS head WHERE app = ? AND EXISTS (SELECT 1 FROM {self._items} "
            "WHERE collection = head.key AND data IS NOT NULL) ORDER BY name",
            (app,),
        )
        return [name for (name,) in rows.fetchall()]

    def apps(self, cursor: sqlite3.Cursor) -> list[str]:
        """Return the names of the apps with collections that hold an item, sorted by code point."""
        rows = cursor.execute(
            f"SELECT DISTINCT app FROM {self._heads} AS head WHERE EXISTS (SELECT 1 FROM {self._items} "
            "WHERE collection = head.key AND data IS NOT NULL) ORDER BY app"
        )
        return [app for (app,) in rows.fetchall()]

    def commit(
        self, cursor: sqlite3.Cursor, parts: Sequence[Part], since: State | None = None
    ) -> list[Stored]:
        """Apply the writes that may be applied, to each collection once; return what became of each part.

        Args:
            cursor: within a transaction that holds the write lock.
            parts: what is asked for.
            since: the starts from which the store must go on; None if every collection shows that itself.
        """
        marked = [STARTS] if since else []
        heads = self._read_heads(cursor, [*(part.collection for part in parts), *marked])
        others = {
            part.collection: part.before
            for part in parts
            if part.before is not None and part.before != heads[part.collection][0]
        }
        if since and since != heads[STARTS][0]:
            others[STARTS] = since
        lost = (
            {each.path: each for each in self._find_lost(cursor, others, heads)} if others else {}
        )
        wanted = [(heads[part.collection][1], id) for part in parts for id in names(part.writes)]
        known = self._known(cursor, wanted)
        stored: list[Stored] = []
        changes: list[Change] = []
        for path, writes, _, writer in parts:
            state, key, head = heads[path]
            planned = plan(state.epoch, head, known.get(key, {}), writes)
            if key is None and planned.head != head and not self._may_create(cursor):
                planned = self._limit.refuse(state.epoch, head, writes)
            is_written = planned.head != head
            if is_written:
                version = planned.head.version
                state = State(state.epoch, version, with_writer(state.writers, writer, version))
                key = key or self._new_key(cursor, path)
                changes.append(Change(key, path, planned, state.writers))
            result = CommitResult(state.epoch, planned.outcomes)
            stored.append(Stored(result, state, is_written, lost.get(path, lost.get(STARTS))))
        if changes:
            self._rows.put(cursor, changes)
        return stored

    def _read_heads(
        self, cursor: sqlite3.Cursor, collections: Sequence[CollectionPath]
    ) -> dict[CollectionPath, _Found]:
        heads: dict[tuple[str, str], _Found] = {}
        if STARTS in collections:
            meta = read_meta(cursor, self._table)
            if "epoch" not in meta:
                raise self._without_epoch()
            marks = starts(meta["epoch"], meta.get("starts", ""))
            heads[STARTS.app, STARTS.collection] = (marks, None, Head())
        wanted = [(path.app, path.collection) for path in collections if path != STARTS]
        for batch in batches(wanted, _WANTED):
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

    def _may_create(self, cursor: sqlite3.Cursor) -> bool:
        """Return whether another collection may be created."""
        if self._limit.must_count():
            some = f"SELECT 1 FROM {self._heads} LIMIT ?"
            ((count,),) = cursor.execute(f"SELECT count(*) FROM ({some})", (self._limit.limit,))
            self._limit.counted(count)
        return self._limit.take()

    def _new_key(self, cursor: sqlite3.Cursor, collection: CollectionPath) -> int:
        cursor.execute(
            f"INSERT INTO {self._heads} (app, name, version, horizon, tombstones) "
            "VALUES (?, ?, 0, 0, 0)",
            (collection.app, collection.collection),
        )
        assert cursor.lastrowid  # noqa: S101  (a row was inserted)
        return cursor.lastrowid

    def _known(
        self, cursor: sqlite3.Cursor, wanted: Sequence[tuple[int | None, str]]
    ) -> dict[int | None, dict[str, Known | None]]:
        """Return what the collections of these keys have of these ids."""
        known: dict[int | None, dict[str, Known | None]] = {}
        for key, id in wanted:
            known.setdefault(key, {})[id] = None
        for batch in batches(wanted, _WANTED):
            found = cursor.execute(
                f"WITH wanted (collection, id) AS (VALUES {placeholders(len(batch), 2)}) "
                f"SELECT item.collection, item.id, created, place, version FROM wanted "
                f"CROSS JOIN {self._items} AS item "
                "ON item.collection = wanted.collection AND item.id = wanted.id",
                flat(batch),
            )
            for key, id, *rest in found.fetchall():
                known[key][id] = Known._make(rest)
        return known
