"""Stores for the tests; the cases run on asyncio and on trio."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.mariadb import MariaDb

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
