"""Loads in pages: what a collection holds at one moment, read in many short transactions.

A page is read by a thread, or by a driver, at a stretch; between pages everybody else has turns, also with the store. A
row that changes gets a version above all others. So, in the order of versions, pages up to the version of the first one
hold all that has not changed since; one more transaction at the end brings what has, and the moment is that one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, NamedTuple, Protocol, TypeVar

from msgspec.structs import replace

from sharedstate_core.portions import Portions
from sharedstate_core.storage import Cursor

if TYPE_CHECKING:
    from sharedstate_core.storage import Loaded, Row

H = TypeVar("H")
"""What a store has to know of the heads that were read."""

PAGE_ROWS: Final = 1_000
"""Rows of a page: some milliseconds for those who wait for the interpreter."""

ATTEMPTS: Final = 3
"""How often pages are read before all is read at a stretch: removals that are forgotten meanwhile cost an attempt."""


class Begun(NamedTuple, Generic[H]):
    """The first page of a load.

    Attributes:
        loaded: what there is at this moment, with the rows of the page.
        heads: what was read of heads in the same transaction.
        place: where the page ends; None if there is no more.
    """

    loaded: Loaded
    heads: H
    place: object | None


class Paged(Protocol[H]):
    """How a store reads one collection; each call is a transaction."""

    async def begin(self, since: Cursor | None, limit: int | None) -> Begun[H]:
        """Read the head, and at most `limit` rows by version: those after `since` if that is known, else all."""
        ...

    async def page(self, place: object, upto: int, limit: int) -> tuple[list[Row], object | None]:
        """Return the next rows after a place, up to the version `upto`, and where they end, or None if they do."""
        ...


async def load(store: Paged[H], since: Cursor | None, size: int | None = None) -> tuple[Loaded, H]:
    """Return the result of `Backend.load`, and its heads; `size` is that of a page, by default `PAGE_ROWS`."""
    size = size or PAGE_ROWS
    for _ in range(ATTEMPTS):
        first, heads, place = await store.begin(since, size)
        if place is None:
            return first, heads
        upto, pages = first.version, [list(first.rows)]
        while place is not None:
            rows, place = await store.page(place, upto, size)
            pages.append(rows)
        last, heads, _ = await store.begin(Cursor(first.epoch, upto), None)
        if last.base is None or (first.base is not None and last.horizon > first.base):
            continue  # another epoch, or removals that are forgotten
        changed = {row.id for row in last.rows}
        if changed:
            pages = [[row for row in page if row.id not in changed] for page in pages]
        return replace(last, rows=Portions([*pages, list(last.rows)]), base=first.base), heads
    loaded, heads, _ = await store.begin(since, None)
    return loaded, heads
