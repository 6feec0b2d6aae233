"""An orderly stop in a World: what was accepted before it is owed an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .contract import check

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .links import Connection, Link
    from .records import Asked


class Stopping:
    """What the server owes at a stop.

    Args:
        accepted: the requests of each connection that have arrived and are not answered.

    Attributes:
        until: when everybody has to be closed.
    """

    def __init__(self, accepted: Mapping[Connection, Iterable[Asked]]) -> None:
        self.until = 0.0
        self._accepted = accepted

    def check_answered(self, connection: Connection, now: float) -> None:
        """Check that a connection which is closed before the time is up has all its answers."""
        if now < self.until:
            for asked in self._accepted.get(connection, ()):
                check(asked.reply, f"{connection} is closed, and {asked} is not answered")

    def check_ended(self, links: Iterable[Link]) -> None:
        """Check that everybody is closed."""
        there = [link.connection for link in links if link.connection is not None]
        check(not there, f"the server does not end: {there} are still open")
