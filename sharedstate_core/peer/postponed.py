"""What a connection has asked for and cannot be carried out yet, since something else has to be over first.

It is not known whose it is, or what that user may see; or an earlier request is carried out by turns.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic

from sharedstate_core.effects import C

if TYPE_CHECKING:
    from sharedstate_core.collection.reader import Deferred


class Postponed(Generic[C]):
    """The requests that wait, in order.

    Attributes:
        bytes: approximate memory of it.
    """

    __slots__ = ("_waiting", "bytes")

    def __init__(self) -> None:
        self._waiting: deque[Deferred[C]] = deque()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, deferred: Deferred[C]) -> None:
        """Let something wait."""
        self._waiting.append(deferred)
        self.bytes += len(deferred)

    def take(self) -> deque[Deferred[C]]:
        """Remove and return all that waits."""
        taken, self._waiting, self.bytes = self._waiting, deque(), 0
        return taken
