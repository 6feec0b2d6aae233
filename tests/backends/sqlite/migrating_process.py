"""A process of its own that migrates a copy of a file again and again, each time killed at another statement.

Arguments: the file, and a folder for the copies `0.db`, `1.db`, … Copy N was killed before its statement N;
the last one reached its end. Prints their number.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import sys
from pathlib import Path

import anyio

from sharedstate_backends.sqlite import connection as sqlite_connection
from sharedstate_backends.sqlite.backend import SqliteBackend


class DyingConnection(sqlite3.Connection):
    """Ends the process before its n-th statement, counted from the first transaction on."""

    left = 0

    def die(self, statement: str) -> None:
        if DyingConnection.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        DyingConnection.left -= bool(statement)


def connect(name: str, **_: object) -> sqlite3.Connection:
    connection = sqlite3.connect(name, isolation_level=None, factory=DyingConnection)
    connection.execute("PRAGMA journal_mode = WAL").fetchone()
    connection.set_trace_callback(connection.die)
    return connection


def migrate_until(file: str, statement: int) -> bool:
    """Return whether the migration ended before it was killed."""
    child = os.fork()
    if not child:
        DyingConnection.left = statement
        sqlite_connection.connect = connect
        anyio.run(SqliteBackend(file).migrate, lambda _: None)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
    return not os.WIFSIGNALED(status)


def main(file: str, folder: str) -> None:
    number = 0
    while True:
        copy = Path(folder, f"{number}.db")
        shutil.copy(file, copy)
        if migrate_until(str(copy), number):
            print(number + 1)
            return
        number += 1


if __name__ == "__main__":
    main(*sys.argv[1:])
