# ruff: noqa: S608 (the table's name was validated; everything else is a parameter)
"""Commits to the tables of one service in SQLite: reads, decisions and writes inside the caller's transaction.

Commits to many collections take as many statements as one does: heads are read, and the rows on which conditions
depend, or that are patched, and the receipts of the sessions that number their updates; then rows are written,
heads and receipts. Each step of a statement releases and reacquires Python's
global lock, which costs more than the step itself while the server is busy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sharedstate_backends.collection_limit import MAX_COLLECTIONS, CollectionLimit
from sharedstate_backends.history.vectors import STARTS, Lost, State, with_writer
from sharedstate_backends.layout import table_names
from sharedstate_backends.plan import MAX_TOMBSTONES, Known, names, patched_ids, plan
from sharedstate_core.receipts import Receipt, sessions
from sharedstate_core.storage import CommitResult

from .receipts import ReceiptTable
from .rows import Change, Rows, batches, flat, placeholders
from .tables import PAIRS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import Write

    from .tables import Found, Tables


class Part(NamedTuple):
    """The commit to one collection, and the history from which it must go on (see `history`).

    Attributes:
        before: the remembered head; None if there is none.
        writer: the name under which to write.
    """

    collection: CollectionPath
    writes: Sequence[Write]
    before: State | None
    writer: str


class Stored(NamedTuple):
    """The outcome of the commit to one collection.

    Attributes:
        result: the result for the caller.
        state: the head after it.
        is_written: whether that head is new.
        lost: set if the history of the collection, or of the store since the start, turned out to be lost.
    """

    result: CommitResult
    state: State
    is_written: bool
    lost: Lost | None


class Commits:
    """The commits to one service's tables.

    Args:
        table: a valid name.
        tables: reads the tables.
        max_tombstones: maximum number kept in a collection.
        max_collections: maximum number kept.
    """

    def __init__(
        self,
        table: str,
        tables: Tables,
        max_tombstones: int = MAX_TOMBSTONES,
        max_collections: int = MAX_COLLECTIONS,
    ) -> None:
        self._items, self._heads, _ = (f'"{name}"' for name in table_names(table))
        self._tables = tables
        self._limit = CollectionLimit(max_collections)
        self._rows = Rows(table, max_tombstones)
        self._receipts = ReceiptTable(table)

    def commit(
        self, cursor: sqlite3.Cursor, parts: Sequence[Part], since: State | None = None
    ) -> list[Stored]:
        """Apply the writes whose conditions hold, each collection at once; return the outcome of each part.

        Args:
            cursor: within a transaction that holds the write lock.
            parts: the commits, one per collection.
            since: the starts from which the store must go on; None if every collection shows that by itself.
        """
        marked = [STARTS] if since else []
        heads = self._tables.read_heads(cursor, [*(part.collection for part in parts), *marked])
        others = {
            part.collection: part.before
            for part in parts
            if part.before is not None and part.before != heads[part.collection][0]
        }
        if since and since != heads[STARTS][0]:
            others[STARTS] = since
        lost = (
            {each.path: each for each in self._tables.verify_heads(cursor, others, heads)}
            if others
            else {}
        )
        wanted = [(heads[part.collection][1], id) for part in parts for id in names(part.writes)]
        patched = [
            (heads[part.collection][1], id) for part in parts for id in patched_ids(part.writes)
        ]
        known = self._known(cursor, wanted)
        if patched:
            self._read_texts(cursor, patched, known)
        receipts = self._read_receipts(cursor, parts, heads)
        stored: list[Stored] = []
        changes: list[Change] = []
        for path, writes, _, writer in parts:
            state, key, head = heads[path]
            planned = plan(
                state.epoch, head, known.get(key, {}), writes, receipts=receipts.get(key)
            )
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
            if written := [
                (change.key, *each) for change in changes for each in change.plan.receipts.items()
            ]:
                self._receipts.put(cursor, written)
        return stored

    def _read_receipts(
        self, cursor: sqlite3.Cursor, parts: Sequence[Part], heads: Mapping[CollectionPath, Found]
    ) -> dict[int | None, dict[str, Receipt]]:
        """Return the receipts of the sessions that number their updates, by the key of the collection."""
        wanted: list[tuple[int | None, str]] = [
            (key, session)
            for part in parts
            if (key := heads[part.collection][1]) is not None
            for session in sessions(part.writes)
        ]
        return self._receipts.read(cursor, wanted) if wanted else {}

    def _may_create(self, cursor: sqlite3.Cursor) -> bool:
        """Return whether another collection can be created."""
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
        """Return the rows of these ids in the collections with these keys."""
        known: dict[int | None, dict[str, Known | None]] = {}
        for key, id in wanted:
            known.setdefault(key, {})[id] = None
        for batch in batches(wanted, PAIRS):
            found = cursor.execute(
                f"WITH wanted (collection, id) AS (VALUES {placeholders(len(batch), 2)}) "
                f"SELECT item.collection, item.id, created, place, version FROM wanted "
                f"CROSS JOIN {self._items} AS item "
                "ON item.collection = wanted.collection AND item.id = wanted.id",
                flat(batch),
            )
            for key, id, *rest in found.fetchall():
                known[key][id] = Known(*rest)
        return known

    def _read_texts(
        self,
        cursor: sqlite3.Cursor,
        wanted: Sequence[tuple[int | None, str]],
        known: dict[int | None, dict[str, Known | None]],
    ) -> None:
        """Add their texts to what is known of these ids."""
        for batch in batches(wanted, PAIRS):
            found = cursor.execute(
                f"WITH wanted (collection, id) AS (VALUES {placeholders(len(batch), 2)}) "
                f"SELECT item.collection, item.id, data FROM wanted "
                f"CROSS JOIN {self._items} AS item "
                "ON item.collection = wanted.collection AND item.id = wanted.id",
                flat(batch),
            )
            for key, id, text in found.fetchall():
                row = known[key][id]
                assert row is not None  # noqa: S101  (it was read in the same transaction)
                known[key][id] = row._replace(text=text)
