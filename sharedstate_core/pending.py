"""Pending requests: the memory taken by updates and reads that wait for storage, for all connections together.

The rules:

1. A request counts from when its collection queues it; an update until storage has answered or cannot be asked, even if
   its author has left meanwhile, and then its author alone until it may be answered; a read until it is answered.
2. What is deferred until its author reads on counts as unsent to the author instead (`unsent_bytes`), so a peer that
   does not read cannot keep others from writing.
3. Updates and reads are counted each by themselves: updates that wait do not keep anybody from reading.
4. Once the bound is reached, further ones are refused whatever their size, so one may exceed it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import RequestError

if TYPE_CHECKING:
    from .limits import LiveLimits


class Pending:
    """Counts the bytes; the bound of either kind is `Limits.pending_bytes`.

    Attributes:
        bytes: memory of the updates.
        read_bytes: memory of the reads, with the tunnels they brought.
    """

    __slots__ = ("_limits", "bytes", "read_bytes")

    def __init__(self, limits: LiveLimits) -> None:
        self.bytes = 0
        self.read_bytes = 0
        self._limits = limits

    def admit(self) -> None:
        """Refuse one more update if there is no room for it.

        Raises:
            RequestError: `unavailable`.
        """
        if self.bytes >= self._limits.current.pending_bytes:
            raise self._full("updates")

    def admit_read(self) -> None:
        """Refuse one more read if there is no room for it.

        Raises:
            RequestError: `unavailable`.
        """
        if self.read_bytes >= self._limits.current.pending_bytes:
            raise self._full("reads")

    def _full(self, what: str) -> RequestError:
        limit = self._limits.current.pending_bytes
        text = f"the storage queue is full ({limit} bytes of {what}); try again later"
        return RequestError("unavailable", text)
