"""A connection, as far as the driver needs to know it."""

from collections.abc import Hashable
from typing import Protocol, TypeVar


class Peer(Hashable, Protocol):
    """One connection of the transport; the object itself is the core's handle of it.

    None of these may wait, or raise. Each may call the driver.
    """

    def send(self, message: bytes) -> None:
        """Send a text message, which is UTF-8; other peers may be sent the same object."""
        ...

    def await_drain(self) -> None:
        """Call `Driver.drained` when all that was sent has left."""
        ...

    def pause_reading(self) -> None:
        """Give the driver no more texts for now."""
        ...

    def resume_reading(self) -> None:
        """Give the driver texts again."""
        ...

    def close(self, code: int, reason: str, *, at_once: bool = False) -> None:
        """Close with this WebSocket close code after all that was sent, then call `Driver.closed`.

        `at_once`: without waiting for what was sent, whose memory is needed.
        """
        ...


P = TypeVar("P", bound=Peer)
"""The transport's kind of peer."""
