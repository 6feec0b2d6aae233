"""Until when readers who cannot take more have to catch up.

A reader is waited for since the transport said so (`connection_blocked`), or since the core asked to hear when all has
left (`TellDrained`): a transport that forgets to answer loses the connection, and does not keep it waiting for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

from .effects import C
from .timers import Timers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .session import Session


class Drains(Generic[C]):
    """The deadlines of all connections.

    Args:
        seconds: how long each may take without progress, `Limits.drain_seconds`.

    Attributes:
        now: the time of the input at hand.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.now = 0.0
        self._deadlines: Timers[Session[C]] = Timers()

    def __iter__(self) -> Iterator[Session[C]]:
        return iter(self._deadlines)

    def expect(self, session: Session[C]) -> None:
        """From now on the reader has so long, whatever it had before."""
        self._deadlines.set(session, self.now + self.seconds)

    def cancel(self, session: Session[C]) -> None:
        """The reader has caught up, or is gone."""
        self._deadlines.cancel(session)

    def next(self) -> float | None:
        """Return the earliest deadline, or None."""
        return self._deadlines.next()

    def due(self) -> Iterator[Session[C]]:
        """Yield those whose time is over, each once."""
        return self._deadlines.due(self.now)
