"""Which views an item may be in: by the values that they ask for, and those that have to be asked one by one.

Each changed item is looked up by every member that a view asks for, and each member has an index of all items. So there
are few of them: a view that asks for one more is asked about every item.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sharedstate_core.filters.index_keys import values_at

from .item_index import members_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sharedstate_core.expressions.tree import Scalar
    from sharedstate_core.filters.index_keys import IndexKey

    from .item_index import Member
    from .view import View

MAX_MEMBERS: Final = 32
"""Maximum number of different members by which the views of one collection are found."""


class ViewIndex:
    """The views of one collection.

    Attributes:
        scanned: those that have no keys, or keys of too many members: each is asked about every item.
    """

    def __init__(self) -> None:
        self._views: dict[Member, dict[Scalar, dict[View, None]]] = {}
        self.scanned: dict[View, None] = {}

    @property
    def looks_up(self) -> bool:
        """Whether there are others, which `candidates` finds."""
        return bool(self._views)

    def takes(self, keys: Sequence[IndexKey] | None) -> bool:
        """Return whether a view with these keys is found by them, if it is added now."""
        return keys is not None and len(self._views.keys() | members_of(keys)) <= MAX_MEMBERS

    def add(self, view: View) -> Sequence[IndexKey]:
        """Add a view, and return the keys by which it is found."""
        keys = view.definition.index_keys
        if keys is None or not self.takes(keys):
            self.scanned[view] = None
            return ()
        for kind, path, value in keys:
            self._views.setdefault((kind, path), {}).setdefault(value, {})[view] = None
        return keys

    def discard(self, view: View) -> Sequence[IndexKey]:
        """Remove a view, and return the keys by which it was found."""
        keys = view.definition.index_keys
        if keys is None or view in self.scanned:
            del self.scanned[view]
            return ()
        for kind, path, value in keys:
            by_value = self._views.get((kind, path), {})
            views = by_value.get(value, {})
            views.pop(view, None)
            if not views:
                by_value.pop(value, None)
            if not by_value:
                self._views.pop((kind, path), None)
        return keys

    def candidates(self, items: Iterable[Mapping[str, object] | None]) -> Collection[View]:
        """Return the views that one of these items may be in, each once."""
        found = dict(self.scanned)
        for item in items:
            if item is not None:
                for (kind, path), by_value in self._views.items():
                    for value in values_at(item, kind, path):
                        views = by_value.get(value)
                        if views is not None:
                            found.update(views)
        return found
