# ruff: noqa: S608 (the tables' names were validated)
"""Taking over a table of the first generation in SQLite, in one transaction.

If it is killed at any moment, it has done all or nothing. The old table is renamed and kept.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sharedstate_backends.contract import StorageError
from sharedstate_backends.layout import table_names
from sharedstate_backends.legacy.migration import BACKUP_SUFFIX, Conversion, Migrated, is_old
from sharedstate_backends.legacy.rows import NewItem, OldRow

from . import connection as sqlite_connection
from . import schema
from .connection import MEMORY
from .schema import columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sharedstate_backends.legacy.migration import Tell

_BATCH: Final = 1_000
"""Number of items written by one call."""


def migrate(
    name: str,
    table: str,
    connect: Callable[[], sqlite3.Connection],
    *,
    synchronous: str,
    tell: Tell,
) -> Migrated | None:
    """See `Migratable.migrate` for the database of that name."""
    if name == MEMORY or not Path(name).exists():
        return None
    work = partial(_migrate, table=table, synchronous=synchronous, tell=tell)
    with closing(connect()) as connection:
        return sqlite_connection.write(connection, name, work)


def _migrate(
    cursor: sqlite3.Cursor, table: str, *, synchronous: str, tell: Tell
) -> Migrated | None:
    """Migrate inside the caller's transaction, which holds the file's write lock.

    Raises:
        StorageError: the names of the new tables, or of the backup, are taken.
    """
    if not is_old(columns(cursor, table)):
        return None
    backup = table + BACKUP_SUFFIX
    if columns(cursor, backup):
        raise StorageError(
            f"table {backup} is there already, perhaps from an earlier migration; rename or drop it"
        )
    one_name = _ignores_case(cursor, table)
    cursor.execute(f'ALTER TABLE "{table}" RENAME TO "{backup}"')
    schema.prepare(cursor, table, synchronous=synchronous)
    ((total,),) = cursor.execute(f'SELECT count(*) FROM "{backup}"')
    conversion = Conversion(tell, total, one_name=one_name)
    _convert(cursor, table, backup, conversion)
    ((stored,),) = cursor.execute(f'SELECT count(*) FROM "{table}"')
    if (conversion.rows, conversion.taken) != (total, stored):
        raise StorageError(f"table {table}: {stored} items were stored of {conversion.taken}")
    return Migrated(table, backup, total, stored, conversion.collections)


def _convert(cursor: sqlite3.Cursor, table: str, backup: str, conversion: Conversion) -> None:
    """Fill the new tables; rows of the same second keep their order of arrival."""
    items, heads, _ = table_names(table)
    keys: dict[tuple[str, str], int | None] = {}

    def key(item: NewItem) -> int | None:
        name = item.app, item.collection
        if name not in keys:
            cursor.execute(
                f'INSERT INTO "{heads}" (app, name, version, horizon, tombstones) '
                "VALUES (?, ?, 1, 0, 0)",
                name,
            )
            keys[name] = cursor.lastrowid
        return keys[name]

    with closing(cursor.connection.cursor()) as reader, _undecoded(cursor.connection):
        rows = reader.execute(
            "SELECT app, chnl, id, data, 'blob' IN (typeof(app), typeof(chnl), typeof(id)) "
            f'FROM "{backup}" ORDER BY CAST(app AS BLOB), CAST(chnl AS BLOB), ctime, '
            f"{_order_of_rows(cursor, backup)}"
        )
        converted = conversion.items(map(OldRow._make, rows))
        while batch := list(islice(converted, _BATCH)):
            cursor.executemany(
                f'INSERT INTO "{items}" (collection, id, created, place, version, data) '
                "VALUES (?, ?, 1, ?, 1, ?)",
                [(key(item), item.id, item.place, item.text) for item in batch],
            )


def _order_of_rows(cursor: sqlite3.Cursor, table: str) -> str:
    """Return what orders rows by arrival; for a table WITHOUT ROWID that is unknown, so it is the id."""
    try:
        cursor.execute(f'SELECT rowid FROM "{table}" LIMIT 0')
    except sqlite3.OperationalError:
        return "CAST(id AS BLOB)"
    return "rowid"


@contextmanager
def _undecoded(connection: sqlite3.Connection) -> Iterator[None]:
    """Read texts as bytes, since some may not be UTF-8."""
    before, connection.text_factory = connection.text_factory, bytes
    try:
        yield
    finally:
        connection.text_factory = before


def _ignores_case(cursor: sqlite3.Cursor, table: str) -> bool:
    """Return whether the old table's key is compared other than byte by byte."""
    rows = cursor.execute(
        "SELECT DISTINCT key.coll FROM pragma_index_list(?) AS list "
        "JOIN pragma_index_xinfo(list.name) AS key WHERE list.origin = 'pk' AND key.key",
        (table,),
    )
    return any(collation != "BINARY" for (collation,) in rows.fetchall())
