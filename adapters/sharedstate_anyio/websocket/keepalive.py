"""Pings of all connections, from one task: proxies see traffic, and dead peers are detected.

A peer that has sent nothing at all since a ping, for `pong_seconds`, is closed. A peer that cannot answer because of us
or a slow line (reading is paused, or the socket is full) is not judged: other deadlines apply.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import anyio
import anyio.lowlevel

from sharedstate_core.errors import CLOSE_POLICY

from .wheel import AT_ONCE, Wheel

if TYPE_CHECKING:
    from sharedstate_anyio.config.limits import TransportLimits

TICK_SECONDS: Final = 1.0
"""Tick of the wheel, in seconds; finer if the configuration has shorter times."""


class Pinged(Protocol):
    """What keepalive needs from a connection."""

    def __hash__(self) -> int: ...

    @property
    def is_silent(self) -> bool:
        """Whether the peer has sent nothing since the last ping, though it could have."""
        ...

    def ping(self) -> bool:
        """Send a ping, unless the peer could not answer it now; return whether it was sent."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Send a close frame, and end if there is no answer."""
        ...


class KeepAlive:
    """Watches connections from their handshake to their end."""

    def __init__(self, limits: TransportLimits) -> None:
        self._ping_seconds = limits.ping_seconds
        self._pong_seconds = limits.pong_seconds
        shortest = min(limits.ping_seconds, limits.pong_seconds)
        self._wheel: Wheel[Pinged] = Wheel(max(0.01, min(TICK_SECONDS, shortest / 4)))
        # Seconds that each peer may still be silent after its next visit.
        self._awaited: dict[Pinged, float] = {}

    def watch(self, connection: Pinged) -> None:
        """Start pinging a connection."""
        if self._ping_seconds:
            self._wheel.set(connection, self._ping_seconds)

    def forget(self, connection: Pinged) -> None:
        """Stop pinging a connection, which has closed."""
        self._wheel.remove(connection)
        self._awaited.pop(connection, None)

    async def run(self) -> None:
        """Turn the wheel, until cancelled.

        One tick for each sleep, even if the loop was kept from running: peers whose answers wait to be read are not
        judged before they have been read.
        """
        while self._ping_seconds:
            await anyio.sleep(self._wheel.tick)
            for number, connection in enumerate(self._wheel.advance(), 1):
                self._visit(connection)
                if number % AT_ONCE == 0:
                    await anyio.lowlevel.checkpoint()

    def _visit(self, connection: Pinged) -> None:
        left = self._awaited.pop(connection, None)
        if left is not None and not connection.is_silent:
            left = None
            pause = self._ping_seconds - self._pong_seconds
            if pause > 0:
                self._wheel.set(connection, pause)
                return
        if left is not None and left <= 0:
            connection.close(CLOSE_POLICY, "no answer to a ping")
        elif connection.ping():
            left = self._pong_seconds if left is None else left
            pause = min(self._ping_seconds, left)
            self._awaited[connection] = left - pause
            self._wheel.set(connection, pause)
        else:
            self._wheel.set(connection, self._ping_seconds)
