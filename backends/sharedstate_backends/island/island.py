"""Runs a backend that needs asyncio within a server on trio.

On asyncio every call goes straight to the backend. On trio `open` starts an asyncio loop within trio's, the island, on
which the backend runs until `close` (see `guest`).

On trio a cancelled caller waits until the operation has ended, so that its result is never lost.
"""

import asyncio
from collections.abc import Callable, Container, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, cast

import anyio

from sharedstate_backends.contract import (
    Backend,
    Doubting,
    KeepingReceipts,
    ListingApps,
    ListingPages,
    Measurable,
    NotOfferedError,
    Probing,
    Pruning,
    StorageError,
    Surveying,
)
from sharedstate_backends.legacy.migration import Migratable, Migrated, Tell
from sharedstate_backends.pages import page_of
from sharedstate_core.paths import CollectionPath
from sharedstate_core.storage import CommitResult, Cursor, Loaded, Write

if TYPE_CHECKING:
    from .guest import GuestLoop  # it needs trio

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Island:
    """A `Backend` for any loop around one that needs asyncio.

    Args:
        backend: the backend, not yet open. It may use all of asyncio, but its constructor runs outside of the loop:
            what belongs to a loop must be made in its `open`.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._opened = False
        self._guest: GuestLoop | None = None

    async def open(self) -> None:
        """Open the backend, on this loop if it is asyncio, or else on a new island.

        Raises:
            StorageError: from the backend.
        """
        if not _on_asyncio():
            from .guest import GuestLoop  # noqa: PLC0415 (it needs trio)

            self._guest = GuestLoop()
        self._opened = True
        await self._run(self._backend.open)

    async def close(self) -> None:
        """Close the backend, then end the island."""
        if not self._opened:
            return
        with anyio.CancelScope(shield=True):
            try:
                await self._run(self._backend.close)
            finally:
                self._opened = False
                guest, self._guest = self._guest, None
                if guest is not None:
                    await guest.close()

    @property
    def backend(self) -> Backend:
        """The wrapped backend, for use on asyncio without the island."""
        return self._backend

    @property
    def takes_patches(self) -> bool:
        """See `Patching`."""
        return getattr(self._backend, "takes_patches", False) is True

    @property
    def keeps_receipts(self) -> bool:
        """See `KeepingReceipts`."""
        return getattr(self._backend, "keeps_receipts", False) is True

    async def forget_receipts(self, before: int, most: int) -> bool:
        """See `KeepingReceipts.forget_receipts`; False if the backend does not have it."""
        if not hasattr(self._backend, "forget_receipts"):
            return False
        receipts = cast("KeepingReceipts", self._backend)
        return await self._run(receipts.forget_receipts, before, most)

    async def missing(self) -> str | None:
        """See `Surveying.missing`; None if the backend does not have it."""
        if getattr(self._backend, "missing", None) is None:
            return None
        look = cast("Surveying", self._backend).missing
        if _on_asyncio():
            return await look()
        from .guest import GuestLoop  # noqa: PLC0415 (it needs trio)

        guest = GuestLoop()
        try:
            return await guest.call(look)
        finally:
            with anyio.CancelScope(shield=True):
                await guest.close()

    async def migrate(self, tell: Tell) -> Migrated | None:
        """See `Migratable.migrate`, if the backend has it; on asyncio only."""
        migrate = getattr(self._backend, "migrate", None)
        return None if migrate is None else await cast("Migratable", self._backend).migrate(tell)

    async def load(self, collection: CollectionPath, since: Cursor | None) -> Loaded:
        """See `Backend.load`."""
        return await self._run(self._backend.load, collection, since)

    async def commit(self, collection: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        """See `Backend.commit`."""
        return await self._run(self._backend.commit, collection, writes)

    async def heads(self, collections: Sequence[CollectionPath]) -> Mapping[CollectionPath, Cursor]:
        """See `Backend.heads`."""
        return await self._run(self._backend.heads, collections)

    async def collections(self, app: str) -> Sequence[str]:
        """See `Backend.collections`."""
        return await self._run(self._backend.collections, app)

    async def doubt(self, collection: CollectionPath, cursor: Cursor) -> None:
        """See `Doubting.doubt`, if the backend has it."""
        if hasattr(self._backend, "doubt"):
            await self._run(cast("Doubting", self._backend).doubt, collection, cursor)

    async def apps(self) -> Sequence[str]:
        """See `ListingApps.apps`.

        Raises:
            NotOfferedError: the backend does not have it.
        """
        if not hasattr(self._backend, "apps"):
            raise NotOfferedError("cannot tell which apps it has")
        return await self._run(cast("ListingApps", self._backend).apps)

    async def collections_page(self, app: str, after: str, limit: int) -> Sequence[str]:
        """See `ListingPages.collections_page`; the page of a whole list if the backend does not have it."""
        if not hasattr(self._backend, "collections_page"):
            return page_of(await self.collections(app), after, limit)
        pages = cast("ListingPages", self._backend)
        return await self._run(pages.collections_page, app, after, limit)

    async def apps_page(self, after: str, limit: int) -> Sequence[str]:
        """See `ListingPages.apps_page`; the page of a whole list if the backend does not have it.

        Raises:
            NotOfferedError: the backend lists no apps.
        """
        if not hasattr(self._backend, "apps_page"):
            return page_of(await self.apps(), after, limit)
        return await self._run(cast("ListingPages", self._backend).apps_page, after, limit)

    async def prune(self, service: str, used: Container[CollectionPath]) -> bool:
        """See `Pruning.prune`; False if the backend does not have it."""
        if not hasattr(self._backend, "prune"):
            return False
        return await self._run(cast("Pruning", self._backend).prune, service, used)

    async def probe(self) -> None:
        """See `Probing.probe`, if the backend has it."""
        probe = getattr(self._backend, "probe", None)
        if probe is not None:
            await self._run(cast("Probing", self._backend).probe)

    async def sizes(self) -> Mapping[str, int]:
        """See `Measurable.sizes`; empty if the backend does not have it."""
        if getattr(self._backend, "sizes", None) is None:
            return {}
        return await self._run(cast("Measurable", self._backend).sizes)

    async def _run(self, call: Callable[[*Ts], Coroutine[Any, Any, T]], *args: *Ts) -> T:
        if not self._opened:
            raise StorageError("the store is not open")
        if self._guest is None:
            return await call(*args)
        return await self._guest.call(call, *args)


def _on_asyncio() -> bool:
    try:
        return asyncio.current_task() is not None
    except RuntimeError:
        return False
