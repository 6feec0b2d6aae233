"""One sqlite3 connection: opening it, its transactions, and readable errors.

1. Writers take the file's write lock first (BEGIN IMMEDIATE), so what they then read stays valid.
2. After an error before COMMIT the transaction is rolled back and nothing was stored. The same holds for a COMMIT
   that was refused because the file is locked, or because the disk is full: SQLite writes the commit record last, and
   reports a full disk (SQLITE_FULL) only for what it could not write whole, never for a sync. Without its last record
   a transaction does not count, not even for whoever recovers the log after a crash.
3. After any other error of COMMIT the outcome is unknown: the commit record may have reached the disk. The same holds
   for a commit to a file that no longer has its name (see `files`).
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from sharedstate_backends.contract import OldDataError, OutcomeUnknownError, StorageError

from . import files, ownership
from .files import IN_MEMORY, DatabaseFile, MovedError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

MEMORY: Final = ":memory:"
"""The name of a database in memory, of which each connection has its own."""

MAX_WAL_BYTES: Final = 64 * 1024 * 1024
"""A write-ahead log that has grown beyond this is truncated when it next starts over."""

UNCERTAIN: Final = "; it may be stored or not"
"""The end of the text of an `OutcomeUnknownError`."""

_RETRY_SECONDS: Final = 0.02
"""Pause between attempts, in seconds, where SQLite does not wait by itself."""

CANNOT_OPEN: Final = (
    "cannot be opened; check that its folder exists and may be written to, and the file, too"
)

_REMEDIES: Final = {
    sqlite3.SQLITE_CANTOPEN: CANNOT_OPEN,
    sqlite3.SQLITE_READONLY: "is read-only; let the server's user write the file and its folder",
    sqlite3.SQLITE_PERM: "may not be used; let the server's user write the file and its folder",
    sqlite3.SQLITE_BUSY: "is locked by another program; stop that program, or try again",
    sqlite3.SQLITE_LOCKED: "is locked by another connection; try again",
    sqlite3.SQLITE_FULL: "cannot grow, the disk is full; make room",
    sqlite3.SQLITE_IOERR: "failed to be read or written; check the disk and its free space",
    sqlite3.SQLITE_CORRUPT: "is damaged; move it away, with -wal and -shm beside it, and restore a backup",
    sqlite3.SQLITE_NOTADB: "is not an SQLite database; give another db_name",
}
_WAITED_FOR: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_CERTAIN: Final = {*_WAITED_FOR, sqlite3.SQLITE_FULL}
"""Errors of COMMIT after which nothing was stored."""


class WorkError(StorageError):
    """The work within a transaction failed, not the transaction itself: without other work it may succeed."""


def connect(name: str, *, synchronous: str, busy_timeout: float) -> sqlite3.Connection:
    """Return a connection in autocommit mode; a file is switched to a write-ahead log.

    Args:
        name: path of the file, or `MEMORY`.
        synchronous: `FULL` or `NORMAL`: whether every commit waits for the disk.
        busy_timeout: seconds to wait for another program's lock.

    Raises:
        StorageError: the file cannot be used; the message names it and says what to do.
    """
    if name != MEMORY:
        files.refuse_links(name)
        ownership.create(name)
    try:
        connection = sqlite3.connect(
            name, timeout=busy_timeout, isolation_level=None, cached_statements=256
        )
    except sqlite3.Error as error:
        raise StorageError(explain(error, name)) from error
    try:
        with closing(connection.cursor()) as cursor:
            if name != MEMORY:
                _use_log(cursor, name, time.monotonic() + busy_timeout)
            cursor.execute(f"PRAGMA synchronous = {synchronous}")
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.Error):
            raise StorageError(explain(error, name)) from error
        raise
    return connection


def _use_log(cursor: sqlite3.Cursor, name: str, deadline: float) -> None:
    """Switch to a write-ahead log; SQLite does not wait if another program is doing so too."""
    while True:
        try:
            (mode,) = cursor.execute("PRAGMA journal_mode = WAL").fetchone()
            break
        except sqlite3.OperationalError as error:
            if primary_code(error) not in _WAITED_FOR or time.monotonic() >= deadline:
                raise
            time.sleep(_RETRY_SECONDS)
    if mode != "wal":
        raise StorageError(
            f"{name}: no write-ahead log can be kept there (journal mode {mode}); use a local disk"
        )
    cursor.execute(f"PRAGMA journal_size_limit = {MAX_WAL_BYTES}").fetchone()


def read(
    connection: sqlite3.Connection,
    name: str,
    work: Callable[[sqlite3.Cursor], T],
    file: DatabaseFile = IN_MEMORY,
) -> T:
    """Return what `work` reads in one transaction, which is a snapshot.

    Raises:
        StorageError: the database cannot be read.
    """
    file.check()
    try:
        with closing(connection.cursor()) as cursor:
            _begin(cursor, "BEGIN")
            try:
                return work(cursor)
            finally:
                _roll_back(cursor)
    except sqlite3.Error as error:
        raise StorageError(explain(error, name)) from error


def write(
    connection: sqlite3.Connection,
    name: str,
    work: Callable[[sqlite3.Cursor], T],
    file: DatabaseFile | None = None,
) -> T:
    """Return the result of `work`, done in one transaction.

    Args:
        connection: connection to the database.
        name: name of the database, for messages.
        work: called with a cursor.
        file: the files of the connection, which must have their names before and afterwards; None for those that do
            now.

    Raises:
        WorkError, OldDataError: `work` failed, and left nothing behind.
        StorageError: nothing was done.
        OutcomeUnknownError: it may or may not be stored.
    """
    with closing(connection.cursor()) as cursor:
        if file is not None:
            file.check()
        try:
            _begin(cursor, "BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise StorageError(explain(error, name)) from error
        try:
            if file is None:
                file = DatabaseFile.of(connection, str(Path(name).absolute()))
            result = work(cursor)
        except Exception as error:
            _roll_back(cursor)
            kind = OldDataError if isinstance(error, OldDataError) else WorkError
            raise kind(explain(error, name)) from error
        _end(cursor, name, file)
    return result


def _end(cursor: sqlite3.Cursor, name: str, file: DatabaseFile) -> None:
    try:
        cursor.execute("COMMIT")
    except sqlite3.Error as error:
        problem = explain(error, name)
        certain = primary_code(error) in _CERTAIN
        _roll_back(cursor)
        if certain:
            raise StorageError(problem) from error
        raise OutcomeUnknownError(f"{problem}{UNCERTAIN}") from error
    try:
        file.check()
    except MovedError as error:
        raise OutcomeUnknownError(f"{error}{UNCERTAIN}") from error


def _begin(cursor: sqlite3.Cursor, statement: str) -> None:
    if cursor.connection.in_transaction:  # a ROLLBACK failed
        cursor.execute("ROLLBACK")
    cursor.execute(statement)


def _roll_back(cursor: sqlite3.Cursor) -> None:
    if cursor.connection.in_transaction:
        try:
            cursor.execute("ROLLBACK")
        except sqlite3.Error:
            return  # the next transaction tries again before it begins


def explain(error: Exception, name: str) -> str:
    """Return one line: the database's name, what is wrong, what to do, and SQLite's own message."""
    if isinstance(error, StorageError):
        return f"{name}: {error}"
    if not isinstance(error, sqlite3.Error):
        return f"{name}: {type(error).__name__}: {error}"
    remedy = _REMEDIES.get(primary_code(error))
    return f"{name}: {remedy} ({error})" if remedy else f"{name}: {error}"


def primary_code(error: sqlite3.Error) -> int:
    """Return the error's SQLite result code without its extension; 1 if it has none."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
