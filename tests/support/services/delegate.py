"""A store in SQLite, in memory, for services of tests that do something else in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sharedstate_backends.items_service import get_service as get_sqlite

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sharedstate_backends import Backend
    from sharedstate_core import CollectionPath, CommitResult, Cursor, Loaded, Write


class Delegate:
    """Does what its SQLite does."""

    def __init__(self) -> None:
        self._store: Backend = get_sqlite({"db_type": "sqlite"})

    async def open(self) -> None:
        await self._store.open()

    async def close(self) -> None:
        await self._store.close()

    async def load(self, collection: CollectionPath, since: Cursor | None) -> Loaded:
        return await self._store.load(collection, since)

    async def commit(self, collection: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        return await self._store.commit(collection, writes)

    async def heads(self, collections: Sequence[CollectionPath]) -> Mapping[CollectionPath, Cursor]:
        return await self._store.heads(collections)

    async def collections(self, app: str) -> Sequence[str]:
        return await self._store.collections(app)
