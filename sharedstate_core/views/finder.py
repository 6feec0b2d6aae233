"""Finding the items of a collection that a view shows: all of them, or the newest, by portions.

Where the definition asks for values, an index yields those that have them, and only these are looked at; it is built
when first needed.
"""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING

from sharedstate_core.items.runs import Runs
from sharedstate_core.items.source import TURN_BYTES
from sharedstate_core.wire.item_text import decode_item

from .portions import portions
from .window import SPARE, Window, place_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from sharedstate_core.filters.index_keys import IndexKey
    from sharedstate_core.items.entry import Entry
    from sharedstate_core.items.replica import Replica
    from sharedstate_core.limits import Limits

    from .definition import Definition
    from .item_index import ItemIndex


class Finder:
    """Finds the items that one view shows.

    Args:
        definition: what it shows.
        index: finds items of the collection by their values.
    """

    __slots__ = ("_definition", "_index")

    def __init__(self, definition: Definition, index: ItemIndex) -> None:
        self._definition = definition
        self._index = index

    def holds(self, entry: Entry) -> bool:
        """Return whether the definition is true of an item."""
        definition = self._definition
        before = definition.before
        if before is not None and (entry.created, entry.place) >= before:
            return False
        return definition.shows_all or definition.holds(decode_item(entry.text))

    def find(self, content: Replica, size: int) -> Generator[None, None, list[Entry]]:
        """Find, by portions, all items of which the definition is true, in any order."""
        found: list[Entry] = []
        for portion in (yield from self._looked_through(content, size)):
            found += filter(self.holds, portion)
            yield
        return found

    def find_newest(self, content: Replica, size: int) -> Generator[None, None, Window]:
        """Find, by portions, the newest items of which the definition is true."""
        last = self._definition.last or 0
        found: list[Entry] = []
        is_complete = True
        for portion in (yield from self._looked_through(content, size, newest_first=True)):
            found += filter(self.holds, portion)
            if len(found) >= last + SPARE:
                is_complete = False
                break
            yield
        return Window(last, map(place_of, found), is_complete=is_complete)

    def evaluated(self, size: int) -> int:
        """Return how many items may be looked at in one turn, if it is `size` where that is easy."""
        return max(1, size // self._definition.weight)

    # --- how much that is -------------------------------------------------------------------------

    def number(self, content: Replica) -> int:
        """Return how many items are looked at to find all."""
        keys = self._definition.index_keys
        if keys is not None and self._index.has(keys):
            return self._index.number(keys)
        return len(content)

    def is_much(self, content: Replica, limits: Limits) -> bool:
        """Return whether it may be too much for one turn to find and to encode all."""
        if self.number(content) * self._definition.weight > limits.turn_items:
            return True
        keys = self._definition.index_keys
        if keys is not None and self._index.has(keys):
            return are_long(content, self._index.ids(keys))
        return content.bytes > TURN_BYTES

    # --- the candidates ---------------------------------------------------------------------------

    def _looked_through(
        self, content: Replica, size: int, *, newest_first: bool = False
    ) -> Generator[None, None, Iterator[list[Entry]]]:
        """Return, by portions, the items of which the definition may be true."""
        keys = self._definition.index_keys
        entries: Iterator[Entry]
        if keys is not None and not (yield from self._index.build(keys, content, size)):
            keys = None
        if keys is None or (newest_first and self._is_frequent(content, keys)):
            entries = content.entries(newest_first=newest_first)
        else:
            known = map(content.entry, self._index.ids(keys))
            entries = (entry for entry in known if entry is not None)
            if newest_first:
                runs: Runs[Entry] = Runs(_newest_first)
                while some := list(islice(entries, size)):
                    runs.add(some)
                    yield
                entries = chain.from_iterable(runs.portions(size))
        return portions(entries, self.evaluated(size))

    def _is_frequent(self, content: Replica, keys: Sequence[IndexKey]) -> bool:
        """Return whether the newest items are found sooner among all than among those that have these keys."""
        number, wanted = self._index.number(keys), (self._definition.last or 0) + SPARE
        return 2 * wanted * len(content) < number * number


def are_long(content: Replica, ids: Iterable[str]) -> bool:
    """Return whether some items, no more than one turn takes, are too long for one turn."""
    return content.bytes > TURN_BYTES and sum(map(content.size, ids)) > TURN_BYTES


def _newest_first(entry: Entry) -> tuple[int, int]:
    """The key by which items come in the opposite of their order."""
    return -entry.created, -entry.place
