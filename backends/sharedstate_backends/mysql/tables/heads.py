"""What a store remembers of collections' heads, so that a commit need not read them.

A commit whose heads are remembered is one packet, which begins by verifying them, and fails if they differ. So only
the speed of a commit depends on the memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sharedstate_backends.history.vectors import State
    from sharedstate_backends.plan import Head
    from sharedstate_core.paths import CollectionPath

MAX_REMEMBERED: Final = 10_000
"""Collections whose heads are remembered: the last ones written to."""


class Stored(NamedTuple):
    """The head of a collection as it is in the database.

    Attributes:
        state: what tells it from other histories.
        key: the collection's; None if it has no row yet.
        head: what its row says.
    """

    state: State
    key: int | None
    head: Head


class Left(NamedTuple):
    """How our last commit left the head of a collection.

    Attributes:
        stored: the head.
        alone: whether that commit found it as our previous one had left it; if not, others write there, too.
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
