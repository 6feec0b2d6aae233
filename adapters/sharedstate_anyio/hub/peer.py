"""A peer, as far as the hub needs to know: a connection is one."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from sharedstate_anyio.websocket.frames import text_frame
from sharedstate_anyio.websocket.writer import Writer

if TYPE_CHECKING:
    from sharedstate_anyio.auth import AuthRequest
    from sharedstate_anyio.auth.identity import Voucher


class Peer(Writer):
    """A `sharedstate_core.driver.Peer`: the handle under which the core knows a connection."""

    __slots__ = ("vouchers",)

    proof: AuthRequest | None
    """What its handshake shows of whose it is."""

    vouchers: tuple[Voucher, ...]
    """What vouches for its user."""

    def send(self, message: bytes) -> None:
        """Send a text message to this peer alone."""
        self.send_frame(text_frame(message))

    @abstractmethod
    def pause_reading(self) -> None:
        """Stop reading messages."""

    @abstractmethod
    def resume_reading(self) -> None:
        """Read messages again."""

    @abstractmethod
    def close(self, code: int, reason: str, *, at_once: bool = False) -> None:
        """Send a close frame, and end if there is no answer; `at_once`: without what is queued before it."""
