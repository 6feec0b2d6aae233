"""A service that cannot be used, and fails where it is told to, with a password in its words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from sharedstate_backends import ConfigurationError, StorageError
from sharedstate_backends.items_service import get_service as get_sqlite

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sharedstate_backends import Backend
    from sharedstate_core import CollectionPath, CommitResult, Cursor, Loaded, Write

MODULE = __name__


class Unopenable:
    """SQLite in memory with a fault."""

    def __init__(self, config: Mapping[str, object]) -> None:
        self._store: Backend = get_sqlite({"db_type": "sqlite"})
        self._on = config["on"]
        self._complaint = f"no {config.get('password')} today"

    async def open(self) -> None:
        if self._on == "hang":
            await anyio.sleep_forever()
        if self._on == "storage":
            raise StorageError(self._complaint)
        if self._on == "open":
            raise RuntimeError(self._complaint)

    async def close(self) -> None:
        if self._on == "close":
            raise RuntimeError(self._complaint)

    async def load(self, collection: CollectionPath, since: Cursor | None) -> Loaded:
        return await self._store.load(collection, since)

    async def commit(self, collection: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        return await self._store.commit(collection, writes)

    async def heads(self, collections: Sequence[CollectionPath]) -> Mapping[CollectionPath, Cursor]:
        return await self._store.heads(collections)

    async def collections(self, app: str) -> Sequence[str]:
        return await self._store.collections(app)


def get_service(config: Mapping[str, object]) -> Unopenable:
    """Return it, unless told to fail here."""
    if config["on"] == "make":
        raise RuntimeError(f"no {config['password']} today")
    if config["on"] == "configuration":
        raise ConfigurationError("password", f"no {config['password']} today")
    return Unopenable(config)
