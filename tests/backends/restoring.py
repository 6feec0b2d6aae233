"""Databases as their operators see them: what takes a backup of a store's tables and puts it back, in place."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, Protocol

from sharedstate_backends.items_service import get_service
from sharedstate_backends.layout import table_names

from .opening import sqlite

if TYPE_CHECKING:
    from sharedstate_backends import Backend
    from sharedstate_backends.conformance.declaring import PutBack, SetBack
    from tests.support.services.mariadb import MariaDb


class Restorable(Protocol):
    """A database, and the stores that use it."""

    table: str
    key: str
    """The column of that name, quoted as it must be."""

    def store(self) -> Backend:
        """Return a store of its own, not yet open."""

    def take(self) -> str:
        """Take a backup, and return its name or its content."""

    def put_back(self, backup: str) -> None:
        """Let the database hold what the backup holds."""

    def sql(self, statement: str) -> str:
        """Carry out a statement; return the value of its one row, if it has one."""

    def count(self, suffix: str) -> int:
        """Return how many rows a table has, whose name ends so."""
        return int(self.sql(f"SELECT COUNT(*) FROM {self.table}{suffix}"))

    def meta(self, name: str) -> str:
        """Return what is noted of the whole store."""
        return self.sql(f"SELECT value FROM {self.table}_meta WHERE name = '{name}'")


def copy(source: str, target: str) -> None:
    """Copy an SQLite database online, as `.backup` and `.restore` of the command `sqlite3` do."""
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


class SqliteFile(Restorable):
    """A file, which stays where it is when its content is put back."""

    table = "items"
    key = "key"

    def __init__(self, file: str) -> None:
        self._file = file
        self._taken = 0

    def store(self) -> Backend:
        return sqlite(self._file)

    def take(self) -> str:
        self._taken += 1
        backup = f"{self._file}.{self._taken}"
        copy(self._file, backup)
        return backup

    def put_back(self, backup: str) -> None:
        copy(backup, self._file)

    def sql(self, statement: str) -> str:
        with closing(sqlite3.connect(self._file)) as connection:
            row = connection.execute(statement).fetchone()
            connection.commit()
            return str(row[0]) if row else ""


class MariaDbTables(Restorable):
    """The tables of a service in MariaDB."""

    key = "`key`"

    def __init__(self, database: MariaDb, config: dict[str, Any]) -> None:
        self.table = config["db_table"]
        self._database = database
        self._config = config

    def store(self) -> Backend:
        return get_service(self._config)

    def take(self) -> str:
        return self._database.dump(*table_names(self.table))

    def put_back(self, backup: str) -> None:
        self.sql(backup)

    def sql(self, statement: str) -> str:
        rows = self._database.sql(statement, self._config["db_name"])
        return rows[0][0] if rows else ""


def setting_back(database: Restorable) -> SetBack:
    """Return what the conformance suite asks for."""

    async def take() -> PutBack:
        backup = database.take()

        async def put_back() -> None:
            database.put_back(backup)

        return put_back

    return take
