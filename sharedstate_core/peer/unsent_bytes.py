"""Unsent bytes: what is in memory only because readers have not taken it yet, for all connections together.

The rules:

1. A message counts once, however many readers were given it: it is recognised by its identity.
2. What a reader is given before it must wait (`Limits.window_bytes`) does not count: the window bounds it already.
3. For a blocked reader, everything counts that the transport reports it keeps, broadcasts included, and so do the
   requests deferred until it reads on.
4. Beyond the bound, the readers that have made no progress for the longest are closed at once; they may come back and
   resume. The latest one stays, so one message may exceed the bound.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence, Sized

    from sharedstate_core.limits import LiveLimits

S = TypeVar("S", bound="Hashable")
"""A session."""


class UnsentBytes(Generic[S]):
    """Counts the bytes; the bound is `Limits.owed_bytes`."""

    def __init__(self, limits: LiveLimits) -> None:
        self.bytes = 0
        self._limits = limits
        self._given: OrderedDict[S, list[Sized]] = OrderedDict()  # oldest first
        self._readers: Counter[int] = Counter()  # of a message, by its identity

    def add(self, session: S, messages: Iterable[Sized]) -> None:
        """Count messages that a reader was given and must wait for to leave."""
        given = self._given.setdefault(session, [])
        for message in messages:
            given.append(message)
            self._readers[id(message)] += 1
            if self._readers[id(message)] == 1:
                self.bytes += len(message)

    def release(self, session: S) -> None:
        """Count a reader no more: it has taken everything, or is gone."""
        for message in self._given.pop(session, ()):
            self._readers[id(message)] -= 1
            if not self._readers[id(message)]:
                del self._readers[id(message)]
                self.bytes -= len(message)

    def evict(self, newest: S) -> Sequence[S]:
        """Return the readers to close, which are no longer counted; `newest` stays."""
        gone: list[S] = []
        while self.bytes > self._limits.current.owed_bytes:
            oldest = next((each for each in self._given if each is not newest), None)
            if oldest is None:
                break
            self.release(oldest)
            gone.append(oldest)
        return gone
