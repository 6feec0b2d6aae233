"""What a store remembers of collections' heads, so that a commit need not ask for them.

A commit that remembers them goes out in one packet, which begins by making sure that they are as remembered, and
fails if not. So nothing depends on the memory but how long a commit takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sharedstate_backends.history.vectors import State
    from sharedstate_backends.plan import Head
    from sharedstate_core.paths import CollectionPath

MAX_REMEMBERED: Final = 10_000
"""Collections whose heads are remembered: those written to last."""


class Stored(NamedTuple):
    """The head of a collection as it is in the database.

    Attributes:
        state: what tells it from other histories.
        key: the collection's; None: it has no row there yet.
        head: what its row says.
    """

    state: State
    key: int | None
    head: Head


class Left(NamedTuple):
    """How our last commit left the head of a collection.

    Attributes:
        stored: the head.
        alone: whether that commit found it as the one before had left it. If not, others write there, too.
    """

    stored: Stored
    alone: bool


class Memory:
    """How our last commits left heads."""

    def __init__(self) -> None:
        self._left: dict[CollectionPath, Left] = {}

    def take(self, paths: Iterable[CollectionPath]) -> dict[CollectionPath, Left]:
        """Return what is known of these collections, and forget it: it is about to change."""
        return {path: self._left.pop(path) for path in paths if path in self._left}

    def keep(self, left: Mapping[CollectionPath, Left]) -> None:
        """Remember what was stored."""
        self._left |= left
        while len(self._left) > MAX_REMEMBERED:
            del self._left[next(iter(self._left))]
