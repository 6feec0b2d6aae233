"""A connection, as the driver sees it."""

from collections.abc import Hashable
from typing import Protocol, TypeVar


class Peer(Hashable, Protocol):
    """One connection of the transport; the object itself is the core's handle for it.

    No method may wait or raise; each may call the driver.
    """

    def send(self, message: bytes) -> None:
        """Send a text message, in UTF-8; the same object may be sent to other peers."""
        ...

    def await_drain(self) -> None:
        """Call `Driver.drained` once everything sent has left."""
        ...

    def pause_reading(self) -> None:
        """Pass no more texts to the driver for now."""
        ...

    def resume_reading(self) -> None:
        """Pass texts to the driver again."""
        ...

    def close(self, code: int, reason: str, *, at_once: bool = False) -> None:
        """Close with this WebSocket close code after everything sent so far, then call `Driver.closed`.

        `at_once`: do not wait until what was sent has left, since its memory is needed.
        """
        ...


P = TypeVar("P", bound=Peer)
"""The transport's kind of peer."""
