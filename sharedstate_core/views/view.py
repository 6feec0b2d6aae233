"""A view: what is seen of one collection through a definition, and what has changed in it since which version.

The rules:

1. It does not hold its items. It remembers the ids of what has changed in it, so its net change costs what has changed
   in it, whatever else has changed in the collection, and no id is told that was never in it.
2. What it remembers is bounded, counts as what is kept encoded does, and may be forgotten at any time. It says nothing
   of versions that were passed over. For a cursor of which it does not know what has changed since, everything is told,
   or, if whoever sees it may read the whole collection anyway, what the collection knows: all that changed and is not
   shown now counts as gone.
3. Its cursor is the state that its readers in step were brought to. While nothing changes in it, it stays where it is,
   although the collection goes on: what is shown is the same.
4. The order is that of insertion into the collection; an item that enters because it was changed stands where it
   always stood.
"""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, TypeVar

from sharedstate_core.items.entry import insertion
from sharedstate_core.items.notices import Notices
from sharedstate_core.items.runs import Runs
from sharedstate_core.items.source import Changes
from sharedstate_core.storage import Cursor

from .extent import ViewExtent
from .finder import Finder, are_long
from .portions import portions
from .remembered import Remembered, newer
from .window import PLACE_BYTES, Window, place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from sharedstate_core.items.encoded import Encoded
    from sharedstate_core.items.entry import Entry
    from sharedstate_core.items.replica import Replica
    from sharedstate_core.items.source import Gathering
    from sharedstate_core.limits import Limits, LiveLimits
    from sharedstate_core.wire.encode import Array

    from .change import Change
    from .definition import Definition
    from .item_index import ItemIndex

T = TypeVar("T")


class View:
    """One view of a collection, a `Source` of notifications.

    Args:
        definition: what it shows.
        limits: the server's limits.
        encoded: counts what is kept encoded.
        index: finds the items of the collection.

    Attributes:
        notices: what is told of it.
        cursor: the state that its readers in step were brought to.
        readers: how many subscriptions see it.
    """

    def __init__(
        self, definition: Definition, limits: LiveLimits, encoded: Encoded, index: ItemIndex
    ) -> None:
        self.definition = definition
        self.notices = Notices(limits, encoded)
        self._encoded = encoded
        self._counted: int | None = None  # of its memory; None: it does not stay
        self.cursor = Cursor("", 0)
        self.readers = 0
        self._replica: Replica | None = None
        self._finder = Finder(definition, index)
        self._remembered = Remembered()
        self._window: Window | None = None
        self._read = 0  # how many read what has changed, by portions
        self._had_more = False  # when the window was forgotten
        self._shown_before: frozenset[str] | None = None  # while changes are taken in

    # --- what it remembers ------------------------------------------------------------------------

    @property
    def memory(self) -> int:
        """Approximate memory that what it remembers takes, in bytes."""
        known = 0 if self._window is None else len(self._window)
        return self._remembered.memory + PLACE_BYTES * known

    def stay(self) -> None:
        """Be one of those that stay, whose memory counts."""
        self._counted = 0
        self._count()

    def go(self) -> None:
        """Be gone."""
        self.forget()
        self._counted = None

    def forget(self) -> None:
        """Forget all of it, and what was encoded."""
        if self._counted or self.memory:
            self.clear()
        self.notices.clear()

    def clear(self) -> None:
        """Forget what it remembers; whoever held an earlier state, or sees a window, is told everything."""
        window = self._window
        if window is not None:
            self._had_more = window.has_more
            self._window = None
        forgotten = self._remembered
        self._remembered = Remembered(forgotten.newest)
        self.notices.measure_again()
        if not self._read:
            self._encoded.leftovers.add(forgotten.changed, forgotten.left)
        self._count()

    def _count(self) -> None:
        """Count what it remembers now, and that it was asked."""
        if self._counted is not None:
            memory = self.memory
            self._encoded.remember(self, self._counted, memory)
            self._counted = memory

    def begin(self, replica: Replica) -> None:
        """Begin to follow a replica, of which nothing is known yet, or not any more."""
        self._replica = replica
        self.cursor = replica.cursor
        self._remembered.begin(replica.version)
        self._window = self._shown_before = None
        self._count()

    def is_passed_by(self, cursor: Cursor) -> bool:
        """Return whether a reader has been brought to a later state of the collection, in which it shows the same."""
        here, content = self.cursor, self._content
        return here.epoch == cursor.epoch and here.version < cursor.version <= content.version

    def leans_on_collection(self, cursor: Cursor) -> bool:
        """Return whether what has changed since a state is not remembered, and what the collection knows is told."""
        return self.reaches(cursor) and not self._knows(cursor.version)

    @property
    def has_more(self) -> bool:
        """Whether there are older items than those it shows, once it has been asked for everything."""
        return self._had_more if self._window is None else self._window.has_more

    def is_of(self, replica: Replica) -> bool:
        """Return whether it follows this replica."""
        return self._replica is replica

    # --- changes ----------------------------------------------------------------------------------

    def note(self, entry: Entry | None, change: Change) -> None:
        """Take in that an item has changed of which the definition is true, or was.

        Args:
            entry: the item, if the definition is true of it now; else None.
            change: what has changed.
        """
        id, version, window, remembered = change.id, change.version, self._window, self._remembered
        if self.definition.last is None:
            remembered.record(id, version, is_shown=entry is not None)
        elif window is not None:
            if self._shown_before is None:
                self._shown_before = window.shown
            window.move(id, None if entry is None else place_of(entry))
            if entry is not None:
                remembered.changed[id] = version  # if it is not shown in the end, `settle` says so
                remembered.changed.move_to_end(id)
        if len(remembered.changed) + len(remembered.left) > change.most:
            remembered.forget_oldest()

    def settle(self, version: int, size: int) -> Generator[None, None, bool]:
        """Find, once all changes of a version were taken in, what has come into the window and what has gone.

        Args:
            version: that of the collection.
            size: items that are looked at in one turn.

        Returns:
            Whether its readers see a change.
        """
        before, window = self._shown_before, self._window
        self._shown_before = None
        if (
            window is None
        ):  # nobody has asked what is in it, or it was forgotten: what has gone is not known
            self._remembered.since = version
            return True
        if before is None:
            return False
        if window.needs_more:
            window = yield from self._find_newest(size)
        shown = window.shown
        remembered = self._remembered  # as it is now: it may have been forgotten
        changed = list(newer(remembered.changed, version - 1))
        for id in changed:
            if id not in shown:
                del remembered.changed[id]
        if shown is not before:
            for id in before - shown:
                remembered.record(id, version, is_shown=False)
            for id in shown - before:
                remembered.record(id, version, is_shown=True)
        is_new = remembered.since == version
        return shown != before or is_new or any(id in shown for id in changed)

    def move(self, cursor: Cursor, keep: int) -> None:
        """Be at a later state of the collection; remember no more than `keep` ids, but all that this has changed."""
        self.cursor = cursor
        self._remembered.keep(keep, cursor.version)
        self._count()

    # --- as a source of notifications -------------------------------------------------------------

    @property
    def bytes(self) -> int:
        """Total length of the texts that everything is made of, at the most."""
        return self._content.bytes

    @property
    def _content(self) -> Replica:
        assert self._replica is not None  # noqa: S101  (nobody asks before)
        return self._replica

    def _knows(self, since: int) -> bool:
        """Return whether all that has changed since a version is remembered."""
        if since < self._remembered.since or self._content.leaps.passed_over(since):
            return False
        return self._window is not None or self.definition.last is None

    def reaches(self, cursor: Cursor | None) -> bool:
        """Return whether the net change from `cursor` to its own is known."""
        if (
            cursor is None
            or cursor.epoch != self.cursor.epoch
            or cursor.version > self.cursor.version
        ):
            return False
        if self._knows(cursor.version):
            return True
        is_plain = self.definition.is_open and self.definition.last is None
        return is_plain and self._content.reaches(cursor)

    def is_large(self, limits: Limits, *, removed: bool = False) -> bool:
        """Return whether everything, or else what has changed, may be too much for one turn."""
        window = self._window
        if removed or window is None or window.needs_more:
            return removed or self._finder.is_much(self._content, limits)
        return self.definition.fields is not None and are_long(self._content, window.shown)

    def effort(self, cursors: Iterable[tuple[bool, Cursor]]) -> int:
        """Return what it takes to tell readers at these cursors of its state, beside to send it: about 10 us each."""
        number = 0
        for _, cursor in cursors:
            if self._knows(cursor.version):
                number += sum(1 for _ in self._remembered.each_since(cursor.version)) // 10
            else:
                number += self._finder.number(self._content) // 5
        return number

    def extent(self, limits: Limits) -> ViewExtent:
        """Return what tells how much has changed."""
        return ViewExtent(
            self._remembered, self._knows, self._content, self.definition.weight, limits
        )

    def changes_since(self, since: int) -> Changes:
        """Return the net change from version `since`, which it reaches."""
        gone: list[str] = []
        find = self._known_changed if self._knows(since) else self._find_changed
        entries = _run(find(since, gone.extend, len(self._content) + 1))
        entries.sort(key=insertion)
        return self._changes(gone, entries)

    def everything(self) -> Changes:
        """Return all there is."""
        size = len(self._content) + 1
        return self._changes((), sorted(_run(self._find(size)), key=insertion))

    def _changes(self, gone: Iterable[str], entries: list[Entry]) -> Changes:
        shown = self.definition.shown
        texts = [shown(entry.text) for entry in entries]
        return Changes([*gone], texts, list(map(_at, entries)))

    def gather(self, since: int | None, remove: Array, size: int) -> Gathering:
        """Find by portions the net change from version `since`, or everything; see `Source`."""
        if since is None:
            found = yield from self._find(size)
        else:
            find = self._known_changed if self._knows(since) else self._find_changed
            found = yield from find(since, remove.add_names, size)
        runs: Runs[Entry] = Runs(insertion)
        for start in range(0, len(found), size):
            runs.add(found[start : start + size])
            yield
        entries = list(chain.from_iterable(runs.portions(size)))
        texts = [entry.text for entry in entries]
        if self.definition.fields is not None:
            texts = []
            for portion in portions(entries, size):
                texts += [self.definition.shown(entry.text) for entry in portion]
                yield
        return iter(texts), map(_at, entries)

    # --- finding ----------------------------------------------------------------------------------

    def _known_changed(
        self, since: int, gone: Callable[[list[str]], object], size: int
    ) -> Generator[None, None, list[Entry]]:
        """Return, by portions, the items remembered to have changed that are shown; see `_find_changed`."""
        found: list[Entry] = []
        entry_of, remembered = self._content.entry, self._remembered
        left, changed = newer(remembered.left, since), newer(remembered.changed, since)
        self._read += 1
        try:
            while ids := list(islice(left, size)):
                gone(ids)
                yield
            while ids := list(islice(changed, size)):
                entries = [entry for entry in map(entry_of, ids) if entry is not None]
                gone([entry.id for entry in entries if entry.removed > since])
                found += entries
                yield
        finally:
            self._read -= 1
        return found

    def _find_changed(
        self, since: int, gone: Callable[[list[str]], object], size: int
    ) -> Generator[None, None, list[Entry]]:
        """Find, by portions, the items that changed and are shown; `gone` is called with the ids that are not there."""
        content, finder = self._content, self._finder
        found: list[Entry] = []
        removed = content.removed_since(since)
        while ids := list(islice(removed, size)):
            gone(ids)
            yield
        for portion in portions(content.newest(since), finder.evaluated(size)):
            shown = [each for each in portion if finder.holds(each)]
            found += shown
            hidden = {each.id for each in portion}.difference(each.id for each in shown)
            gone([each.id for each in portion if each.id in hidden or each.removed > since])
            yield
        return found

    def _find(self, size: int) -> Generator[None, None, list[Entry]]:
        """Find, by portions, all items that are shown, in any order."""
        if self.definition.last is None:
            return (yield from self._finder.find(self._content, size))
        window = self._window
        if window is None or window.needs_more:
            window = yield from self._find_newest(size)
        entry_of = self._content.entry
        entries = [entry_of(id) for id in window.shown]
        return [entry for entry in entries if entry is not None]

    def _find_newest(self, size: int) -> Generator[None, None, Window]:
        self._window = window = yield from self._finder.find_newest(self._content, size)
        self._count()
        return window


def _at(entry: Entry) -> bytes:
    """Return where an item stands in the order, as JSON text."""
    return b"[%d,%d]" % (entry.created, entry.place)


def _run(work: Generator[None, None, T]) -> T:
    """Return what a generator returns, without waiting between its portions."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: T = end.value
            return result
