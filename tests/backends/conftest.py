"""Stores for the tests; the cases run on asyncio and on trio."""

from __future__ import annotations

import itertools
import logging
from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_backends.sqlite import threads

from .restoring import MariaDbTables, SqliteFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.services.mariadb import MariaDb

    from .restoring import Restorable

_numbers = itertools.count()


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A file's name, in a folder of the test's own."""
    return str(tmp_path / "items.db")


@pytest.fixture
def mysql(shared_mariadb: MariaDb) -> dict[str, Any]:
    """A configuration in MariaDB, with a table of the test's own."""
    return shared_mariadb.config(db_table=f"items_{next(_numbers)}")


@pytest.fixture
def table(mysql: dict[str, Any]) -> str:
    """Return the table's name."""
    return str(mysql["db_table"])


@pytest.fixture(params=["sqlite", "mariadb"])
def database(request: pytest.FixtureRequest) -> Restorable:
    """Return a database of the test's own, of each kind, that can be set back."""
    if request.param == "sqlite":
        return SqliteFile(request.getfixturevalue("file"))
    mysql: dict[str, Any] = request.getfixturevalue("mysql")
    return MariaDbTables(request.getfixturevalue("shared_mariadb"), mysql)


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a store look at once whether its file is there again."""
    monkeypatch.setattr(threads, "REOPEN_SECONDS", 0.0)


@pytest.fixture
def said() -> Iterator[list[str]]:
    """Lines of the log, as they come."""
    lines: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    logging.getLogger("sharedstate").addHandler(handler := Handler())
    yield lines
    logging.getLogger("sharedstate").removeHandler(handler)
