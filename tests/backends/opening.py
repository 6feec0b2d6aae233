"""Opening and closing stores in tests."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from sharedstate_backends import Island
from sharedstate_backends.sqlite import SqliteBackend

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sharedstate_backends import Backend


B = TypeVar("B", bound="Backend")


@asynccontextmanager
async def opened(backend: B) -> AsyncIterator[B]:
    """Open a backend, and close it whatever happens."""
    try:
        await backend.open()
        yield backend
    finally:
        await backend.close()


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
