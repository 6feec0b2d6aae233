"""The store of `sharedstate_core.testing`, which is not asynchronous, as a backend."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from sharedstate_core.testing import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import CommitResult, Cursor, Loaded, Write


class MemoryBackend:
    """A store for a service of any name."""

    takes_patches = True
    keeps_receipts = True

    def __init__(self, tombstones: int = 10_000) -> None:
        self._store = MemoryStore(secrets.token_urlsafe(9), tombstones=tombstones)

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def load(self, path: CollectionPath, since: Cursor | None) -> Loaded:
        return self._store.load(path._replace(service=""), since)

    async def commit(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        return self._store.commit(path._replace(service=""), writes)

    async def forget_receipts(self, before: int, most: int) -> bool:
        self._store.forget_receipts(before, most)
        return False

    async def heads(self, paths: Sequence[CollectionPath]) -> Mapping[CollectionPath, Cursor]:
        return {path: self._store.head(path._replace(service="")) for path in paths}

    async def collections(self, app: str) -> Sequence[str]:
        return self._store.collections("", app)
