"""How many collections a store may keep: names are anybody's to invent, and each of them takes a row.

1. They are counted when one more is to be made, and from then on reckoned with: once a minute at the most, and only
   while collections are made. Several processes may so exceed the bound, by what the others make meanwhile.
2. What does not fit is refused by itself; whatever is there may be written to as before.
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
"""Collections of one store, unless its operator wants another number: they take some 200 MB."""

COUNT_SECONDS: Final = 60.0
"""After that long a count is not relied on any more."""

FULL_SECONDS: Final = 10.0
"""A store that was full is not counted again before: it takes a while to count many, and whoever asks gets it done."""


class Room:
    """What is known of the room in one store.

    Args:
        most: collections at the most.
    """

    def __init__(self, most: int = MAX_COLLECTIONS) -> None:
        self.most = most
        self._free = 0
        self._until = 0.0

    def must_count(self) -> bool:
        """Return whether the collections must be counted before one more is made."""
        return monotonic() >= self._until

    def counted(self, collections: int) -> None:
        """Hear how many there are."""
        self._free = max(0, self.most - collections)
        self._until = monotonic() + (COUNT_SECONDS if self._free else FULL_SECONDS)

    def take(self) -> bool:
        """Return whether one more may be made, and reckon with it."""
        if not self._free:
            return False
        self._free -= 1
        if not self._free:
            self._until = min(self._until, monotonic() + FULL_SECONDS)
        return True

    def refuse(self, epoch: str, head: Head, writes: Sequence[Write]) -> Plan:
        """Return what becomes of writes that would make one collection too many: none changes anything."""
        nothing = plan(epoch, head, {}, [Write(Update(), write.condition) for write in writes])
        message = (
            f"the service has {self.most:,} collections, as many as it may have (db_collections)"
        )
        outcomes: list[Outcome] = []
        for write, outcome in zip(writes, nothing.outcomes, strict=True):
            if isinstance(outcome, Rejected) or write.update.is_noop:
                outcomes.append(outcome)
            else:
                outcomes.append(Rejected("too_many", message, head.version))
        return Plan(head, outcomes)
