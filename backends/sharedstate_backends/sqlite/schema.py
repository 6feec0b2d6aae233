# ruff: noqa: S608 (the table's name was validated; everything else is a parameter)
"""The tables of a service in SQLite, created if missing.

Four tables for a service whose table is `T`:

- `T`: one row for each id of a collection, with the item's text as it was written, or NULL for a tombstone;
- `T_collections`: for each collection that was ever written to, its version, horizon, number of tombstones and version
  vector (see `history`; version 0.1 does not know the column and leaves it alone);
- `T_receipts`: for each session and collection, which of the session's updates are stored (see
  `sharedstate_core.receipts`); versions that do not know the table leave it alone;
- `T_meta`: the number of the format, the epoch and former ones, the floor, the durability of the process that opened it
  last, with the boot of its machine, the marks of processes that have opened it, and what `probe` wrote last.

Ids and names are compared byte by byte. Texts are BLOBs, which are never decoded or converted.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sharedstate_backends.contract import OldDataError, StorageError
from sharedstate_backends.history.vectors import new_epoch, starts, with_epochs, with_start
from sharedstate_backends.layout import FORMAT, FORMAT_WITH_FLOOR, FORMATS, receipts_table
from sharedstate_backends.legacy.migration import HOW_TO_MIGRATE, is_old

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

    from sharedstate_backends.history.vectors import State

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")

_COLUMNS: Final = {
    "": ["collection", "id", "created", "place", "version", "data"],
    "_collections": ["key", "app", "name", "version", "horizon", "tombstones", "writers"],
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
  writers TEXT NOT NULL DEFAULT '',
  UNIQUE (app, name)
);
CREATE TABLE "{T}_meta" (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
)
"""

_RECEIPTS: Final = """
CREATE TABLE "{T}_receipts" (
  collection INTEGER NOT NULL,
  session TEXT NOT NULL,
  last INTEGER NOT NULL,
  stored BLOB NOT NULL,
  refused TEXT NOT NULL,
  time INTEGER NOT NULL,
  PRIMARY KEY (collection, session)
) WITHOUT ROWID;
CREATE INDEX "{T}_receipts_by_time" ON "{T}_receipts" (collection, time)
"""

_RECEIPT_COLUMNS: Final = ["collection", "session", "last", "stored", "refused", "time"]


def prepare(cursor: sqlite3.Cursor, table: str, *, synchronous: str, create: bool = True) -> bool:
    """Create what is missing; draw a new epoch if there is none, or if commits may have been lost.

    Unless `synchronous` is FULL, a power loss may undo commits that clients have seen, and their versions would be used
    again. Without a reboot since the last start nothing was lost.

    Returns:
        Whether the database had no tables at all.

    Raises:
        StorageError: the tables are not ours, have another format, or, without `create`, do not exist.
    """
    is_blank = cursor.execute("SELECT 1 FROM sqlite_master").fetchone() is None
    if not exist(cursor, table):
        if not create:
            raise StorageError(
                f"the file that is there now has no table {table}_meta; put the right one there, or a backup of it. "
                "To begin anew, start the server again"
            )
        for statement in _STATEMENTS.split(";"):
            cursor.execute(statement.replace("{T}", table))
        cursor.execute(f"INSERT INTO \"{table}_meta\" VALUES ('format', ?)", (str(FORMAT),))
    meta = read_meta(cursor, table)
    if meta.get("format") not in FORMATS:
        raise StorageError(
            f"table {table}: format {meta.get('format')} was made by another version of "
            f"SharedState, this one knows {FORMAT_WITH_FLOOR}; upgrade, or choose another db_table"
        )
    if "writers" not in columns(cursor, f"{table}_collections"):  # made by version 0.1
        cursor.execute(
            f"ALTER TABLE \"{table}_collections\" ADD COLUMN writers TEXT NOT NULL DEFAULT ''"
        )
    _add_receipts(cursor, table)
    boot = _boot()
    durable = synchronous == "FULL" and meta.get("synchronous") == "FULL"
    if "epoch" not in meta or not (durable or (boot and boot == meta.get("boot"))):
        renew_epoch(cursor, table)
    noted = {"synchronous": synchronous, "boot": boot}
    write_meta(
        cursor, table, {name: noted[name] for name in noted if noted[name] != meta.get(name)}
    )
    return is_blank


def _add_receipts(cursor: sqlite3.Cursor, table: str) -> None:
    """Create the table of receipts, which earlier versions do not make.

    Raises:
        StorageError: another one has its name.
    """
    name = receipts_table(table)
    found = columns(cursor, name)
    if not found:
        for statement in _RECEIPTS.split(";"):
            cursor.execute(statement.replace("{T}", table))
    elif found != _RECEIPT_COLUMNS:
        raise StorageError(
            f"table {name} is there already and is not SharedState's; choose another db_table"
        )


def renew_epoch(cursor: sqlite3.Cursor, table: str, lost: Iterable[str] = ()) -> str:
    """Draw a new epoch, inside the caller's transaction, and return it.

    Args:
        cursor: cursor of the transaction.
        table: table of the service.
        lost: epochs that the store has lost, to be noted as former ones too.
    """
    meta, epoch = read_meta(cursor, table), new_epoch()
    former = with_epochs(meta.get("former_epochs", ""), [*lost, meta.get("epoch", "")])
    write_meta(cursor, table, {"epoch": epoch, "former_epochs": former})
    return epoch


def mark_start(cursor: sqlite3.Cursor, table: str) -> State:
    """Add the mark of a process that has opened the store; return all marks (see `history`)."""
    meta = read_meta(cursor, table)
    marks = with_start(meta.get("starts", ""))
    write_meta(cursor, table, {"starts": marks})
    return starts(meta["epoch"], marks)


def read_meta(cursor: sqlite3.Cursor, table: str) -> dict[str, str]:
    """Return the meta data of the store."""
    return dict(cursor.execute(f'SELECT name, value FROM "{table}_meta"').fetchall())


def write_meta(cursor: sqlite3.Cursor, table: str, values: Mapping[str, str]) -> None:
    """Update the meta data of the store."""
    cursor.executemany(f'REPLACE INTO "{table}_meta" VALUES (?, ?)', values.items())


def _boot() -> str:
    """Return what identifies the present boot of this machine; empty if unknown."""
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        return ""


def probe(cursor: sqlite3.Cursor, table: str) -> None:
    """Write a new value to a row of our own, so that the end of the transaction has to write to disk."""
    row = ("probe", secrets.token_urlsafe(9))
    cursor.execute(f'REPLACE INTO "{table}_meta" VALUES (?, ?)', row)


def exist(cursor: sqlite3.Cursor, table: str) -> bool:
    """Return whether the tables exist; raise `StorageError` if others have their names."""
    found = {suffix: columns(cursor, table + suffix) for suffix in _COLUMNS}
    if is_old(found[""]):
        raise OldDataError(f"table {table} {HOW_TO_MIGRATE}")
    if found["_meta"] == _COLUMNS["_meta"]:
        return True  # other tables of a later format may have other columns
    for suffix, names in found.items():
        if names:
            raise StorageError(
                f"table {table}{suffix} is there already and is not SharedState's; "
                "choose another db_table"
            )
    return False


def columns(cursor: sqlite3.Cursor, name: str) -> list[str]:
    """Return the columns of a table in order; empty if there is no such table."""
    rows = cursor.execute("SELECT name FROM pragma_table_info(?) ORDER BY cid", (name,))
    return [column for (column,) in rows.fetchall()]
