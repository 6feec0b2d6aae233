# ruff: noqa: S608 (the table's name was validated; everything else is a parameter)
"""The tables of a service in SQLite, made when they are missing.

Three tables for a service whose table is `T`:

- `T`: one row for each id of a collection, the item's text as it was written, or NULL: a tombstone;
- `T_collections`: for each collection ever written to its version, horizon and number of tombstones;
- `T_meta`: the format's number, the epoch, and the durability of whoever opened it last.

Ids and names are compared byte by byte. Texts are BLOBs, which nothing on the way decodes or converts.

Whoever puts a backup back deletes the row `epoch` of `T_meta` first: versions that clients have seen will be
counted anew, so a new epoch must be drawn.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from .contract import OldDataError, StorageError
from .migration import HOW_TO_MIGRATE, is_old

if TYPE_CHECKING:
    import sqlite3

FORMAT: Final = 1
"""Number of this layout; a greater one was made by a later version of this package."""

_COLUMNS: Final = {
    "": ["collection", "id", "created", "place", "version", "data"],
    "_collections": ["key", "app", "name", "version", "horizon", "tombstones"],
    "_meta": ["name", "value"],
}

_STATEMENTS: Final = """
CREATE TABLE "{T}" (
  collection INTEGER NOT NULL,
  id TEXT NOT NULL,
  created INTEGER NOT NULL,
  place INTEGER NOT NULL,
  version INTEGER NOT NULL,
  data BLOB,
  PRIMARY KEY (collection, id)
);
CREATE INDEX "{T}_by_version" ON "{T}" (collection, version);
CREATE INDEX "{T}_tombstones" ON "{T}" (collection, version) WHERE data IS NULL;
CREATE TABLE "{T}_collections" (
  key INTEGER PRIMARY KEY,
  app TEXT NOT NULL,
  name TEXT NOT NULL,
  version INTEGER NOT NULL,
  horizon INTEGER NOT NULL,
  tombstones INTEGER NOT NULL,
  UNIQUE (app, name)
);
CREATE TABLE "{T}_meta" (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
)
"""


def table_names(table: str) -> tuple[str, str, str]:
    """Return the names of the tables for items, collections and what is known of the whole."""
    return table, f"{table}_collections", f"{table}_meta"


def prepare(cursor: sqlite3.Cursor, table: str, *, synchronous: str) -> None:
    """Create what is missing; draw a new epoch if there is none, or if commits may have been lost.

    With `synchronous` other than FULL a loss of power may take back commits which clients have seen, and their
    versions would be counted anew: the epoch must not be the same then.

    Raises:
        StorageError: the tables are not ours, or of another format.
    """
    if not _exist(cursor, table):
        for statement in _STATEMENTS.split(";"):
            cursor.execute(statement.replace("{T}", table))
        cursor.execute(f"INSERT INTO \"{table}_meta\" VALUES ('format', ?)", (str(FORMAT),))
    meta = dict(cursor.execute(f'SELECT name, value FROM "{table}_meta"').fetchall())
    if meta.get("format") != str(FORMAT):
        raise StorageError(
            f"table {table}: format {meta.get('format')} was made by another version of "
            f"SharedState, this one knows {FORMAT}; upgrade, or choose another db_table"
        )
    if "epoch" not in meta or synchronous != "FULL" or meta.get("synchronous") != "FULL":
        cursor.executemany(
            f'REPLACE INTO "{table}_meta" VALUES (?, ?)',
            [("epoch", secrets.token_urlsafe(9)), ("synchronous", synchronous)],
        )


def _exist(cursor: sqlite3.Cursor, table: str) -> bool:
    """Tell whether the tables are there; what is there and is not ours raises `StorageError`."""
    found = {suffix: columns(cursor, table + suffix) for suffix in _COLUMNS}
    if is_old(found[""]):
        raise OldDataError(f"table {table} {HOW_TO_MIGRATE}")
    if found["_meta"] == _COLUMNS["_meta"]:
        return True  # a later format may have other columns elsewhere
    for suffix, names in found.items():
        if names:
            raise StorageError(
                f"table {table}{suffix} is there already and is not SharedState's; "
                "choose another db_table"
            )
    return False


def columns(cursor: sqlite3.Cursor, name: str) -> list[str]:
    """Return the columns of a table in order; none if there is no such table."""
    rows = cursor.execute("SELECT name FROM pragma_table_info(?) ORDER BY cid", (name,))
    return [column for (column,) in rows.fetchall()]
