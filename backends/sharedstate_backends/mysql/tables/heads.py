"""What a store remembers of collections' heads, so that commits need not read them.

A commit whose heads are remembered is one packet, which first verifies them, and fails if they differ. So only the
speed of a commit depends on the memory.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sharedstate_backends.history.vectors import State
    from sharedstate_backends.plan import Head
    from sharedstate_core.paths import CollectionPath

MAX_REMEMBERED: Final = 10_000
"""Maximum number of collections whose heads are remembered: those last written to."""


class Stored(NamedTuple):
    """The head of a collection as it is stored.

    Attributes:
        state: what distinguishes its history from others.
        key: key of the collection; None if it has no row yet.
        head: the content of its row.
    """

    state: State
    key: int | None
    head: Head


class Left(NamedTuple):
    """The head of a collection after our last commit.

    Attributes:
        stored: the head.
        alone: whether that commit found it as our previous one had left it; if not, others write there too.
    """

    stored: Stored
    alone: bool


class Memory:
    """The heads after our last commits."""

    def __init__(self) -> None:
        self._left: OrderedDict[CollectionPath, Left] = OrderedDict()

    def take(self, paths: Iterable[CollectionPath]) -> dict[CollectionPath, Left]:
        """Return and forget what is known of these collections: it is about to change."""
        return {path: self._left.pop(path) for path in paths if path in self._left}

    def keep(self, left: Mapping[CollectionPath, Left]) -> None:
        """Remember what was stored."""
        self._left.update(left)
        while len(self._left) > MAX_REMEMBERED:
            self._left.popitem(last=False)
