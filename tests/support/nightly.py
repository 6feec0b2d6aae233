"""What is long and rarely fails is left to `make nightly`; the rest is run each time.

The nightly run sets ALL_TESTS=1 for every test there is, on both event loops, and HYPOTHESIS_PROFILE=nightly where
property tests try as hard as they can.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, TypeVar
from zlib import crc32

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

T = TypeVar("T")

IS_NIGHTLY: Final = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
IS_WHOLE: Final = IS_NIGHTLY or os.environ.get("ALL_TESTS") == "1"

ON_ONE_LOOP: Final = (
    "tests/adapters/auth/",
    "tests/adapters/config/",
    "tests/adapters/http/",
    "tests/adapters/logs/",
    "tests/adapters/ops/",
    "tests/adapters/server/",
    "tests/adapters/server_command/",
    "tests/adapters/storage/",
    "tests/backends/",
    "tests/client_command/",
    "tests/docs/",
)
"""Tests in which the event loop hardly matters: by day each runs on one of the two, by turns. It matters to sockets and
tasks, and to the client (`websocket/`, `net/`, `tasks/`, `python_client/`)."""

AT_NIGHT: Final = (
    "tests/adapters/server_command/test_backup.py",
    "tests/adapters/server_command/test_backup_load.py",
    "tests/adapters/storage/test_sqlite_faults.py",
    "tests/backends/mysql/test_migration_cut_off.py",
    "tests/benchmarks/test_benchmarks.py",
    "tests/core/test_growth.py",
    "tests/docs/test_moving.py",
    "tests/docs/test_storage_table.py",
)
"""The longest, each of which rarely fails alone: what it tests is touched by others, too."""


def leave_to_nightly() -> None:
    """Skip the test at hand in any other run."""
    if not IS_WHOLE:
        pytest.skip("part of `make nightly`")


def one_loop_by_day(number: int, loop: str) -> None:
    """Run the cases of a list, by their number, on the two loops by turns; in the nightly run each on both."""
    if number % 2 == (loop == "trio"):
        leave_to_nightly()


def by_day(cases: Iterable[T], every: int) -> Sequence[T]:
    """Return one of `every` so many cases, in the nightly run all of them."""
    return list(cases)[:: 1 if IS_WHOLE else every]


def is_left(item: pytest.Item) -> bool:
    """Return whether a test is left to the nightly run."""
    if IS_WHOLE:
        return False
    if item.nodeid.startswith(AT_NIGHT):
        return True
    loop = _loop(item)
    if loop is None or not item.nodeid.startswith(ON_ONE_LOOP):
        return False
    # The same test with other parameters may be on the other loop.
    return crc32(item.nodeid.replace(loop, "").encode()) % 2 == (loop == "trio")


def _loop(item: pytest.Item) -> str | None:
    parameters: dict[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
    return next((each for each in parameters.values() if each in ("asyncio", "trio")), None)
