"""Which views an item may be in: by the values that they ask for, and those that have to be asked one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sharedstate_core.filters.index_keys import values_at

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from sharedstate_core.expressions.tree import Scalar

    from .item_index import Member
    from .view import View


class ViewIndex:
    """The views of one collection.

    Attributes:
        scanned: those that have no keys: each is asked about every item.
    """

    def __init__(self) -> None:
        self._views: dict[Member, dict[Scalar, dict[View, None]]] = {}
        self.scanned: dict[View, None] = {}

    def add(self, view: View) -> None:
        """Add a view."""
        keys = view.definition.index_keys
        if keys is None:
            self.scanned[view] = None
            return
        for kind, path, value in keys:
            self._views.setdefault((kind, path), {}).setdefault(value, {})[view] = None

    def discard(self, view: View) -> None:
        """Remove a view."""
        keys = view.definition.index_keys
        if keys is None:
            del self.scanned[view]
            return
        for kind, path, value in keys:
            by_value = self._views.get((kind, path), {})
            views = by_value.get(value, {})
            views.pop(view, None)
            if not views:
                by_value.pop(value, None)
            if not by_value:
                self._views.pop((kind, path), None)

    def candidates(self, items: Iterable[Mapping[str, object] | None]) -> Collection[View]:
        """Return the views that one of these items may be in, each once."""
        if not self._views:
            return self.scanned
        found = dict(self.scanned)
        for item in items:
            if item is not None:
                for (kind, path), by_value in self._views.items():
                    for value in values_at(item, kind, path):
                        views = by_value.get(value)
                        if views is not None:
                            found.update(views)
        return found
