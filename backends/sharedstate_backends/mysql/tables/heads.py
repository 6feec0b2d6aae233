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
    from sharedstate_core.receipts import Receipt

MAX_REMEMBERED: Final = 10_000
"""Maximum number of collections whose heads are remembered: those last written to."""

MAX_RECEIPTS: Final = 100_000
"""Maximum number of receipts that are remembered with them, about 500 bytes each."""


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
        receipts: those of sessions that have written lately, by session; they change only with the head.
    """

    stored: Stored
    alone: bool
    receipts: dict[str, Receipt]


class Memory:
    """The heads after our last commits."""

    def __init__(self) -> None:
        self._left: OrderedDict[CollectionPath, Left] = OrderedDict()
        self._receipts = 0  # in all of them

    def take(self, paths: Iterable[CollectionPath]) -> dict[CollectionPath, Left]:
        """Return and forget what is known of these collections: it is about to change."""
        taken = {path: self._left.pop(path) for path in paths if path in self._left}
        self._receipts -= _receipts(taken)
        return taken

    def keep(self, left: Mapping[CollectionPath, Left]) -> None:
        """Remember what was stored."""
        self.take(left)
        self._left.update(left)
        self._receipts += _receipts(left)
        while len(self._left) > MAX_REMEMBERED or self._receipts > MAX_RECEIPTS:
            self.take([next(iter(self._left))])

    def forget_receipts(self) -> None:
        """Forget all receipts: storage has forgotten some."""
        for path, left in self._left.items():
            if left.receipts:
                self._left[path] = left._replace(receipts={})
        self._receipts = 0


def _receipts(left: Mapping[CollectionPath, Left]) -> int:
    return sum([len(each.receipts) for each in left.values()])
