"""The program around a driver, as the driver sees it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic

from sharedstate_core.effects import Answer, Authenticate
from sharedstate_core.messages import Message

from .operations import Operation
from .peer import P


class Host(ABC, Generic[P]):
    """The part of a transport that all its peers share. No method may wait; each may call the driver."""

    @abstractmethod
    def start(self, operation: Operation) -> None:
        """Begin a storage operation and report its outcome to `Driver.succeeded` or `Driver.failed`."""

    @abstractmethod
    def report(self, subject: Operation | P, error: Exception) -> None:
        """Receive a fault that the driver has dealt with.

        For an operation: the core has refused its result, which now counts as a failure. For a peer: a text could not
        be handled, and the peer is closed with 1011.
        """

    @abstractmethod
    def wall_time(self) -> float:
        """Return seconds since the Unix epoch; called for each input that may need the time."""

    def authenticate(self, question: Authenticate[P]) -> None:
        """Begin to find out whose connection it is; report to `Driver.authenticated` or `authentication_failed`.

        Asked only if the driver was given an `Access`.
        """
        raise NotImplementedError("a host for a driver with an Access has to authenticate")

    def answered(self, answer: Answer) -> None:
        """Receive the answer to a `Driver.put`, `get`, `subscribe` or `unsubscribe` that had an author."""

    def changed(self) -> None:
        """Note that the driver's `next_wakeup`, `is_stopped` or `has_peers` has changed."""


class BroadcastingHost(Host[P]):
    """A host that sends a message to all its readers itself, so that it can be framed once."""

    @abstractmethod
    def send(self, peers: Sequence[P], message: Message) -> None:
        """Send a message to these peers, in place of each one's `Peer.send`; a peer may leave meanwhile.

        A long one comes in pieces, which it shares with others: see `Spliced`.
        """
