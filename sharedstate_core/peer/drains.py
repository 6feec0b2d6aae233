"""The deadlines by which blocked readers must catch up.

The time runs from when the transport reports a reader as blocked (`connection_blocked`), or the core waits until
everything has left (`AwaitDrain`): a transport that forgets to answer loses the connection rather than stalling it.
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
        limits: holds `drain_seconds`, how long each may go without progress.

    Attributes:
        now: the time of the current input.
    """

    def __init__(self, limits: LiveLimits) -> None:
        self._limits = limits
        self.now = 0.0
        self._deadlines: Timers[S] = Timers()

    def __iter__(self) -> Iterator[S]:
        return iter(self._deadlines)

    def expect(self, session: S) -> None:
        """Set or restart the deadline of a reader."""
        self._deadlines.set(session, self.now + self._limits.current.drain_seconds)

    def cancel(self, session: S) -> None:
        """Drop the deadline of a reader that has caught up or gone."""
        self._deadlines.cancel(session)

    def next_deadline(self) -> float | None:
        """Return the earliest deadline, or None."""
        return self._deadlines.next()

    def due(self, most: int) -> Iterator[S]:
        """Yield the sessions whose deadline has passed, each once, `most` in one turn."""
        return self._deadlines.due(self.now, most)
