"""Whether what storage holds goes on from what it held before: pure functions, and what a process remembers for them.

A database can go back under a running server: a backup is restored, a replica that lags is promoted, a machine
without durable commits loses its power. Versions are then counted again, and (epoch, version) would name two states.

1. A head has a *version vector*: for each writer the last version that it made. A writer is a name under which one
   process writes to one collection. It makes each version once at the most: before it writes it makes sure,
   under the lock of its transaction, that storage goes on from what it remembers, and after any doubt it takes
   another name.
2. So a head goes on from an earlier one exactly if its vector says that the writer of the earlier version has made
   that version, or a later one.
3. A process remembers the store's epoch, and for each collection the head that it told of last. Whatever head it
   reads must go on from that. If not, it looks again under a lock, draws a new epoch and says so in the log. With the
   epoch no cursor of old is good any more, so everybody is brought to what storage holds now.
4. What was lost includes the last of our own commits, if it includes any. So a look at the heads always includes the
   head of that one, and some of the others that are remembered, in turn.
5. What was lost before the process began, only readers can know. The first of them who holds more than storage does, in
   the epoch with which the process began, is believed: later losses it sees by itself, so a reader can have everything
   sent to everybody once for each start, and no oftener.
6. What was lost in a collection of which a process has told nothing yet, it cannot see there. So each start leaves a
   mark in the store, and the marks are a history like that of a collection, `STARTS`: whatever is read of a collection
   for the first time, and each look, must go on from the marks of old. What is lost after that, the collection shows.
7. A collection that holds nothing may be *pruned*: its head goes, and the store's *floor* rises to its version, in one
   transaction. A collection without a head is at the floor, and begins there if it comes again: no version is counted
   twice. In its vector the writer `*` stands for anybody who made a version up to that one. So that no loss is taken
   for that, whoever prunes makes sure first that storage goes on from what was told of last.
8. Epochs remember those before them. One that does not know the epoch told of before has come from a backup, too.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from sharedstate_core.paths import CollectionPath

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


MAX_WRITERS: Final = 16
"""Writers in a vector, the latest: the others are forgotten, and what goes on from their versions is taken on trust.
Each start of a process brings one, in each collection that it writes to."""

MAX_EPOCHS: Final = 16
"""Former epochs that a store remembers, the latest: with 12 characters each they fit in 255."""

LOOKED_AT: Final = 8
"""Collections whose heads are looked at beside those that were asked for, in turn: what nobody watches here somebody
who is away may hold."""

MAX_REMEMBERED: Final = 100_000
"""Collections of which a process remembers the head, those told of last; some 400 bytes each."""

STARTS: Final = CollectionPath("", "", "")
"""In place of a collection: the starts of processes, each of which counts as a version by a writer of its own."""

ANYBODY: Final = "*"
"""The writer of whatever became of pruned collections, in the vector of those that have come since."""

_ENTRY: Final = re.compile(r"(?:[A-Za-z0-9_-]+|\*):[0-9]+")


class State(NamedTuple):
    """A collection's head, as far as it tells one history from another.

    Attributes:
        epoch: the store's.
        version: the collection's.
        writers: its version vector as text, `"w:7 x:9"`, in the order of versions; empty before the first commit, and
            in what version 0.1 has written.
    """

    epoch: str
    version: int = 0
    writers: str = ""


def absent(epoch: str, floor: int) -> State:
    """Return what a collection without a head is: empty, at the store's floor."""
    return State(epoch, floor, f"{ANYBODY}:{floor}" if floor else "")


def is_absent(state: State) -> bool:
    """Return whether that is a collection without a head."""
    return state == absent(state.epoch, state.version)


def steady(
    told: Mapping[CollectionPath, State], found: dict[CollectionPath, State]
) -> dict[CollectionPath, State]:
    """Return what was found, but of a collection that was without a head and still is what was told of it.

    The floor has risen for the sake of others: to those who watch it that is not news.
    """
    for path, before in told.items():
        now = found.get(path)
        if now and before.epoch == now.epoch and is_absent(before) and is_absent(now):
            found[path] = before
    return found


def new_epoch() -> str:
    """Return a new epoch."""
    return secrets.token_urlsafe(9)


def with_writer(writers: str, writer: str, version: int) -> str:
    """Return a version vector in which this writer has made this version, which is later than all others."""
    others, space, last = writers.rpartition(" ")
    if last.startswith(f"{writer}:"):  # nearly always
        return f"{others}{space}{writer}:{version}"
    entries = [
        each
        for each in writers.split()
        if _ENTRY.fullmatch(each) and not each.startswith(writer + ":")
    ]
    return " ".join([*entries[1 - MAX_WRITERS :], f"{writer}:{version}"])


def starts(epoch: str, marks: str) -> State:
    """Return what `STARTS` are, from the marks as they are stored."""
    version = marks.rpartition(":")[2]
    return State(epoch, int(version) if version.isdecimal() else 0, marks)


def with_start(marks: str) -> str:
    """Return the marks with one more. There are 16 at the most, so they fit in 255 characters."""
    return with_writer(marks, secrets.token_urlsafe(4), starts("", marks).version + 1)


def with_epochs(former: str, epochs: Iterable[str]) -> str:
    """Return the list of former epochs, to which these are added."""
    known = [*former.split(), *filter(None, epochs)]
    return " ".join(list(dict.fromkeys(known))[-MAX_EPOCHS:])


def goes_on(before: State, now: State, former: str = "") -> bool:
    """Return whether a head goes on from an earlier one.

    Args:
        before: what storage held.
        now: what it holds.
        former: the epochs before the present one, oldest first, separated by spaces. May be left out as long as the
            epochs are equal; if they are not, the answer is then False.
    """
    if before.epoch != now.epoch:
        return before.epoch in former.split()
    if before.version > now.version:
        return False
    if before.writers == now.writers:
        return True  # nothing was written, or by version 0.1
    if not all(map(_ENTRY.fullmatch, [*before.writers.split(), *now.writers.split()])):
        return False  # nobody knows what that is
    writer, _, version = before.writers.rpartition(" ")[2].partition(":")
    if not writer or int(version) != before.version:
        return True  # version 0.1 made it: only the versions can be compared
    entries = dict(each.split(":") for each in now.writers.split())
    if int(entries.get(ANYBODY, 0)) >= before.version:
        return True
    if writer in entries:
        return int(entries[writer]) >= before.version
    return len(entries) == MAX_WRITERS and all(
        int(each) > before.version for each in entries.values()
    )


class Lost(NamedTuple):
    """That a collection's history is lost: what it was, and what it is now."""

    path: CollectionPath
    before: State
    now: State


def find_lost(
    remembered: Mapping[CollectionPath, State],
    found: Mapping[CollectionPath, State],
    former: str = "",
) -> list[Lost]:
    """Return the collections that do not go on from what is remembered; see `goes_on` for `former`."""
    return [
        Lost(path, before, found[path])
        for path, before in remembered.items()
        if before != found[path] and not goes_on(before, found[path], former)
    ]


@dataclass(slots=True)
class _Entry:
    state: State | None = None
    writer: str | None = None


class Memory:
    """What a process remembers of a store: its epoch, and of each collection the head told of last and our own name.

    Args:
        size: collections at the most.

    Attributes:
        epoch: the store's, as it was told of last; None before that. Heads of earlier ones are of no use any more.
        latest: the collection of our latest commit, whose head belongs to each look.
    """

    def __init__(self, size: int = MAX_REMEMBERED) -> None:
        self.epoch: str | None = None
        self.latest: CollectionPath | None = None
        self._size = size
        self._entries: dict[CollectionPath, _Entry] = {}
        self._round: list[CollectionPath] = []

    def states(self, paths: Sequence[CollectionPath]) -> dict[CollectionPath, State]:
        """Return the heads from which those of these collections must go on; of some only the epoch is known."""
        if self.epoch is None:
            return {}
        states = dict.fromkeys(paths, State(self.epoch))
        for path in paths:
            entry = self._entries.get(path)
            if entry and entry.state and entry.state.epoch == self.epoch:
                states[path] = entry.state
        return states

    def told(self, paths: Sequence[CollectionPath]) -> dict[CollectionPath, State]:
        """Return the heads of those of these collections that were told of, in the present epoch."""
        entries = ((path, self._entries.get(path)) for path in paths)
        return {
            path: entry.state
            for path, entry in entries
            if entry and entry.state and entry.state.epoch == self.epoch
        }

    def latest_told(self, limit: int) -> dict[CollectionPath, State]:
        """Return the `limit` heads that were told of last, with `STARTS` and that of our latest commit."""
        last = list(islice(reversed(self._entries), limit))
        return self.told([*last, STARTS, *([self.latest] if self.latest else [])])

    def look(self, paths: Sequence[CollectionPath]) -> list[CollectionPath]:
        """Return the collections that belong to a look at these: that of our latest commit, and some others in turn."""
        if not self._round:
            self._round = list(self._entries)
        others = [self._round.pop() for _ in range(min(LOOKED_AT, len(self._round)))]
        latest = [self.latest] if self.latest else []
        return [path for path in dict.fromkeys([*paths, *latest, *others]) if path != STARTS]

    def take(self, path: CollectionPath) -> tuple[State | None, str]:
        """Return the head from which one must go on (see `states`), and the name under which to write."""
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
        """Take another name the next time: nobody knows whether this one has made its next version."""
        if path in self._entries:
            self._entries[path].writer = None

    def note(self, path: CollectionPath, before: State | None, now: State) -> None:
        """Remember the head that is told of.

        Args:
            path: of which collection.
            before: what was remembered when storage was asked. Somebody else may have been told of a later head since.
            now: what storage has answered.
        """
        if now.epoch != self.epoch:
            if before is not None and before.epoch != self.epoch:
                return  # asked before the epoch was replaced
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
        """Return an entry as the last one in use."""
        entry = self._entries.pop(path, None) or _Entry()
        self._entries[path] = entry
        if len(self._entries) > self._size:
            del self._entries[next(iter(self._entries))]
        return entry
