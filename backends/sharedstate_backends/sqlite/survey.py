"""Finds out what a start would create in SQLite, without creating anything."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from sharedstate_backends.contract import OldDataError, StorageError

from . import ownership, schema
from .connection import CANNOT_OPEN, MEMORY, explain
from .files import is_begun


def missing(name: str, table: str, *, busy_timeout: float) -> str | None:
    """See `Surveying.missing`."""
    if name == MEMORY:
        return None
    try:
        if is_begun(name):
            is_there = _has_tables(name, table, busy_timeout)
            return None if is_there else f"{name} has no table {table} yet: a start creates it"
    except (sqlite3.Error, StorageError) as error:
        kind = OldDataError if isinstance(error, OldDataError) else StorageError
        raise kind(explain(error, name)) from error
    ownership.refuse_lone_log(name)
    path = Path(os.path.realpath(name))  # for a dangling link its target is created
    try:
        is_there = _is_there(path)
    except OSError as error:
        raise StorageError(f"{name}: {CANNOT_OPEN} ({error.strerror})") from None
    if not os.access(path if is_there else path.parent, os.W_OK):
        raise StorageError(f"{name}: {CANNOT_OPEN}")
    if is_there:
        return f"{name} is empty: a start begins a database in it"
    return f"{name} is not there yet: a start creates it"


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except FileNotFoundError:
        return False
    return True


def _has_tables(name: str, table: str, busy_timeout: float) -> bool:
    """Return whether a database has the tables; True also if it cannot be read, since `open` reports that better.

    Raises:
        StorageError: other tables are in their place.
    """
    uri = f"file:{quote(str(Path(name).absolute()))}?mode=rw"
    try:
        with (
            closing(sqlite3.connect(uri, uri=True, timeout=busy_timeout)) as connection,
            closing(connection.cursor()) as cursor,
        ):
            return schema.exist(cursor, table)
    except sqlite3.Error:
        if not is_begun(name):  # moved away just now
            raise
        return True
