"""The backlog of a blocked reader: what it is owed, in order.

A subscription costs nothing but its cursor. A reply is held and its bytes are counted. A read, and every request after
it, is deferred, and the memory it takes until then is counted too.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic

from sharedstate_core.collection.reader import Deferred
from sharedstate_core.effects import C
from sharedstate_core.messages import pieces_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence, Sized

    from sharedstate_core.collection.subscription import Subscription
    from sharedstate_core.messages import Message


class HeldReply:
    """A reply that waits for the reader."""

    __slots__ = ("message",)
    __match_args__ = ("message",)

    def __init__(self, message: Message) -> None:
        self.message = message


class Backlog(Generic[C]):
    """The queue of one connection.

    Attributes:
        held_bytes: total bytes of the held replies.
        requests: number of deferred requests.
    """

    __slots__ = ("_kept", "_queue", "held_bytes", "requests")

    def __init__(self) -> None:
        self._kept = 0  # number of those that take memory
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
        """Owe a subscription its net change, keeping its place in the queue if it has one."""
        self._queue.setdefault(subscription)

    def discard(self, subscription: Subscription[C]) -> None:
        """Remove a subscription from the queue, if it is there."""
        self._queue.pop(subscription, None)

    def hold(self, reply: Message) -> None:
        """Add a reply to the queue."""
        self._queue[HeldReply(reply)] = None
        self._kept += 1
        self.held_bytes += len(reply)

    def defer(self, deferred: Deferred[C], *, first: bool = False) -> None:
        """Defer something; with `first`, ahead of everything in the queue."""
        self.requests += deferred.requests
        self._kept += 1
        self._queue[deferred] = None
        if first:
            self._queue.move_to_end(deferred, last=False)

    def take(self) -> HeldReply | Deferred[C] | Subscription[C]:
        """Remove and return the head of the queue."""
        owed, _ = self._queue.popitem(last=False)
        self._kept -= isinstance(owed, HeldReply | Deferred)
        if isinstance(owed, HeldReply):
            self.held_bytes -= len(owed.message)
        elif isinstance(owed, Deferred):
            self.requests -= owed.requests
        return owed

    def kept(self) -> Sequence[Sized]:
        """Return everything that takes memory: the messages of held replies, and what is deferred."""
        kept: list[Sized] = []
        for each in self._queue if self._kept else ():
            if isinstance(each, HeldReply):
                kept.extend(pieces_of((each.message,)))
            elif isinstance(each, Deferred):
                kept.append(each)
        return kept
