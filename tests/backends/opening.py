"""Opening and closing stores in tests."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from sharedstate_backends import Island, StorageError
from sharedstate_backends.items_service import get_service
from sharedstate_backends.sqlite.backend import SqliteBackend

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from sharedstate_backends import Backend
    from sharedstate_backends.conformance.declaring import PutBack, SetBack


B = TypeVar("B", bound="Backend")


@asynccontextmanager
async def opened(backend: B) -> AsyncIterator[B]:
    """Open a backend, and close it whatever happens."""
    try:
        await backend.open()
        yield backend
    finally:
        await backend.close()


def copying(file: Path) -> SetBack:
    """Return what takes a copy of a file, and returns what puts it back."""

    async def take() -> PutBack:
        kept = file.read_bytes()

        async def put_back() -> None:
            file.write_bytes(kept)

        return put_back

    return take


async def problem(config: dict[str, Any]) -> str:
    """Return what opening complains of, one line."""
    with pytest.raises(StorageError) as caught:
        async with opened(get_service(config)):
            pass
    assert "\n" not in str(caught.value)
    return str(caught.value)


def sqlite(
    name: str = ":memory:",
    table: str = "items",
    *,
    synchronous: str = "FULL",
    busy_timeout: float = 5.0,
    max_tombstones: int = 10_000,
) -> Island:
    """A store in SQLite for the loop at hand."""
    backend = SqliteBackend(
        name,
        table,
        synchronous=synchronous,
        busy_timeout=busy_timeout,
        max_tombstones=max_tombstones,
    )
    return Island(backend)


def start_writing(config: Mapping[str, object], name: str, count: int) -> subprocess.Popen[str]:
    """Start a `writing_process`."""
    script = Path(__file__).with_name("writing_process.py")
    return subprocess.Popen(
        [sys.executable, script, json.dumps(config), name, str(count)],
        stdout=subprocess.PIPE,
        text=True,
    )
