# ruff: noqa: S608 (the tables' names were validated)
"""Saving and replacing the whole content of a service in SQLite, while servers use the file.

1. A dump is one read transaction on a connection of its own: a snapshot, for which no writer waits. It never creates
   the database, and leaves no files behind that its owner could not use.
2. A restore is one transaction too. Meanwhile readers see the old content, and writers wait for at most `busy_timeout`
   and then fail. If it is killed at any moment, it has done all or nothing.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from itertools import starmap
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from sharedstate_backends.contract import StorageError
from sharedstate_backends.layout import FORMATS, receipts_table, table_names
from sharedstate_backends.portable import PORTION_ROWS, Census, CollectionHead, portions
from sharedstate_core.storage import Row

from . import connection as sqlite_connection
from . import ownership, schema
from .connection import MEMORY, explain, primary_code
from .files import is_begun, refuse_links
from .ownership import WIDEST
from .rows import row_values
from .schema import columns

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from sharedstate_backends.portable import Portion

_UNUSABLE: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
"""SQLite's errors for a file that is damaged, or not a database."""


def dump(name: str, table: str, *, busy_timeout: float) -> Generator[Portion, None, None]:
    """See `Portable.dump`."""
    with closing(_connect_to_read(name, busy_timeout)) as connection:
        try:
            with closing(connection.cursor()) as cursor:
                cursor.execute("BEGIN")
                _check(cursor, table)
                yield from _read(connection, table)
        except (sqlite3.Error, StorageError) as error:
            raise StorageError(explain(error, name)) from error


def restore(
    name: str, table: str, content: Iterable[Portion], *, synchronous: str, busy_timeout: float
) -> None:
    """See `Portable.restore`."""
    if name == MEMORY:
        raise StorageError(f"{name}: a store in memory is gone when this ends")
    _claim(name)
    try:
        connection = sqlite_connection.connect(name, synchronous="FULL", busy_timeout=busy_timeout)
        with closing(connection):
            sqlite_connection.write(
                connection, name, lambda cursor: _replace(cursor, table, content, synchronous)
            )
    except StorageError as error:
        cause = error.__cause__
        if not isinstance(cause, sqlite3.DatabaseError) or primary_code(cause) not in _UNUSABLE:
            raise
        problem = f"nothing can be restored into it ({cause})"
        remedy = "move it away, with -wal and -shm beside it, and run this again"
        raise StorageError(f"{name}: {problem}; {remedy}") from cause


def _connect_to_read(name: str, busy_timeout: float) -> sqlite3.Connection:
    """Connect to an existing file.

    A user with write permission removes the files beside it again, as every server does. A user who may only read must
    not create any: they would belong to the wrong user.
    """
    if name == MEMORY or not Path(name).exists():
        where = f"there is no file {Path(name).absolute()}"
        raise StorageError(f"{name}: {where}; a relative db_name begins where this command runs")
    refuse_links(name)
    writable = os.access(name, os.W_OK, effective_ids=os.access in os.supports_effective_ids)
    if not writable and not Path(f"{name}-shm").exists():
        problem = "this user may only read it, which takes a server that has it open"
        raise StorageError(f"{name}: {problem}; run this as the server's user, or as root")
    uri = f"file:{quote(str(Path(name).absolute()))}?mode={'rw' if writable else 'ro'}"
    try:
        return sqlite3.connect(uri, uri=True, timeout=busy_timeout, isolation_level=None)
    except sqlite3.Error as error:
        raise StorageError(explain(error, name)) from error


def _check(cursor: sqlite3.Cursor, table: str) -> None:
    """Raise `StorageError` unless the tables exist and have our format."""
    meta = table_names(table)[2]
    if not columns(cursor, meta):
        raise StorageError(f"there is no table {table} of SharedState's in it; check db_table")
    found = cursor.execute(f"SELECT value FROM \"{meta}\" WHERE name = 'format'").fetchall()
    if not found or found[0][0] not in FORMATS:
        raise StorageError(f"table {table} was made by another version of SharedState; upgrade")


def _read(connection: sqlite3.Connection, table: str) -> Iterator[Portion]:
    items, heads, _ = table_names(table)
    with closing(connection.cursor()) as outer, closing(connection.cursor()) as inner:
        outer.arraysize = inner.arraysize = PORTION_ROWS
        for key, *head in outer.execute(
            f'SELECT key, app, name, version, horizon FROM "{heads}" ORDER BY app, name'
        ):
            rows = inner.execute(
                f'SELECT id, data, created, place, version FROM "{items}" '
                "WHERE collection = ? ORDER BY id",
                (key,),
            )
            yield from portions(CollectionHead(*head), starmap(Row, rows))


def _replace(
    cursor: sqlite3.Cursor, table: str, content: Iterable[Portion], synchronous: str
) -> None:
    """Replace everything within the caller's transaction, which holds the file's write lock."""
    schema.prepare(cursor, table, synchronous=synchronous)
    items, heads, _ = table_names(table)
    # Servers may remember keys, so none is reused for another collection.
    ((key,),) = cursor.execute(f'SELECT ifnull(max(key), 0) FROM "{heads}"')
    cursor.execute(f'DELETE FROM "{items}"')
    cursor.execute(f'DELETE FROM "{heads}"')
    cursor.execute(f'DELETE FROM "{receipts_table(table)}"')
    written = Census()
    tombstones = 0
    head: CollectionHead | None = None
    for portion in content:
        written.add(portion)
        if portion.head != head:
            _note_tombstones(cursor, heads, key, tombstones)
            head, key, tombstones = portion.head, key + 1, 0
            cursor.execute(
                f'INSERT INTO "{heads}" (key, app, name, version, horizon, tombstones) '
                "VALUES (?, ?, ?, ?, ?, 0)",
                (key, *head),
            )
        tombstones += sum(row.text is None for row in portion.rows)
        cursor.executemany(
            f'INSERT INTO "{items}" (id, data, created, place, version, collection) '
            "VALUES (?, ?, ?, ?, ?, ?)",
            [row_values(row, key) for row in portion.rows],
        )
    _note_tombstones(cursor, heads, key, tombstones)
    schema.renew_epoch(cursor, table)
    there = Census()
    for portion in _read(cursor.connection, table):
        there.add(portion)
    written.compare(there)


def _note_tombstones(cursor: sqlite3.Cursor, heads: str, key: int, tombstones: int) -> None:
    if tombstones:
        cursor.execute(f'UPDATE "{heads}" SET tombstones = ? WHERE key = ?', (tombstones, key))


def _claim(name: str) -> None:
    """Create the file if it does not exist, remove a lone log, and restrict the permissions.

    As root: a new file gets the owner of its folder; an existing one keeps its owner, but no more than `WIDEST`.
    """
    file = Path(name)
    try:
        path = os.path.realpath(name)
        if not is_begun(path):
            # The old content is replaced, including its last commits. A server that still uses the files of a database
            # that was moved away keeps them without their names, and must not share them with the new one.
            for suffix in ("-wal", "-shm"):
                Path(path + suffix).unlink(missing_ok=True)
        if not file.exists():
            ownership.make(name)
        elif os.geteuid() == 0 and file.stat().st_mode & 0o777 & ~WIDEST:
            file.chmod(file.stat().st_mode & WIDEST)
    except OSError as error:
        raise StorageError(f"{file.absolute()}: cannot be made: {error.strerror}") from None
