"""Pending updates: the memory taken by updates that wait for storage, for all connections together.

The rules:

1. An update counts from when its collection queues it until storage has answered or cannot be asked, even if its author
   has left meanwhile.
2. An update deferred until its author reads on counts as unsent to the author instead (`unsent_bytes`), so a peer that
   does not read cannot keep others from writing.
3. Once the bound is reached, further updates are refused whatever their size, so one update may exceed it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import RequestError

if TYPE_CHECKING:
    from .limits import LiveLimits


class Pending:
    """Counts the bytes; the bound is `Limits.pending_bytes`."""

    __slots__ = ("_limits", "bytes")

    def __init__(self, limits: LiveLimits) -> None:
        self.bytes = 0
        self._limits = limits

    def admit(self) -> None:
        """Refuse one more update if there is no room for it.

        Raises:
            RequestError: `unavailable`.
        """
        limit = self._limits.current.pending_bytes
        if self.bytes >= limit:
            text = f"the storage queue is full ({limit} bytes of updates); try again later"
            raise RequestError("unavailable", text)
