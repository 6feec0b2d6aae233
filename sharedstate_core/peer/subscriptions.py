"""The subscriptions of one connection, by path as spelled, and those that are of the same collection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

from sharedstate_core.effects import C

if TYPE_CHECKING:
    from collections.abc import ItemsView, KeysView, ValuesView

    from sharedstate_core.collection.subscribers import Subscription
    from sharedstate_core.paths import CollectionPath


class Subscriptions(Generic[C]):
    """A mapping; to add or to drop one costs the same, however many there are.

    Attributes:
        of: those of each collection.
    """

    __slots__ = ("_by_path", "of")

    def __init__(self) -> None:
        self._by_path: dict[str, Subscription[C]] = {}
        self.of: dict[CollectionPath, tuple[Subscription[C], ...]] = {}

    def __len__(self) -> int:
        return len(self._by_path)

    def __contains__(self, path: str) -> bool:
        return path in self._by_path

    def get(self, path: str) -> Subscription[C] | None:
        """Return the subscription to a path, if there is one."""
        return self._by_path.get(path)

    def paths(self) -> KeysView[str]:
        """Return the path of each, in the order in which they were first listed."""
        return self._by_path.keys()

    def items(self) -> ItemsView[str, Subscription[C]]:
        """Return all of them, in the same order."""
        return self._by_path.items()

    def values(self) -> ValuesView[Subscription[C]]:
        """Return all of them, in the same order."""
        return self._by_path.values()

    def put(self, path: str, subscription: Subscription[C]) -> None:
        """Add a subscription, in the place of the one to the same path, if there is one."""
        self._forget(self._by_path.get(path))
        self._by_path[path] = subscription
        collection = subscription.collection.path
        self.of[collection] = (*self.of.get(collection, ()), subscription)

    def drop(self, path: str) -> None:
        """Remove the subscription to a path, if there is one."""
        self._forget(self._by_path.pop(path, None))

    def clear(self) -> None:
        """Remove all of them."""
        self._by_path.clear()
        self.of.clear()

    def _forget(self, subscription: Subscription[C] | None) -> None:
        if subscription is not None:
            collection = subscription.collection.path
            others = tuple(each for each in self.of.pop(collection) if each is not subscription)
            if others:
                self.of[collection] = others
