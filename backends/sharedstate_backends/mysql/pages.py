"""Loads in pages (`sharedstate_backends.paging`), each of which is one answer of the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sharedstate_backends.history.vectors import State
    from sharedstate_backends.paging import Begun
    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import Cursor, Row

    from .tables.tables import Tables
    from .wire.connection import Connection, OnConnection


class Pages:
    """One collection in pages.

    Args:
        tables: the service's tables.
        on_connection: runs work on a connection.
        doubtful: collections whose last commit has an unknown outcome, which is settled before they are read.
        collection: the collection.
    """

    def __init__(
        self,
        tables: Tables,
        on_connection: OnConnection,
        doubtful: set[CollectionPath],
        collection: CollectionPath,
    ) -> None:
        self._tables = tables
        self._on_connection = on_connection
        self._doubtful = doubtful
        self._collection = collection

    async def begin(
        self, since: Cursor | None, limit: int | None
    ) -> Begun[Mapping[CollectionPath, State]]:
        """See `Paged.begin`."""
        collection = self._collection

        async def begin(connection: Connection) -> Begun[Mapping[CollectionPath, State]]:
            if collection in self._doubtful:
                await self._tables.settle(connection, collection)
                self._doubtful.discard(collection)
            return await self._tables.load(connection, collection, since, limit)

        return await self._on_connection(begin)

    async def page(self, place: Any, upto: int, limit: int) -> tuple[list[Row], object | None]:
        """See `Paged.page`."""
        page = self._tables.page
        return await self._on_connection(lambda connection: page(connection, place, upto, limit))
