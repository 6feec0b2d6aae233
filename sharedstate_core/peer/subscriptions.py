"""The subscriptions of one connection, by name, and those that are of the same collection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic

from sharedstate_core.effects import C

if TYPE_CHECKING:
    from collections.abc import Collection, ItemsView, KeysView, ValuesView

    from sharedstate_core.collection.subscription import Subscription
    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.wire.decode_subscriptions import SubscriptionName


FEW: Final = 8
"""Subscriptions of one collection that take less memory in a tuple than in a dict."""


class Subscriptions(Generic[C]):
    """A mapping; to add or to drop one costs the same, however many there are.

    Attributes:
        of: those of each collection.
    """

    __slots__ = ("_by_name", "of")

    def __init__(self) -> None:
        self._by_name: dict[SubscriptionName, Subscription[C]] = {}
        self.of: dict[CollectionPath, Collection[Subscription[C]]] = {}

    def __len__(self) -> int:
        return len(self._by_name)

    def __contains__(self, name: SubscriptionName) -> bool:
        return name in self._by_name

    def get(self, name: SubscriptionName) -> Subscription[C] | None:
        """Return the subscription of a name, if there is one."""
        return self._by_name.get(name)

    def names(self) -> KeysView[SubscriptionName]:
        """Return the name of each, in the order in which they were first listed."""
        return self._by_name.keys()

    def items(self) -> ItemsView[SubscriptionName, Subscription[C]]:
        """Return all of them, in the same order."""
        return self._by_name.items()

    def values(self) -> ValuesView[Subscription[C]]:
        """Return all of them, in the same order."""
        return self._by_name.values()

    def put(self, name: SubscriptionName, subscription: Subscription[C]) -> None:
        """Add a subscription, in the place of the one of the same name, if there is one."""
        self._forget(self._by_name.get(name))
        self._by_name[name] = subscription
        collection = subscription.collection.path
        there = self.of.get(collection, ())
        if isinstance(there, dict):
            there[subscription] = None
        elif len(there) < FEW:
            self.of[collection] = (*there, subscription)
        else:
            self.of[collection] = dict.fromkeys((*there, subscription))

    def drop(self, name: SubscriptionName) -> None:
        """Remove the subscription of a name, if there is one."""
        self._forget(self._by_name.pop(name, None))

    def clear(self) -> None:
        """Remove all of them."""
        self._by_name.clear()
        self.of.clear()

    def _forget(self, subscription: Subscription[C] | None) -> None:
        if subscription is not None:
            collection = subscription.collection.path
            there = self.of[collection]
            if len(there) == 1:
                del self.of[collection]
            elif isinstance(there, dict):
                del there[subscription]
            else:
                self.of[collection] = tuple(each for each in there if each is not subscription)
