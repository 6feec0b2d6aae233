"""What a reader is owed that cannot take it now, in order.

A subscription costs its cursor and no more. A reply is held, and its bytes are counted. A read, and what was asked
after it, is carried out later, and what it keeps in memory until then is counted, too.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic

from sharedstate_core.collection.reader import Deferred
from sharedstate_core.effects import C

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence, Sized

    from sharedstate_core.collection.subscribers import Subscription


class HeldReply:
    """A reply that waits for the reader."""

    __slots__ = ("message",)
    __match_args__ = ("message",)

    def __init__(self, message: bytes) -> None:
        self.message = message


class Backlog(Generic[C]):
    """The queue of one connection.

    Attributes:
        held_bytes: of all replies that are held.
        requests: that are deferred.
    """

    __slots__ = ("_queue", "held_bytes", "requests")

    def __init__(self) -> None:
        self.held_bytes = 0
        self.requests = 0
        self._queue: OrderedDict[HeldReply | Deferred[C] | Subscription[C], None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._queue)

    def __iter__(self) -> Iterator[HeldReply | Deferred[C] | Subscription[C]]:
        return iter(self._queue)

    def __contains__(self, subscription: Subscription[C]) -> bool:
        return subscription in self._queue

    def add(self, subscription: Subscription[C]) -> None:
        """Owe a subscription what brings it to now, in the place that it has if it has one."""
        self._queue.setdefault(subscription)

    def discard(self, subscription: Subscription[C]) -> None:
        """Owe a subscription nothing any more."""
        self._queue.pop(subscription, None)

    def hold(self, reply: bytes) -> None:
        """Keep a reply."""
        self._queue[HeldReply(reply)] = None
        self.held_bytes += len(reply)

    def defer(self, deferred: Deferred[C], *, first: bool = False) -> None:
        """Put something off; `first`: before all that is in the queue."""
        self.requests += deferred.requests
        self._queue[deferred] = None
        if first:
            self._queue.move_to_end(deferred, last=False)

    def take(self) -> HeldReply | Deferred[C] | Subscription[C]:
        """Take out what is next."""
        owed, _ = self._queue.popitem(last=False)
        if isinstance(owed, HeldReply):
            self.held_bytes -= len(owed.message)
        elif isinstance(owed, Deferred):
            self.requests -= owed.requests
        return owed

    def kept(self) -> Sequence[Sized]:
        """Return what keeps memory: messages of held replies, and what is put off."""
        kept: list[Sized] = []
        for each in self._queue:
            if isinstance(each, HeldReply):
                kept.append(each.message)
            elif isinstance(each, Deferred):
                kept.append(each)
        return kept
