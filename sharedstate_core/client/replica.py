"""The local copy of one collection, or of a part of it.

Items are in order of insertion: replacing one keeps its place, removing and inserting it again puts it last. What is a
part of a collection comes with places, since an item that enters may belong in the middle; there items are in ascending
order of these.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

from sharedstate_core.updates import Diff, diff

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sharedstate_core.storage import Cursor
    from sharedstate_core.updates import Update

    from .views import At

_END: Final = (inf, 0)
"""Where an item without a place goes."""


class Replica:
    """Items, and the state that they show.

    Attributes:
        items: item texts by id, in order.
        cursor: the state held, if known.
        scope: the server's name for what the user may see of it, as told last; None without one.
    """

    def __init__(self) -> None:
        self.items: dict[str, bytes] = {}
        self.cursor: Cursor | None = None
        self.scope: str | None = None
        self._places: dict[str, At] = {}

    @property
    def first(self) -> At | None:
        """The place of the first item; None if it has none."""
        return self._places.get(next(iter(self.items), ""))

    def apply(self, update: Update, places: Mapping[str, At] | None = None) -> Sequence[Diff]:
        """Apply an update as one step.

        Args:
            update: what changes.
            places: of the items that it inserts, by id; None where there are none.

        Returns:
            The diffs, one for each id that it touched. A reset gives the net difference: an unchanged item has none,
            unless it has moved behind one that it preceded.
        """
        if update.reset:
            before, self.items, self._places = self.items, {}, {}
            self._insert(update.insert, places)
            return diff(before, self.items)
        touched = {id: self.items.get(id) for id in (*update.remove, *update.insert)}
        for id in update.remove:
            self.items.pop(id, None)
            self._places.pop(id, None)
        self._insert(update.insert, places)
        found = [Diff(id, self.items.get(id), old) for id, old in touched.items()]
        return [each for each in found if each.new is not None or each.old is not None]

    def _insert(self, insert: Mapping[str, bytes], places: Mapping[str, At] | None) -> None:
        """Set items, each at its place; however many do not go to the end, all are put in order once."""
        if places is None and not self._places:
            self.items.update(insert)
            return
        items, held = self.items, self._places
        is_ordered = True
        for id, text in insert.items():
            place = None if places is None else places.get(id)
            if place is not None and held.get(id) != place:
                items.pop(id, None)
                last = next(reversed(items), None)
                is_ordered = is_ordered and (last is None or held.get(last, _END) <= place)
                held[id] = place
            items[id] = text
        if not is_ordered:
            order = sorted(items, key=lambda id: held.get(id, _END))
            self.items = {id: items[id] for id in order}
