# ruff: noqa: S608 (the table's name was validated; everything else is a parameter)
"""The receipts of one service in SQLite (see `sharedstate_core.receipts`): one row for each session and collection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sharedstate_backends.layout import receipts_table
from sharedstate_core.receipts import Receipt

from .rows import batches, flat, placeholders

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

_READ: Final = 256
"""Maximum number of receipts looked up by one statement, a power of two: SQLite may be limited to 999 parameters."""

_WRITTEN: Final = 128
"""Maximum number of receipts written by one statement."""

FORGOTTEN: Final = 1_000
"""Maximum number of receipts deleted by one transaction."""


class ReceiptTable:
    """The table of receipts.

    Args:
        table: a valid name.
    """

    def __init__(self, table: str) -> None:
        self._name = f'"{receipts_table(table)}"'

    def read(
        self, cursor: sqlite3.Cursor, wanted: Sequence[tuple[int | None, str]]
    ) -> dict[int | None, dict[str, Receipt]]:
        """Return the receipts of these sessions in the collections with these keys, by key and session."""
        found: dict[int | None, dict[str, Receipt]] = {}
        for batch in batches(wanted, _READ):
            rows = cursor.execute(
                f"WITH wanted (collection, session) AS (VALUES {placeholders(len(batch), 2)}) "
                "SELECT receipt.collection, receipt.session, last, stored, refused, time "
                f"FROM wanted CROSS JOIN {self._name} AS receipt "
                "ON receipt.collection = wanted.collection AND receipt.session = wanted.session",
                flat(batch),
            )
            for key, session, *columns in rows.fetchall():
                found.setdefault(key, {})[session] = Receipt.of(*columns)
        return found

    def put(self, cursor: sqlite3.Cursor, receipts: Iterable[tuple[int, str, Receipt]]) -> None:
        """Write receipts, each with its collection's key and its session."""
        rows = [(key, session, *receipt.columns()) for key, session, receipt in receipts]
        for batch in batches(rows, _WRITTEN):
            cursor.execute(
                f"INSERT INTO {self._name} (collection, session, last, stored, refused, time) "
                f"VALUES {placeholders(len(batch), 6)} ON CONFLICT (collection, session) "
                "DO UPDATE SET last = excluded.last, stored = excluded.stored, "
                "refused = excluded.refused, time = excluded.time",
                flat(batch),
            )

    def oldest(self, cursor: sqlite3.Cursor, before: int, most: int) -> list[tuple[int, int]]:
        """Return the collections with too many, or too old ones: the key of each, and how many too many."""
        rows = cursor.execute(
            f"SELECT collection, max(count(*) - ?, 0) FROM {self._name} "
            "GROUP BY collection HAVING count(*) > ? OR min(time) < ?",
            (most, most, before),
        )
        return rows.fetchall()

    def forget(
        self, cursor: sqlite3.Cursor, chosen: Sequence[tuple[int, int]], before: int
    ) -> bool:
        """Delete the oldest of these collections; return whether there may be more of them."""
        left = FORGOTTEN
        for key, beyond in chosen:
            old = self._delete(cursor, key, left, before)
            left -= old
            if left > 0 and beyond > old:
                left -= self._delete(cursor, key, min(beyond - old, left))
            if left <= 0:
                return True
        return False

    def _delete(
        self, cursor: sqlite3.Cursor, key: int, most: int, before: int | None = None
    ) -> int:
        """Delete the oldest of a collection, at most so many, and none from `before` on; return how many it were."""
        is_old = "" if before is None else "AND time < ?"
        limits = (most,) if before is None else (before, most)
        cursor.execute(
            f"DELETE FROM {self._name} WHERE collection = ? AND session IN (SELECT session "
            f"FROM {self._name} WHERE collection = ? {is_old} ORDER BY time LIMIT ?)",
            (key, key, *limits),
        )
        return cursor.rowcount
