"""A committed state of one collection, with its change index: what has changed since version N?

The rules:

1. `_items` holds the live entries in order of insertion: a dict, or a `LargeDict` if they are many. They are linked in
   another order, too, that of their last change: from `_newest` on, each knows the id of the one before it.
   `tombstones` holds the removed ids with the version that removed them, newest last.
2. To find what has changed since N, walk the links and `tombstones` backwards until an entry is not newer than N: the
   cost is proportional to the change, whatever the size of the collection, and whatever was changed before. (A dict in
   which what has changed is put last keeps a dead slot for each time it was.)
3. `horizon` is the version of the newest forgotten tombstone. For a cursor before it the net change is unknown, so it
   gets everything. A reset forgets all tombstones at once.
4. An entry whose id was removed after N and inserted again is in both `remove` and `insert`, and inserts are in order
   of insertion, so a reader that applies them has its items in the same order.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import chain, islice
from typing import TYPE_CHECKING

from sharedstate_core.errors import LocalProtocolError
from sharedstate_core.large_dict import MANY, LargeDict
from sharedstate_core.storage import Cursor
from sharedstate_core.updates import resolve

from .entry import Before, Entry, insertion, text_of
from .leaps import Leaps
from .recent import Recent
from .runs import Runs
from .source import TURN_BYTES, Changes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sharedstate_core.leftovers import Leftovers
    from sharedstate_core.limits import Limits
    from sharedstate_core.storage import Loaded, Row
    from sharedstate_core.updates import Update
    from sharedstate_core.wire.encode import Array

    from .source import Gathering


class Replica:
    """One collection in memory. It only ever holds committed states.

    Args:
        head: what a load says of the collection as a whole; `loading` takes in its rows.
        leftovers: takes the entries that are no longer needed, if they are many.
        expected: how many items will come soon.

    Attributes:
        cursor: the state it holds; its parts are `epoch` and `version`.
        horizon: version of the newest forgotten tombstone.
        tombstones: the removed ids it remembers, with the version that removed each, newest last.
        bytes: total length of all items' texts.
        before: collects what was there before, as long as somebody wants to know; None if nobody does.
        leaps: the versions that it has passed over.
    """

    def __init__(self, head: Loaded, leftovers: Leftovers | None = None, expected: int = 0) -> None:
        self._leftovers = leftovers
        self.epoch = head.epoch
        self.move_to(head.version)
        self.horizon = head.horizon
        self.bytes = 0
        self._items: dict[str, Entry] | LargeDict[str, Entry] = {}
        if expected > MANY:
            self._items = LargeDict({}, expected)
        self._newest: Entry | None = None
        self.tombstones: OrderedDict[str, int] = OrderedDict()
        self.before: Before | None = None
        self.leaps = Leaps()

    def __len__(self) -> int:
        return len(self._items)

    def size(self, id: str) -> int:
        """Return the length of an item's text in bytes; 0 if there is no such item."""
        entry = self._items.get(id)
        return 0 if entry is None else len(entry.text)

    def text(self, id: str) -> bytes | None:
        """Return an item's text; None if there is no such item."""
        entry = self._items.get(id)
        return None if entry is None else entry.text

    def entry(self, id: str) -> Entry | None:
        """Return an item; None if there is no such one."""
        return self._items.get(id)

    def entries(self, *, newest_first: bool = False) -> Iterator[Entry]:
        """Yield all items in order of insertion, or in the opposite order; nothing may change meanwhile."""
        items = self._items
        if not newest_first:
            return iter(items.values())
        return reversed(items.values()) if isinstance(items, dict) else items.reversed_values()

    def version_of(self, id: str) -> int:
        """Return the version that changed an id last, or removed it; 0 if that is not remembered."""
        entry = self._items.get(id)
        return self.tombstones.get(id, 0) if entry is None else entry.version

    def texts(self) -> Sequence[bytes]:
        """Return the text of every item, in order of insertion."""
        return list(map(text_of, self._items.values()))

    def each_text(self) -> Iterator[bytes]:
        """Yield the text of every item, in order of insertion; nothing may change meanwhile."""
        return map(text_of, self._items.values())

    def newest(self, since: int = 0) -> Iterator[Entry]:
        """Yield the entries that changed after version `since`, the last first; nothing may change meanwhile."""
        entry, items = self._newest, self._items
        while entry is not None and entry.version > since:
            yield entry
            entry = None if entry.older is None else items[entry.older]

    def removed_since(self, since: int) -> Iterator[str]:
        """Yield the ids removed after version `since` that are not there again; nothing may change meanwhile."""
        for id, version in reversed(self.tombstones.items()):
            if version <= since:
                break
            yield id

    def follow(self, updates: Iterable[Update]) -> None:
        """Apply committed updates, each of which raises the version by one.

        Raises:
            MismatchError: a patch does not fit; what was committed before it has been applied.
        """
        try:
            for update in updates:
                plain = resolve(update, self.text) if update.patch else update
                self.apply(plain, self.version + 1)
        finally:
            self.move_to(self.version)

    def apply(self, update: Update, version: int, place: int = 0) -> None:
        """Apply a committed update, whose version is `version`, or a piece of it; the cursor is moved by who asks.

        Args:
            update: all of it, or some of its removals, or some of its items; without patches.
            version: the version it leads to.
            place: the place of its first item among those of the whole update.
        """
        self.version = version
        if update.reset:
            self.empty()
            self.horizon = version
        for id in update.remove:
            self._bury(id, version)
        items, before = self._items, self._texts_before
        for at, (id, text) in enumerate(update.insert.items(), place):
            entry = items.get(id)
            if before is not None:
                before.setdefault(id, None if entry is None else entry.text)
            if entry is None:
                self.bytes += len(text)
                entry = Entry(id, text, version, at, version, self.tombstones.pop(id, 0))
                items[id] = entry
                self._link(entry)
            else:
                self.bytes += len(text) - len(entry.text)
                entry.text, entry.version = text, version
                if entry is not self._newest:
                    self._unlink(entry)
                    self._link(entry)
        if len(items) > MANY:
            self._make_room()

    def empty(self) -> None:
        """Let go of all items, and of what was removed."""
        items, self._items = self._items, {}
        tombstones, self.tombstones = self.tombstones, OrderedDict()
        self._newest = None
        self.bytes = 0
        if self.before is not None:
            self.before = Before(is_all=True)
        if self._leftovers is not None:
            self._leftovers.add(*([items] if isinstance(items, dict) else items.dicts()))
            self._leftovers.add(tombstones)

    def reaches(self, cursor: Cursor | None) -> bool:
        """Return whether the net change from `cursor` to now is known."""
        return (
            cursor is not None
            and cursor.epoch == self.epoch
            and self.horizon <= cursor.version <= self.version
        )

    def is_behind(self, cursor: Cursor | None) -> bool:
        """Return whether `cursor` is a later state in the same epoch, one that another process has shown."""
        return cursor is not None and cursor.epoch == self.epoch and cursor.version > self.version

    def changes_since(self, since: int) -> Changes:
        """Return the net change from version `since`, which it `reaches`, to now."""
        live = []
        entry = self._newest
        while entry is not None and entry.version > since:
            live.append(entry)
            entry = None if entry.older is None else self._items[entry.older]
        remove = list(self.removed_since(since)) if self.tombstones else []
        live.sort(key=insertion)
        remove.extend(entry.id for entry in live if entry.removed > since)
        return Changes(remove, [entry.text for entry in live])

    # --- as a source of notifications -------------------------------------------------------------

    def is_large(self, limits: Limits, *, removed: bool = False) -> bool:
        """Return whether all items, or else what was `removed`, are too much for one turn."""
        if removed and len(self.tombstones) > limits.turn_items:
            return True
        return len(self) > limits.turn_items or self.bytes > TURN_BYTES

    @property
    def has_more(self) -> bool:
        """Whether there are older items than those it shows: it shows all."""
        return False

    def extent(self, limits: Limits) -> Recent:
        """Return what tells how much has changed."""
        return Recent(self.newest(), reversed(self.tombstones.values()), limits)

    def everything(self) -> Changes:
        """Return all items."""
        return Changes((), self.texts())

    def gather(self, since: int | None, remove: Array, size: int) -> Gathering:
        """Find by portions the net change from version `since`, which it reaches, or everything; see `Source`."""
        if since is None:
            return self.each_text(), None
        gone = self.removed_since(since)
        while ids := list(islice(gone, size)):
            remove.add_names(ids)
            yield
        changed: Runs[Entry] = Runs(insertion)
        newest = self.newest(since)
        while entries := list(islice(newest, size)):
            remove.add_names([entry.id for entry in entries if entry.removed > since])
            changed.add(entries)
            yield
        return map(text_of, chain.from_iterable(changed.portions(size))), None

    def prune(self, keep: int) -> None:
        """Forget the oldest tombstones beyond `keep`, moving the horizon accordingly."""
        while len(self.tombstones) > keep:
            _, self.horizon = self.tombstones.popitem(last=False)

    # --- rows from a store ------------------------------------------------------------------------

    def bury(self, rows: Sequence[Row], base: int) -> None:
        """Take in tombstones that are newer than `base`; they come in order of version.

        Raises:
            LocalProtocolError: an id comes twice.
        """
        for row in rows:
            if self.tombstones.get(row.id, 0) > base:
                raise _twice()
            self._bury(row.id, row.version)
            self.tombstones.pop(row.id, None)
            self.tombstones[row.id] = row.version

    def place(self, rows: Sequence[Row], base: int) -> list[Entry]:
        """Take in live rows that are newer than `base`, and return their entries, for `touch`.

        They come in order of insertion, after all tombstones.

        Raises:
            LocalProtocolError: an id comes twice.
        """
        items, tombstones, before = self._items, self.tombstones, self._texts_before
        # A store does not record when the id was last removed: assume the latest possible version.
        if base == 0:  # there was nothing before
            if tombstones and any(row.id in tombstones for row in rows):
                raise _twice()
            entries = [
                Entry(row.id, row.text or b"", row.created, row.place, row.version, row.created)
                for row in rows
            ]
            self._add(entries)
            if before is not None:
                before.update(dict.fromkeys([entry.id for entry in entries]))
            return entries
        entries, new = [], []
        for row in rows:
            id, version = row.id, row.version
            entry = items.get(id)
            if (entry.version if entry else tombstones.get(id, 0)) > base:
                raise _twice()
            if before is not None:
                before.setdefault(id, None if entry is None else entry.text)
            if entry is not None and entry.created == row.created:
                text = row.text or b""
                self.bytes += len(text) - len(entry.text)
                entry.text, entry.version = text, version
            else:
                if entry is not None:
                    self._bury(id, version)
                tombstones.pop(id, None)
                entry = Entry(id, row.text or b"", row.created, row.place, version, row.created)
                new.append(entry)
            entries.append(entry)
        self._add(new)
        return entries

    def _add(self, entries: Sequence[Entry]) -> None:
        """Add new entries, at the end."""
        items, ids = self._items, [entry.id for entry in entries]
        self.bytes += sum([len(entry.text) for entry in entries])
        if isinstance(items, LargeDict):
            if not items.add(ids, entries):
                raise _twice()
            return
        count = len(items) + len(ids)
        items.update(zip(ids, entries, strict=True))
        if len(items) < count:
            raise _twice()
        if count > MANY:
            self._make_room()

    def touch(self, entries: Iterable[Entry]) -> None:
        """Let these be the ones that changed last, in order of version."""
        newest = self._newest
        for entry in entries:
            if entry.newer is not None or entry is newest:  # it is linked
                self._newest = newest
                self._unlink(entry)
                newest, entry.newer = self._newest, None
            if newest is None:
                entry.older = None
            else:
                entry.older, newest.newer = newest.id, entry.id
            newest = entry
        self._newest = newest

    def move_to(self, version: int) -> None:
        """Move the cursor."""
        self.version = version
        self.cursor = Cursor(self.epoch, version)

    def _make_room(self) -> None:
        """Let the items be in more than one dict from now on."""
        if isinstance(self._items, dict):
            self._items = LargeDict(self._items)

    @property
    def _texts_before(self) -> dict[str, bytes | None] | None:
        before = self.before
        return None if before is None or before.is_all else before.texts

    def _bury(self, id: str, version: int) -> None:
        entry = self._items.pop(id, None)
        if entry is not None:
            if self.before is not None and not self.before.is_all:
                self.before.texts.setdefault(id, entry.text)
            self.bytes -= len(entry.text)
            self._unlink(entry)
            self.tombstones[id] = version

    # --- the order of the last change -------------------------------------------------------------

    def _link(self, entry: Entry) -> None:
        """Make an entry that is not linked the newest one."""
        newest = self._newest
        entry.newer = None
        if newest is None:
            entry.older = None
        else:
            entry.older = newest.id
            newest.newer = entry.id
        self._newest = entry

    def _unlink(self, entry: Entry) -> None:
        """Take an entry from among its neighbours, if it is linked."""
        items, older, newer = self._items, entry.older, entry.newer
        before = None if older is None else items[older]
        if before is not None:
            before.newer = newer
        if newer is not None:
            items[newer].older = older
        elif entry is self._newest:
            self._newest = before


def _twice() -> LocalProtocolError:
    return LocalProtocolError("Loaded.rows: two rows have the same id")
