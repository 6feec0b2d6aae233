"""The limit on the number of collections in a store: anybody can invent names, and each takes a row.

1. They are counted when one is about to be created, at most once a minute; creations in between are added to the count.
   So several processes together may exceed the limit by what the others create meanwhile.
2. Only writes that would exceed the limit are rejected; existing collections can still be written to.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final

from sharedstate_core.storage import Rejected, Write
from sharedstate_core.updates import Update

from .plan import Plan, plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_core.storage import Outcome

    from .plan import Head

MAX_COLLECTIONS: Final = 1_000_000
"""Default limit of one store: so many collections take some 200 MB."""

COUNT_SECONDS: Final = 60.0
"""How long a count is valid, in seconds."""

FULL_SECONDS: Final = 10.0
"""How long a full store is not recounted, in seconds: counting many takes a while, and anybody can cause it."""


class CollectionLimit:
    """The limit of one store, and what is known about the room left.

    Args:
        limit: maximum number of collections.
    """

    def __init__(self, limit: int = MAX_COLLECTIONS) -> None:
        self.limit = limit
        self._free = 0
        self._until = 0.0

    def must_count(self) -> bool:
        """Return whether the collections must be counted before another is created."""
        return monotonic() >= self._until

    def counted(self, collections: int) -> None:
        """Note the number of collections."""
        self._free = max(0, self.limit - collections)
        self._until = monotonic() + (COUNT_SECONDS if self._free else FULL_SECONDS)

    def take(self) -> bool:
        """Return whether another one may be created, and count it."""
        if not self._free:
            return False
        self._free -= 1
        if not self._free:
            self._until = min(self._until, monotonic() + FULL_SECONDS)
        return True

    def refuse(self, epoch: str, head: Head, writes: Sequence[Write]) -> Plan:
        """Return the outcomes of writes that would create a collection beyond the limit: none changes anything."""
        nothing = plan(epoch, head, {}, [Write(Update(), write.condition) for write in writes])
        message = (
            f"the service has {self.limit:,} collections, as many as it may have (db_collections)"
        )
        outcomes: list[Outcome] = []
        for write, outcome in zip(writes, nothing.outcomes, strict=True):
            if isinstance(outcome, Rejected) or write.update.is_noop:
                outcomes.append(outcome)
            else:
                outcomes.append(Rejected("too_many", message, head.version))
        return Plan(head, outcomes)
