"""Updates that wait for storage: the memory they take, of all connections together.

The rules:

1. An update counts from when its collection takes it in until storage has answered, or cannot be asked; also if its
   author has left meanwhile.
2. One that is put off until its author reads on counts as unsent to the author instead (`unsent_bytes`): so nobody who
   does not read keeps others from writing.
3. While as much waits as may, further updates are refused before they are looked at. So one update may exceed the
   bound.
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
