"""What the updates of one commit do to the rows that they name, before anything of it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sharedstate_core.updates import Update


class Place(NamedTuple):
    """A row without its text, as `Row` has it; `alive` is false for a tombstone."""

    created: int
    place: int
    version: int
    alive: bool


class Changes:
    """The rows of one collection that a commit names; updates are applied one after the other.

    Args:
        rows: by id, what is stored; every id that is named and absent here has no row.
        tombstones: how many the collection has.

    Attributes:
        rows: by id, what is there after the updates so far.
        texts: by id, what is to be written: the item's text, or None for a tombstone.
        emptied: whether every row that was stored goes first.
        tombstones: how many the collection has after the updates so far.
    """

    def __init__(self, rows: dict[str, Place], tombstones: int) -> None:
        self.rows = rows
        self.tombstones = tombstones
        self.texts: dict[str, bytes | None] = {}
        self.emptied = False

    def versions(self, ids: Iterable[str]) -> list[int]:
        """Return the versions of those of the ids which have a row."""
        return [self.rows[id].version for id in ids if id in self.rows]

    def apply(self, update: Update, version: int) -> None:
        """Apply an update that is no no-op; the collection has this version after it."""
        rows, texts = self.rows, self.texts
        if update.reset:
            rows.clear()
            texts.clear()
            self.emptied, self.tombstones = True, 0
        for id in update.remove:
            row = rows.get(id)
            if row is not None and row.alive:
                rows[id] = Place(0, 0, version, alive=False)
                texts[id] = None
                self.tombstones += 1
        for index, (id, text) in enumerate(update.insert.items()):
            row = rows.get(id)
            created, place = version, index
            if row is not None and row.alive:
                created, place = row.created, row.place
            elif row is not None:
                self.tombstones -= 1
            rows[id] = Place(created, place, version, alive=True)
            texts[id] = text
