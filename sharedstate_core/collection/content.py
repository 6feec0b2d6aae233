"""One collection's content in memory, and how it relates to storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic

from sharedstate_core.effects import C
from sharedstate_core.errors import MismatchError
from sharedstate_core.items import applying, loading
from sharedstate_core.storage import CommitResult, Cursor, Loaded, raises_version

from .freshness import Freshness

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_core.items.applying import Applying
    from sharedstate_core.items.loading import Loading
    from sharedstate_core.items.replica import Replica
    from sharedstate_core.leftovers import Leftovers
    from sharedstate_core.storage import Write
    from sharedstate_core.updates import Update

COLLECTION_BYTES: Final = 4096
ENTRY_BYTES: Final = 400
"""Approximate memory that a collection, and each of its ids, takes in addition to the items' text."""


class Content(Generic[C]):
    """A replica, if there is one, and what is known about storage.

    Args:
        leftovers: takes what is no longer needed.

    Attributes:
        replica: the committed state in memory; None without content.
        freshness: whether storage may hold more.
    """

    def __init__(self, leftovers: Leftovers) -> None:
        self._leftovers = leftovers
        self.replica: Replica | None = None
        self.freshness: Freshness[C] = Freshness()

    @property
    def cursor(self) -> Cursor | None:
        """The state in memory; None without content."""
        return None if self.replica is None else self.replica.cursor

    @property
    def memory(self) -> int:
        """Approximate memory it takes, in bytes."""
        replica = self.replica
        if replica is None:
            return COLLECTION_BYTES
        entries = len(replica) + len(replica.tombstones)
        return COLLECTION_BYTES + replica.bytes + ENTRY_BYTES * entries

    def forget(self) -> None:
        """Drop the content."""
        if self.replica is not None:
            self.replica.empty()
        self.replica = None
        self.freshness.forget()

    def doubt(self) -> None:
        """Record that it is unknown what storage holds now."""
        self.freshness.stale = self.replica is not None

    # --- storage results --------------------------------------------------------------------------

    def load(self, loaded: Loaded, size: int, keep: int) -> Loading:
        """Apply the result of a load by portions of `size` rows; until `show` there is no content.

        If that is all there is, no more than `keep` tombstones are remembered.

        Raises:
            LocalProtocolError: a row is impossible.
        """
        known, self.replica = self.replica, None
        if known is not None and loaded.base is None:
            known.empty()
            known = None
        return loading.load(loaded, known, size, keep, self._leftovers)

    def show(self, replica: Replica) -> None:
        """Have this content, which has been loaded, or to which a commit was applied."""
        self.replica = replica
        self._compare(replica)

    def follow(
        self, writes: Sequence[Write], result: CommitResult, size: int | None = None
    ) -> Replica | Applying | None:
        """Apply a commit and return the replica if it changed; a result that does not follow on makes it stale.

        With a `size`, return how to apply it by portions of so many ids; until `show` nobody may see the replica.
        """
        replica = self.replica
        if replica is None:
            return None
        version = replica.version
        effective: list[Update] = []
        for write, outcome in zip(writes, result.outcomes, strict=True):
            if raises_version(write, outcome):
                version += 1
                effective.append(write.update)
            if outcome.version != version or result.epoch != replica.epoch:
                self.freshness.stale = True
                return None
        if not effective:
            return None
        if size is not None:
            return self._apply(replica, effective, size)
        try:
            replica.follow(effective)
        except MismatchError:
            self.freshness.stale = True
            return None
        if self.freshness.announced is not None:
            self._compare(replica)
        return replica

    def _apply(self, replica: Replica, updates: Sequence[Update], size: int) -> Applying:
        """Apply a commit by portions; what does not fit makes it stale."""
        try:
            yield from applying.apply(replica, updates, size)
        except MismatchError:
            self.freshness.stale = True
            replica.move_to(replica.version)
        return replica

    def hear(self, cursor: Cursor | None) -> bool:
        """Record that another process has committed, reaching `cursor` if known; return whether that is news."""
        known = self.cursor
        if known is None and not self.freshness.loading:
            return False
        if known is None or cursor is None or cursor.epoch != known.epoch:
            self.freshness.stale = True
        elif self.replica is not None and self.replica.is_behind(cursor):
            announced = self.freshness.announced
            # The commit under way may have brought it there. News may overtake each other.
            if announced is None or announced.version < cursor.version:
                self.freshness.announced = cursor
        else:
            return False
        return True

    def _compare(self, replica: Replica) -> None:
        """Clear the announced state if the replica has reached it."""
        if not replica.is_behind(self.freshness.announced):
            self.freshness.announced = None
