"""A service whose commits always fail, and whose errors tell too much."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sharedstate_backends import StorageError
from sharedstate_backends.items_service import get_service as get_sqlite

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sharedstate_backends import Backend
    from sharedstate_core import CollectionPath, CommitResult, Cursor, Loaded, Write

MODULE = __name__


class Babbler:
    """SQLite in memory that refuses every commit.

    Args:
        config: `complaint`: the error's text; `fault`: raise what no service should.
    """

    def __init__(self, config: Mapping[str, object]) -> None:
        self._store: Backend = get_sqlite({"db_type": "sqlite"})
        self._complaint = str(config["complaint"])
        self._fault = bool(config.get("fault"))

    async def open(self) -> None:
        await self._store.open()

    async def close(self) -> None:
        await self._store.close()

    async def load(self, collection: CollectionPath, since: Cursor | None) -> Loaded:
        return await self._store.load(collection, since)

    async def commit(self, collection: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        assert writes, collection
        raise RuntimeError(self._complaint) if self._fault else StorageError(self._complaint)

    async def heads(self, collections: Sequence[CollectionPath]) -> Mapping[CollectionPath, Cursor]:
        return await self._store.heads(collections)

    async def collections(self, app: str) -> Sequence[str]:
        return await self._store.collections(app)


def get_service(config: Mapping[str, object]) -> Babbler:
    """Return a new one."""
    return Babbler(config)
