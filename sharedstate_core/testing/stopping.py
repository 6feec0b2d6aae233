"""An orderly stop in a World: requests accepted before it are owed an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .contract import check

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .links import Connection, Link
    from .records import Asked


class Stopping:
    """What the server owes when it stops.

    Args:
        accepted: each connection's requests that have arrived and are not answered.

    Attributes:
        until: when all connections must be closed.
    """

    def __init__(self, accepted: Mapping[Connection, Iterable[Asked]]) -> None:
        self.until = 0.0
        self._accepted = accepted

    def check_answered(self, connection: Connection, now: float) -> None:
        """Check that a connection closed before the time is up has all its answers."""
        if now < self.until:
            for asked in self._accepted.get(connection, ()):
                check(asked.reply, f"{connection} is closed, and {asked} is not answered")

    def check_ended(self, links: Iterable[Link]) -> None:
        """Check that all connections are closed."""
        there = [link.connection for link in links if link.connection is not None]
        check(not there, f"the server does not end: {there} are still open")
