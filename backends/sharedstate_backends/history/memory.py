"""What a process remembers of a store, so that it notices if the store goes back (see `history` for the rules)."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from .vectors import STARTS, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_core.paths import CollectionPath

    from .vectors import Lost

LOOKED_AT: Final = 8
"""Number of further collections whose heads each look includes, in turn: an absent reader may hold one that nobody
watches."""

MAX_REMEMBERED: Final = 100_000
"""Number of collections whose heads a process remembers, those last reported; some 400 bytes each."""


@dataclass(slots=True)
class _Entry:
    state: State | None = None
    writer: str | None = None


class Memory:
    """What a process remembers of a store: its epoch, and for each collection the last reported head and our own name.

    Args:
        size: maximum number of collections.

    Attributes:
        epoch: the store's, as last reported; None before that. Heads of earlier epochs are useless.
        latest: the collection of our latest commit, whose head each look includes.
    """

    def __init__(self, size: int = MAX_REMEMBERED) -> None:
        self.epoch: str | None = None
        self.latest: CollectionPath | None = None
        self._size = size
        self._entries: OrderedDict[CollectionPath, _Entry] = OrderedDict()  # the latest last
        self._round: list[CollectionPath] = []

    def states(self, paths: Sequence[CollectionPath]) -> dict[CollectionPath, State]:
        """Return the heads from which these collections must go on; for some only the epoch is known."""
        if self.epoch is None:
            return {}
        states = dict.fromkeys(paths, State(self.epoch))
        for path in paths:
            entry = self._entries.get(path)
            if entry and entry.state and entry.state.epoch == self.epoch:
                states[path] = entry.state
        return states

    def told(self, paths: Sequence[CollectionPath]) -> dict[CollectionPath, State]:
        """Return the heads of these collections that were reported in the present epoch."""
        entries = ((path, self._entries.get(path)) for path in paths)
        return {
            path: entry.state
            for path, entry in entries
            if entry and entry.state and entry.state.epoch == self.epoch
        }

    def latest_told(self, limit: int) -> dict[CollectionPath, State]:
        """Return the `limit` heads last reported, with `STARTS` and that of our latest commit."""
        last = list(islice(reversed(self._entries), limit))
        return self.told([*last, STARTS, *([self.latest] if self.latest else [])])

    def look(self, paths: Sequence[CollectionPath]) -> list[CollectionPath]:
        """Return the collections to look at: these, that of our latest commit, and some others in turn."""
        if not self._round:
            self._round = list(self._entries)
        others = [self._round.pop() for _ in range(min(LOOKED_AT, len(self._round)))]
        latest = [self.latest] if self.latest else []
        return [path for path in dict.fromkeys([*paths, *latest, *others]) if path != STARTS]

    def take(self, path: CollectionPath) -> tuple[State | None, str]:
        """Return the head from which the collection must go on (see `states`), and the name under which to write."""
        entry = self._entries.get(path) or self._entry(path)
        if entry.writer is None:
            entry.writer = secrets.token_urlsafe(6)
        state = entry.state
        if self.epoch is None or (state and state.epoch == self.epoch):
            return state, entry.writer
        return State(self.epoch), entry.writer

    def writer(self, path: CollectionPath) -> str:
        """Return the name under which to write, a new one if there is none."""
        return self.take(path)[1]

    def doubt(self, path: CollectionPath) -> None:
        """Use another name from now on: the present one may or may not have made its next version."""
        if path in self._entries:
            self._entries[path].writer = None

    def note(self, path: CollectionPath, before: State | None, now: State) -> None:
        """Remember a head that is reported.

        Args:
            path: the collection.
            before: what was remembered when storage was queried. A later head may have been reported since.
            now: the answer of storage.
        """
        if now.epoch != self.epoch:
            if before is not None and before.epoch != self.epoch:
                return  # queried before the epoch was replaced
            self.epoch = now.epoch
        entry = self._entry(path)
        current = entry.state
        if (
            current is before
            or current is None
            or current.epoch != now.epoch
            or current == before
            or current.version < now.version
        ):
            entry.state = now

    def forget(self, lost: Sequence[Lost]) -> None:
        """Forget the heads that were lost, and the names under which they were written."""
        for path, _, now in lost:
            self.epoch = now.epoch
            self._entries[path] = _Entry(now)

    def _entry(self, path: CollectionPath) -> _Entry:
        """Return an entry, which is now the most recently used."""
        entry = self._entries.get(path)
        if entry is None:
            entry = self._entries[path] = _Entry()
            if len(self._entries) > self._size:
                self._entries.popitem(last=False)
        else:
            self._entries.move_to_end(path)
        return entry
