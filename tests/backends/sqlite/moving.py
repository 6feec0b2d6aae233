"""An SQLite file whose parts are moved or deleted under an open store: what the tests of that do and look at."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from sharedstate_backends.conformance.model import path

if TYPE_CHECKING:
    from sharedstate_backends import Backend

P = path()
"""The collection that is written to."""


def files_of(name: str) -> list[Path]:
    """Return the database, its log, and the index of that."""
    return [Path(name + suffix) for suffix in ("", "-wal", "-shm")]


def delete(name: str) -> None:
    """Delete all that there is of a database."""
    for file in files_of(name):
        file.unlink(missing_ok=True)


def move(name: str, target: str) -> None:
    """Rename all that there is of a database."""
    for file, to in zip(files_of(name), files_of(target), strict=True):
        if file.exists():
            file.rename(to)


async def stored(backend: Backend) -> set[str]:
    """Return the ids that a store tells of."""
    return {row.id for row in (await backend.load(P, None)).rows if row.text is not None}


def ids_in(file: str) -> set[str]:
    """Return the ids that are in a file."""
    with closing(sqlite3.connect(file)) as connection:
        return {id for (id,) in connection.execute("SELECT id FROM items WHERE data IS NOT NULL")}
