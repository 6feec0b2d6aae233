"""The items of a view that were inserted last: those shown, and some before them that are next if one of these goes."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sharedstate_core.items.entry import Entry

SPARE: Final = 64
"""Items that are remembered at least beside those shown: one or more, so that it is known whether there are others."""

PLACE_BYTES: Final = 200
"""Approximate memory that each item takes that is known, in the window or before it."""

Place: TypeAlias = "tuple[int, int, str]"
"""Where an item stands in the order of insertion: `created`, `place`, and its id."""


def place_of(entry: Entry) -> Place:
    """Return where an item stands."""
    return entry.created, entry.place, entry.id


class Window:
    """The newest items of which a definition is true.

    Args:
        last: how many are shown.
        newest: places of the newest ones, in any order: all of them, or at least `last + SPARE`.
        is_complete: whether these are all.
    """

    def __init__(self, last: int, newest: Iterable[Place], *, is_complete: bool) -> None:
        self._last = last
        self._places = sorted(newest)
        self._by_id = {place[2]: place for place in self._places}
        self._is_complete = is_complete
        self._shown: frozenset[str] | None = None
        self._trim()

    def __len__(self) -> int:
        """Number of items that are known, in the window and before it."""
        return len(self._places)

    @property
    def needs_more(self) -> bool:
        """Whether it is not known if there are older ones than those shown: some that were known have gone."""
        return not self._is_complete and len(self._places) <= self._last

    @property
    def has_more(self) -> bool:
        """Whether there are older ones than those shown, unless it `needs_more` to know that."""
        return len(self._places) > self._last

    @property
    def shown(self) -> frozenset[str]:
        """The ids of those shown."""
        if self._shown is None:
            self._shown = frozenset(place[2] for place in self._places[-self._last :])
        return self._shown

    def move(self, id: str, place: Place | None) -> None:
        """Take in where an item stands of which the definition is true; None: it is not, or is not any more.

        One that stands before those that are remembered is not taken in.
        """
        places, known = self._places, self._by_id.get(id)
        if known == place:
            return
        if known is not None:
            del self._by_id[id], places[bisect_left(places, known)]
            self._shown = None
        if place is not None and (self._is_complete or (places and place > places[0])):
            insort(places, place)
            self._by_id[id] = place
            self._shown = None
            self._trim()

    def _trim(self) -> None:
        """Forget the oldest if many more are known than are shown."""
        beyond = len(self._places) - 2 * (self._last + SPARE)
        if beyond > 0:
            for place in self._places[: beyond + SPARE]:
                del self._by_id[place[2]]
            del self._places[: beyond + SPARE]
            self._is_complete = False
