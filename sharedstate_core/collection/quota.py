"""The quota of a collection: whether an update leaves it within its bounds of items and bytes, both optional."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sharedstate_core.errors import MismatchError
from sharedstate_core.updates import resolve

if TYPE_CHECKING:
    from sharedstate_core.items.replica import Replica
    from sharedstate_core.limits import Limits
    from sharedstate_core.updates import Update


class Quota:
    """The size of a collection once the updates admitted so far are stored.

    The replica must equal what storage holds, and every admitted update must end up stored.
    """

    def __init__(self, replica: Replica, limits: Limits) -> None:
        self._replica = replica
        self._limits = limits
        self._sizes: dict[str, int] = {}  # of the ids that admitted updates touch; 0: removed
        self._texts: dict[str, bytes | None] = {}  # of the same
        self._is_reset = False
        self._items = len(replica)
        self._bytes = replica.bytes

    def refusal(self, update: Update) -> str | None:
        """Admit an update and return None, or return a message naming the bound it would exceed.

        An update that does not make the collection larger is always admitted, and so is one whose patches do not fit,
        which storage refuses.
        """
        try:
            update = resolve(update, self._text)
        except MismatchError:
            return None
        sizes = dict.fromkeys(update.remove, 0)
        sizes.update(zip(update.insert, map(len, update.insert.values()), strict=True))
        items, length = (0, 0) if update.reset else (self._items, self._bytes)
        for id, size in sizes.items():
            before = 0 if update.reset else self._size(id)
            items += (size > 0) - (before > 0)
            length += size - before
        problem = self._problem(items, length)
        if problem is None:
            self._items, self._bytes = items, length
            if update.reset:
                self._is_reset = True
                self._sizes.clear()
                self._texts.clear()
            self._sizes.update(sizes)
            self._texts.update(dict.fromkeys(update.remove))
            self._texts.update(update.insert)
        return problem

    def _text(self, id: str) -> bytes | None:
        text = self._texts.get(id)
        if text is None and id not in self._texts and not self._is_reset:
            text = self._replica.text(id)
        return text

    def _size(self, id: str) -> int:
        size = self._sizes.get(id)
        if size is None:
            size = 0 if self._is_reset else self._replica.size(id)
        return size

    def _problem(self, items: int, length: int) -> str | None:
        most_items, most_bytes = self._limits.collection_items, self._limits.collection_bytes
        if most_items is not None and items > max(most_items, self._items):
            return f"a collection may hold at most {most_items} items"
        if most_bytes is not None and length > max(most_bytes, self._bytes):
            return f"a collection may hold at most {most_bytes} bytes of items"
        return None
