"""A database that is set back, as the tests of that do it, and what its stores then tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from sharedstate_backends import Island
from sharedstate_backends.conformance.model import path, put, write_all
from sharedstate_core.storage import Cursor, Write
from sharedstate_core.updates import Update

if TYPE_CHECKING:
    from sharedstate_backends import Backend
    from tests.backends.restoring import Restorable

P = path()
"""The collection that is written to."""


async def cursor(backend: Backend) -> Cursor:
    """Look at the head of `P`."""
    return (await backend.heads([P]))[P]


async def ids(backend: Backend) -> set[str]:
    """Return the ids in `P`."""
    return {row.id for row in (await backend.load(P, None)).rows if row.text is not None}


def guard_of(backend: Backend) -> Any:
    """Return what a store remembers of what it has told."""
    assert isinstance(backend, Island)
    return cast("Any", backend.backend)._guard


async def set_back(backend: Backend, database: Restorable, writes: int = 1) -> Cursor:
    """Write item `one`, then item `lost`, which a backup put back afterwards does not hold.

    Args:
        backend: an open store.
        database: where it stores.
        writes: how often each of them is written.

    Returns:
        The head that is lost.
    """
    await write_all(backend, P, *[put("one")] * writes)
    backup = database.take()
    await write_all(backend, P, *[put("lost")] * writes)
    before = await cursor(backend)
    database.put_back(backup)
    return before


async def look(backend: Backend) -> str:
    """Look at nothing in particular, as a server does that nobody watches; return the epoch that it is in."""
    await backend.heads([])
    return (await cursor(backend)).epoch


async def load(backend: Backend) -> str:
    """Load everything; return the epoch that it is in."""
    return (await backend.load(P, None)).epoch


async def commit(backend: Backend) -> str:
    """Write an item; return the epoch that it is in."""
    return (await backend.commit(P, [Write(put("new"))])).epoch


async def commit_nothing(backend: Backend) -> str:
    """Commit an update that says nothing; return the epoch that is told."""
    return (await backend.commit(P, [Write(Update())])).epoch
