"""The subscriptions of a collection that wait until something is encoded, by turns: together, if it is the same."""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

S = TypeVar("S", bound="Hashable")


class ForText(Generic[S]):
    """Those that wait for a text."""

    __slots__ = ("_groups", "_texts")

    def __init__(self) -> None:
        self._groups: OrderedDict[Hashable, OrderedDict[S, None]] = OrderedDict()  # by the text
        self._texts: dict[S, Hashable] = {}

    def __contains__(self, subscription: S) -> bool:
        return subscription in self._texts

    def __iter__(self) -> Iterator[S]:
        return iter(self._texts)

    def add(self, subscription: S, text: Hashable) -> None:
        """Let a subscription wait for a text."""
        self._texts[subscription] = text
        self._groups.setdefault(text, OrderedDict())[subscription] = None

    def remove(self, subscription: S) -> None:
        """Let it wait no more."""
        text = self._texts.pop(subscription)
        group = self._groups[text]
        del group[subscription]
        if not group:
            del self._groups[text]

    def first(self, most: int = 1) -> list[S]:
        """Return some of those that wait for the text that was asked for the longest ago; none if nobody waits."""
        for group in self._groups.values():
            return list(islice(group, most))
        return []
