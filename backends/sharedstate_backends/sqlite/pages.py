"""Loads in pages (`sharedstate_backends.paging`), each of which is one call of a thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sharedstate_backends.history.vectors import State
    from sharedstate_backends.paging import Begun
    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import Cursor, Row

    from .tables import Tables
    from .threads import Threads


class Pages:
    """One collection in pages."""

    def __init__(self, tables: Tables, threads: Threads, collection: CollectionPath) -> None:
        self._tables = tables
        self._threads = threads
        self._collection = collection

    async def begin(
        self, since: Cursor | None, limit: int | None
    ) -> Begun[Mapping[CollectionPath, State]]:
        """See `Paged.begin`."""
        load = self._tables.load
        return await self._threads.read(lambda cursor: load(cursor, self._collection, since, limit))

    async def page(self, place: Any, upto: int, limit: int) -> tuple[list[Row], object | None]:
        """See `Paged.page`."""
        page = self._tables.page
        return await self._threads.read(lambda cursor: page(cursor, place, upto, limit))
