"""Until when readers who cannot take more have to catch up.

A reader is waited for since the transport said so (`connection_blocked`), or since the core asked to hear when all has
left (`AwaitDrain`): a transport that forgets to answer loses the connection, and does not keep it waiting for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from sharedstate_core.timers import Timers

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from sharedstate_core.limits import LiveLimits

S = TypeVar("S", bound="Hashable")
"""A session."""


class Drains(Generic[S]):
    """The deadlines of all connections.

    Args:
        limits: have `drain_seconds`, how long each may take without progress.

    Attributes:
        now: the time of the input at hand.
    """

    def __init__(self, limits: LiveLimits) -> None:
        self._limits = limits
        self.now = 0.0
        self._deadlines: Timers[S] = Timers()

    def __iter__(self) -> Iterator[S]:
        return iter(self._deadlines)

    def expect(self, session: S) -> None:
        """From now on the reader has so long, whatever it had before."""
        self._deadlines.set(session, self.now + self._limits.current.drain_seconds)

    def cancel(self, session: S) -> None:
        """The reader has caught up, or is gone."""
        self._deadlines.cancel(session)

    def next(self) -> float | None:
        """Return the earliest deadline, or None."""
        return self._deadlines.next()

    def due(self) -> Iterator[S]:
        """Yield those whose time is over, each once."""
        return self._deadlines.due(self.now)
