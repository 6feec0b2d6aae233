"""A view: what is seen of one collection through a definition, and what has changed in it since which version.

The rules:

1. It does not hold its items. It knows the ids of those that changed in it, with the version: *changed* for
   those that are shown, *left* for those that were, the newest last. So its net change costs what has changed in it,
   whatever else has changed in the collection, and no id is told that was never in it.
2. What it remembers is bounded. For a cursor before `since` the net change is unknown; then everything is told, or, if
   whoever sees it may read the whole collection anyway, what the collection knows: all that changed and is not shown
   now counts as gone.
3. Its cursor is the state that its readers in step were brought to. While nothing changes in it, it stays where it is,
   although the collection goes on: what is shown is the same.
4. The order is that of insertion into the collection; an item that enters because it was changed stands where it
   always stood.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import chain, islice
from typing import TYPE_CHECKING, Final, TypeVar

from sharedstate_core.items.entry import insertion
from sharedstate_core.items.notices import Notices
from sharedstate_core.items.runs import Runs
from sharedstate_core.items.source import TURN_BYTES, Changes
from sharedstate_core.storage import Cursor
from sharedstate_core.wire.item_text import decode_item

from .portions import portions
from .window import SPARE, Window, place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from sharedstate_core.filters.index_keys import IndexKey
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

CHANGE_BYTES: Final = 150
"""Approximate memory that each id takes that a view remembers."""


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
        since: it knows what has changed since this version.
        readers: how many subscriptions see it.
    """

    def __init__(
        self, definition: Definition, limits: LiveLimits, encoded: Encoded, index: ItemIndex
    ) -> None:
        self.definition = definition
        self.notices = Notices(limits, encoded)
        self.cursor = Cursor("", 0)
        self.since = 0
        self.readers = 0
        self._replica: Replica | None = None
        self._index = index
        self._changed: OrderedDict[str, int] = OrderedDict()
        self._left: OrderedDict[str, int] = OrderedDict()
        self._window: Window | None = None
        self._shown_before: frozenset[str] | None = None  # while changes are taken in

    @property
    def memory(self) -> int:
        """Approximate memory that it takes, in bytes."""
        known = 0 if self._window is None else len(self._window)
        return self.definition.size + CHANGE_BYTES * (
            len(self._changed) + len(self._left) + 2 * known
        )

    def begin(self, replica: Replica) -> None:
        """Begin to follow a replica, of which nothing is known yet, or not any more."""
        self._replica = replica
        self.cursor = replica.cursor
        self.since = replica.version
        self._changed.clear()
        self._left.clear()
        self._window = self._shown_before = None

    def is_passed_by(self, cursor: Cursor) -> bool:
        """Return whether a reader has been brought to a later state of the collection, in which it shows the same."""
        here, content = self.cursor, self._content
        return here.epoch == cursor.epoch and here.version < cursor.version <= content.version

    @property
    def has_more(self) -> bool:
        """Whether there are older items than those it shows, once it has been asked for everything."""
        return self._window is not None and self._window.has_more

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
        id, version, window = change.id, change.version, self._window
        if self.definition.last is None:
            self._record(id, version, is_shown=entry is not None)
        elif window is not None:
            if self._shown_before is None:
                self._shown_before = window.shown
            window.move(id, None if entry is None else place_of(entry))
            if entry is not None:
                self._changed[id] = version  # if it is not shown in the end, `settle` says so
                self._changed.move_to_end(id)
        if len(self._changed) + len(self._left) > change.most:
            self._forget_oldest()

    def _record(self, id: str, version: int, *, is_shown: bool) -> None:
        into, other = self._changed, self._left
        if not is_shown:
            into, other = other, into
        other.pop(id, None)
        into[id] = version
        into.move_to_end(id)

    def _forget_oldest(self) -> None:
        changed, left = self._changed, self._left
        is_left = not changed or (left and _oldest(left) < _oldest(changed))
        _, self.since = (left if is_left else changed).popitem(last=False)

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
        if window is None:  # nobody has asked yet what is in it: what has gone is not known
            self.since = version
            return True
        if before is None:
            return False
        if window.needs_more:
            window = yield from self._find_newest(size)
        shown = window.shown
        changed = self._newer(self._changed, version - 1)
        for id in changed:
            if id not in shown:
                del self._changed[id]
        if shown is not before:
            for id in before - shown:
                self._record(id, version, is_shown=False)
            for id in shown - before:
                self._record(id, version, is_shown=True)
        return shown != before or self.since == version or any(id in shown for id in changed)

    def move(self, cursor: Cursor, keep: int) -> None:
        """Be at a later state of the collection; remember no more than `keep` ids, but all that this has changed."""
        self.cursor = cursor
        changed, left = self._changed, self._left
        beyond = len(changed) + len(left) - keep
        while beyond > 0:
            oldest = min(_oldest(those) for those in (changed, left) if those)
            if oldest >= cursor.version:
                break
            self._forget_oldest()
            beyond -= 1

    def _newer(self, those: OrderedDict[str, int], since: int) -> list[str]:
        found = []
        for id, version in reversed(those.items()):
            if version <= since:
                break
            found.append(id)
        return found

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
        return since >= self.since and (self._window is not None or self.definition.last is None)

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
        return removed or self._is_whole_large(limits)

    def _is_whole_large(self, limits: Limits) -> bool:
        keys, content, window = self.definition.index_keys, self._content, self._window
        if window is not None and not window.needs_more:
            return self.definition.fields is not None and self._are_long(window.shown)
        if keys is not None and self._index.has(keys):
            number = self._index.number(keys)
            is_much = number * self.definition.weight > limits.turn_items
            return is_much or self._are_long(self._index.ids(keys))
        is_much = len(content) * self.definition.weight > limits.turn_items
        return is_much or content.bytes > TURN_BYTES

    def _are_long(self, ids: Iterable[str]) -> bool:
        """Return whether some items, no more than one turn takes, are too long for one turn."""
        content = self._content
        return content.bytes > TURN_BYTES and sum(map(content.size, ids)) > TURN_BYTES

    def effort(self, cursors: Iterable[tuple[bool, Cursor]]) -> int:
        """Return what it takes to tell readers at these cursors of its state, beside to send it: about 10 us each."""
        keys, number = self.definition.index_keys, 0
        for _, cursor in cursors:
            if self._knows(cursor.version):
                number += self._number_since(cursor.version) // 10
            elif keys is not None and self._index.has(keys):
                number += self._index.number(keys) // 5
            else:
                number += len(self._content) // 5
        return number

    def extent(self, limits: Limits) -> ViewExtent:
        """Return what tells how much has changed."""
        return ViewExtent(self, limits)

    def is_change_large(self, since: int, limits: Limits) -> bool:
        """Return whether the net change from version `since` may be too much for one turn."""
        if not self._knows(since):
            return self.definition.weight > 1 or not self._content.extent(limits).covers(since)
        left, size = limits.turn_items, TURN_BYTES
        if len(self._changed) + len(self._left) <= left and self._content.bytes <= size:
            return False
        for those in (self._changed, self._left):
            for id, version in reversed(those.items()):
                if version <= since:
                    break
                left -= 1
                size -= self._content.size(id)
                if left < 0 or size < 0:
                    return True
        return False

    def _number_since(self, since: int) -> int:
        """Return how many ids are known to have changed after version `since`."""
        number = 0
        for those in (self._changed, self._left):
            for version in reversed(those.values()):
                if version <= since:
                    break
                number += 1
        return number

    def changes_since(self, since: int) -> Changes:
        """Return the net change from version `since`, which it reaches."""
        gone: list[str] = []
        if self._knows(since):
            entries = self._known_since(since, gone)
        else:
            entries = _run(self._find_changed(since, gone.extend, len(self._content) + 1))
        entries.sort(key=insertion)
        return self._changes(gone, entries)

    def _known_since(self, since: int, gone: list[str]) -> list[Entry]:
        """Return the items that are known to have changed after version `since` and are shown; add what is `gone`."""
        entry_of = self._content.entry
        gone += self._newer(self._left, since)
        found = [
            entry for id in self._newer(self._changed, since) if (entry := entry_of(id)) is not None
        ]
        gone += [entry.id for entry in found if entry.removed > since]
        return found

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
            found = yield from self._find_changed(since, remove.add_names, size)
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

    def _find_changed(
        self, since: int, gone: Callable[[list[str]], object], size: int
    ) -> Generator[None, None, list[Entry]]:
        """Find, by portions, the items that changed and are shown; `gone` is called with the ids that are not there."""
        content, is_known = self._content, self._knows(since)
        found: list[Entry] = []
        entries: Iterator[Entry]
        if is_known:
            gone(self._newer(self._left, since))
            changed = map(content.entry, self._newer(self._changed, since))
            entries = (entry for entry in changed if entry is not None)
        else:
            removed = content.removed_since(since)
            while ids := list(islice(removed, size)):
                gone(ids)
                yield
            entries = content.newest(since)
        for portion in portions(entries, size if is_known else self._evaluated(size)):
            shown = portion if is_known else [each for each in portion if self._holds(each)]
            found += shown
            hidden = {each.id for each in portion}.difference(each.id for each in shown)
            gone([each.id for each in portion if each.id in hidden or each.removed > since])
            yield
        return found

    def _holds(self, entry: Entry) -> bool:
        definition = self.definition
        before = definition.before
        if before is not None and (entry.created, entry.place) >= before:
            return False
        return definition.shows_all or definition.holds(decode_item(entry.text))

    def _find(self, size: int) -> Generator[None, None, list[Entry]]:
        """Find, by portions, all items that are shown, in any order."""
        if self.definition.last is not None:
            window = self._window
            if window is None or window.needs_more:
                window = yield from self._find_newest(size)
            entry_of = self._content.entry
            entries = [entry_of(id) for id in window.shown]
            return [entry for entry in entries if entry is not None]
        found: list[Entry] = []
        for portion in (yield from self._looked_through(size)):
            found += filter(self._holds, portion)
            yield
        return found

    def _looked_through(
        self, size: int, *, newest_first: bool = False
    ) -> Generator[None, None, Iterator[list[Entry]]]:
        """Return, by portions, the items of which the definition may be true."""
        keys, content = self.definition.index_keys, self._content
        entries: Iterator[Entry]
        if keys is not None and not (yield from self._index.build(keys, content, size)):
            keys = None
        if keys is None or (newest_first and self._is_frequent(keys)):
            entries = content.entries(newest_first=newest_first)
        else:
            known = map(content.entry, self._index.ids(keys))
            entries = (entry for entry in known if entry is not None)
            if newest_first:
                runs: Runs[Entry] = Runs(_newest_first)
                while some := list(islice(entries, size)):
                    runs.add(some)
                    yield
                entries = chain.from_iterable(runs.portions(size))
        return portions(entries, self._evaluated(size))

    def _evaluated(self, size: int) -> int:
        """Return how many items may be looked at in one turn, if it is `size` where that is easy."""
        return max(1, size // self.definition.weight)

    def _is_frequent(self, keys: Sequence[IndexKey]) -> bool:
        """Return whether the newest items are found sooner among all than among those that have these keys."""
        number, wanted = self._index.number(keys), (self.definition.last or 0) + SPARE
        return 2 * wanted * len(self._content) < number * number

    def _find_newest(self, size: int) -> Generator[None, None, Window]:
        """Find, by portions, the newest items of which the definition is true."""
        last = self.definition.last or 0
        found: list[Entry] = []
        is_complete = True
        for portion in (yield from self._looked_through(size, newest_first=True)):
            found += filter(self._holds, portion)
            if len(found) >= last + SPARE:
                is_complete = False
                break
            yield
        self._window = Window(last, map(place_of, found), is_complete=is_complete)
        return self._window


class ViewExtent:
    """Tells since which versions little enough has changed in a view for one turn."""

    def __init__(self, view: View, limits: Limits) -> None:
        self._view = view
        self._limits = limits

    def covers(self, since: int) -> bool:
        """Return whether the net change from version `since` is little enough."""
        return not self._view.is_change_large(since, self._limits)


def _newest_first(entry: Entry) -> tuple[int, int]:
    """The key by which items come in the opposite of their order."""
    return -entry.created, -entry.place


def _oldest(versions: OrderedDict[str, int]) -> int:
    return next(iter(versions.values()))


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
