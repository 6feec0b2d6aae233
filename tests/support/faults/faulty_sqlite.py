"""A service in an SQLite file whose process dies at a chosen moment of a commit.

`config`: `file`; `at`, one of `STAGES` (without: it lives). It dies in its transaction number `TRANSACTION`.
"""

from __future__ import annotations

import os
import resource
import signal
from typing import TYPE_CHECKING, Any, Final

from sharedstate_backends import Island
from sharedstate_backends.sqlite import connection as sqlite_connection
from sharedstate_backends.sqlite.backend import SqliteBackend

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from sharedstate_backends import Backend

MODULE: Final = __name__
TRANSACTION: Final = 100
BEFORE_BEGIN, BEFORE_COMMIT, AFTER_COMMIT = "before BEGIN", "before COMMIT", "after COMMIT"
STAGES: Final = (
    BEFORE_BEGIN,
    *(f"before statement {number}" for number in range(1, 6)),
    BEFORE_COMMIT,
    AFTER_COMMIT,
)


def die() -> None:
    """End this process as a crash does."""
    os.kill(os.getpid(), signal.SIGKILL)


class DyingSqlite(SqliteBackend):
    """Counts its transactions, and their statements."""

    def __init__(self, file: str, at: str) -> None:
        super().__init__(file)
        self._at = at
        self._transactions = 0
        self._statements = 0

    def _connect_writer(self, create: bool) -> sqlite3.Connection:
        connection = super()._connect_writer(create)
        connection.set_trace_callback(self._before)
        return connection

    def _before(self, statement: str) -> None:
        begins = statement.startswith("BEGIN")
        self._transactions += begins
        self._statements = 0 if begins else self._statements + 1
        if self._transactions != TRANSACTION:
            return
        before = f"before {statement.split(maxsplit=1)[0]}"
        if self._at in {before, f"before statement {self._statements}"}:
            die()

    def die_after_commit(self) -> None:
        """Die when the transaction is stored and nobody knows yet."""
        if self._at == AFTER_COMMIT and self._transactions >= TRANSACTION:
            die()


def get_service(config: Mapping[str, object]) -> Backend:
    """Return the store; a write beyond the process's limit on file sizes kills it, too."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    backend = DyingSqlite(str(config["file"]), str(config.get("at", "")))
    write = sqlite_connection.write

    def write_and_die(*args: Any) -> object:
        result = write(*args)
        backend.die_after_commit()
        return result

    sqlite_connection.write = write_and_die  # type: ignore[assignment]
    return Island(backend)
