"""The subscriptions of a collection that wait: for content, for its text, or for what they claim to hold already.

The rules:

1. Those that wait for content are looked at whenever there is some. Those that claim to hold a later version are looked
   at once the replica has reached it, or after a load: a change costs nothing for the others, however many there are.
2. Those that wait until something is encoded, by turns, stand together, and are not looked at before. Then they come
   first: what was encoded may not be kept for long.
3. A reader is *behind* while any of its subscriptions waits.
"""

from __future__ import annotations

from itertools import chain, islice
from math import inf
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from sharedstate_core.effects import C
from sharedstate_core.timers import Timers

from .for_text import ForText

if TYPE_CHECKING:
    from collections.abc import Hashable

    from .reader import Reader


class Read(Protocol[C]):
    """What may wait: a subscription."""

    reader: Reader[C]

    def __hash__(self) -> int: ...


S = TypeVar("S", bound=Read[Any])


class Waiting(Generic[C, S]):
    """Those that wait.

    Attributes:
        for_content: those to look at once there is content, without those that come first.
        behind: readers, with how many of their subscriptions wait.
        caught_up: readers of whom `expect` was asked, and who are not behind any more.
    """

    def __init__(self) -> None:
        self.for_content: dict[S, None] = {}
        self.behind: dict[Reader[C], int] = {}
        self.caught_up: list[Reader[C]] = []
        self._woken: dict[S, None] = {}  # come before those
        self._for_text: ForText[S] | None = None  # none as long as nobody has waited so
        self._ahead: Timers[S] = Timers()  # due at the version that each claims
        self._expected: set[Reader[C]] = set()

    def add(self, subscription: S, claimed: int | None = None) -> None:
        """Let a subscription wait, for content or for the version that it claims to hold."""
        self.discard(subscription)
        self.behind[subscription.reader] = self.behind.get(subscription.reader, 0) + 1
        if claimed is None:
            self.for_content[subscription] = None
        else:
            self._ahead.set(subscription, claimed)

    def await_text(self, subscription: S, text: Hashable) -> None:
        """Let a subscription wait until something is encoded, with all those that wait for the same."""
        if subscription in self._woken:
            del self._woken[subscription]
        else:
            if subscription not in self.for_content:
                self.add(subscription)
            del self.for_content[subscription]
        if self._for_text is None:
            self._for_text = ForText()
        self._for_text.add(subscription, text)

    def first_for_text(self) -> S | None:
        """Return one of those that wait for the text that was asked for the longest ago."""
        first = () if self._for_text is None else self._for_text.first()
        return first[0] if first else None

    def wake_first(self, most: int) -> int:
        """Look next at some that wait for the same as `first_for_text`, which is encoded; return how many."""
        if (for_text := self._for_text) is None:
            return 0
        first = for_text.first(most)
        for subscription in first:
            for_text.remove(subscription)
            self._woken[subscription] = None
        return len(first)

    def next(self, most: int) -> list[S]:
        """Return those of the ones that wait for content that are looked at next."""
        if not self.is_somebody_next:  # a dict that was full takes long to look through
            return []
        return list(islice(chain(self._woken, self.for_content), most))

    @property
    def is_somebody_next(self) -> bool:
        """Whether there are any."""
        return bool(self._woken or self.for_content)

    def discard(self, subscription: S) -> None:
        """Let a subscription wait no more, if it does."""
        if subscription in self.for_content:
            del self.for_content[subscription]
        elif subscription in self._woken:
            del self._woken[subscription]
        elif self._for_text is not None and subscription in self._for_text:
            self._for_text.remove(subscription)
        elif subscription in self._ahead:
            self._ahead.cancel(subscription)
        else:
            return
        reader = subscription.reader
        self.behind[reader] -= 1
        if not self.behind[reader]:
            del self.behind[reader]
            if reader in self._expected:
                self._expected.discard(reader)
                self.caught_up.append(reader)

    def wake(self, version: float = inf) -> None:
        """Look again at those that claim this version or an earlier one; default: at all."""
        for subscription in self._ahead.due(version):
            self.for_content[subscription] = None

    def expect(self, reader: Reader[C]) -> None:
        """Report in `caught_up` when a reader, who is behind, is not any more."""
        self._expected.add(reader)

    def take_caught_up(self) -> list[Reader[C]]:
        """Return those who have caught up, and forget them."""
        caught_up, self.caught_up = self.caught_up, []
        return caught_up
