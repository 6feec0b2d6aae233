"""A peer, as far as the hub needs to know: a connection is one."""

from __future__ import annotations

from abc import abstractmethod

from sharedstate_anyio.websocket.writer import Outgoing


class Peer(Outgoing):
    """The handle under which the core knows it; it carries out what the core wants of it."""

    __slots__ = ()

    @abstractmethod
    def pause_reading(self) -> None:
        """Take no more messages for now."""

    @abstractmethod
    def resume_reading(self) -> None:
        """Take messages again."""

    @abstractmethod
    def close(self, code: int, reason: str) -> None:
        """Say goodbye, and end if there is no answer."""
