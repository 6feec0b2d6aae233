"""What notifications are made of: the items of a collection, or a view of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from sharedstate_core.limits import Limits
    from sharedstate_core.storage import Cursor
    from sharedstate_core.wire.encode import Array

TURN_BYTES: Final = 1024 * 1024
"""Text that one turn encodes, about."""


class Changes(NamedTuple):
    """The net change from one version to another.

    Attributes:
        remove: ids to remove; some may be unknown to the reader.
        insert: item texts to set after that, in order.
        at: for each of them its place in the order, as JSON text; None if they go where insertion puts them.
    """

    remove: Sequence[str]
    insert: Sequence[bytes]
    at: Sequence[bytes] | None = None


Gathering: TypeAlias = "Generator[None, None, tuple[Iterator[bytes], Iterator[bytes] | None]]"
"""Yields between portions, and returns the texts to be set, in order, and for each of them its place."""


class Extent(Protocol):
    """Tells since which versions little enough has changed for one turn."""

    def covers(self, since: int) -> bool:
        """Return whether the net change from version `since` is little enough; not asked for a later one afterwards."""
        ...


class Source(Protocol):
    """What notifications are made of; it changes only between its owner's steps."""

    @property
    def bytes(self) -> int:
        """Total length of the texts that everything is made of, at the most."""
        ...

    @property
    def has_more(self) -> bool:
        """Whether there are older items than those it shows."""
        ...

    @property
    def cursor(self) -> Cursor:
        """The state it shows."""
        ...

    def reaches(self, cursor: Cursor | None) -> bool:
        """Return whether the net change from `cursor` to now is known."""
        ...

    def is_large(self, limits: Limits, *, removed: bool = False) -> bool:
        """Return whether everything, or else what was `removed`, may be too much for one turn."""
        ...

    def extent(self, limits: Limits) -> Extent:
        """Return what tells how much has changed."""
        ...

    def changes_since(self, since: int) -> Changes:
        """Return the net change from version `since`, which it reaches."""
        ...

    def everything(self) -> Changes:
        """Return all there is."""
        ...

    def gather(self, since: int | None, remove: Array, size: int) -> Gathering:
        """Find, by portions of `size`, the net change from version `since`, or everything.

        Args:
            since: the version; None for everything.
            remove: receives the ids to remove.
            size: how much is looked at in one turn.
        """
        ...
