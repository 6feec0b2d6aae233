"""The program around a driver, as far as the driver needs it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic

from sharedstate_core.effects import Answer

from .operations import Operation
from .peer import P


class Host(ABC, Generic[P]):
    """What a transport has for all of its peers. None of these may wait; each may call the driver."""

    @abstractmethod
    def start(self, operation: Operation) -> None:
        """Begin a storage operation, and hand what comes of it to `Driver.succeeded` or `Driver.failed`."""

    @abstractmethod
    def report(self, subject: Operation | P, error: Exception) -> None:
        """Hear of a fault that the driver has dealt with.

        Of an operation: the core has refused its result, which counts as a failure now. Of a peer: a text could not be
        handled, and the peer is closed with 1011.
        """

    @abstractmethod
    def wall_time(self) -> float:
        """Return seconds since the Unix epoch; asked with each input that may need it."""

    def answered(self, answer: Answer) -> None:
        """Hear what came of `Driver.put`, `get`, `subscribe` or `unsubscribe`, if that was given an author."""

    def changed(self) -> None:
        """Hear that `next_wakeup`, `is_stopped` or `has_peers` of the driver has changed."""


class BroadcastingHost(Host[P]):
    """A host that sends a message to all of its readers by itself: then it can be framed once."""

    @abstractmethod
    def send(self, peers: Sequence[P], message: bytes) -> None:
        """Send a message to these peers, in place of `Peer.send` of each; one may leave meanwhile."""
