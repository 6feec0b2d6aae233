"""What readers have not taken yet, of all connections together: bytes that only they keep in memory.

The rules:

1. A message counts once, however many readers have been given it: it is known by its identity.
2. What a reader is given before it has to wait (`Limits.window_bytes`) does not count: it is bounded by itself.
3. Of a blocked reader all counts that the transport keeps, as the transport says, broadcasts too; and the requests
   that are put off until it reads on.
4. Beyond the bound those who have made no progress for the longest go, at once, and may come back and resume.
   The last one to come stays, so that one message may exceed the bound.
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
        self._given: OrderedDict[S, list[Sized]] = OrderedDict()  # the longest there first
        self._readers: Counter[int] = Counter()  # of a message, by its identity

    def add(self, session: S, messages: Iterable[Sized]) -> None:
        """A reader was given these, and has to wait until they have left."""
        given = self._given.setdefault(session, [])
        for message in messages:
            given.append(message)
            self._readers[id(message)] += 1
            if self._readers[id(message)] == 1:
                self.bytes += len(message)

    def release(self, session: S) -> None:
        """A reader has taken everything, or is gone."""
        for message in self._given.pop(session, ()):
            self._readers[id(message)] -= 1
            if not self._readers[id(message)]:
                del self._readers[id(message)]
                self.bytes -= len(message)

    def evict(self, newest: S) -> Sequence[S]:
        """Return who has to go, and count them no more; `newest` stays."""
        gone: list[S] = []
        while self.bytes > self._limits.current.owed_bytes:
            oldest = next((each for each in self._given if each is not newest), None)
            if oldest is None:
                break
            self.release(oldest)
            gone.append(oldest)
        return gone
