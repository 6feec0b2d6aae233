"""A committed state of one collection, with its change index: what has changed since version N?

The rules:

1. `_items` holds the live entries in order of insertion; `_recent` holds the same entries with the most recently
   changed last; `tombstones` holds the removed ids with the version that removed them, newest last.
2. To find what has changed since N, walk `_recent` and `tombstones` backwards until an entry is not newer than N: the
   cost is proportional to the change, whatever the size of the collection.
3. `horizon` is the version of the newest forgotten tombstone. For a cursor before it the net change is unknown, so it
   gets everything. A reset forgets all tombstones at once.
4. An entry whose id was removed after N and inserted again is in both `remove` and `insert`, and inserts are in order
   of insertion, so a reader that applies them has its items in the same order.
"""

from __future__ import annotations

from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from sharedstate_core.storage import Cursor, Loaded, Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sharedstate_core.updates import Update


class Changes(NamedTuple):
    """The net change from one version to another.

    Attributes:
        remove: ids to remove; some may be unknown to the reader.
        insert: item texts to set after that, in order.
    """

    remove: Sequence[str]
    insert: Sequence[bytes]


class Entry:
    """One live item. `removed`: the last version before `created` that removed this id, else 0."""

    __slots__ = ("created", "id", "place", "removed", "text", "version")

    def __init__(self, row: Row, text: bytes, removed: int) -> None:
        self.id = row.id
        self.text = text
        self.created = row.created
        self.place = row.place
        self.version = row.version
        self.removed = removed


_insertion: Final = attrgetter("created", "place")
_version: Final = attrgetter("version")
"""Sort keys of entries and rows."""


class Replica:
    """One collection in memory. It only ever holds committed states.

    Attributes:
        cursor: the state it holds; its parts are `epoch` and `version`.
        horizon: version of the newest forgotten tombstone.
        tombstones: the removed ids it remembers, with the version that removed each, newest last.
        bytes: total length of all items' texts.
    """

    def __init__(self, loaded: Loaded) -> None:
        self.epoch = loaded.epoch
        self._move_to(loaded.version)
        self.horizon = loaded.horizon
        self.bytes = 0
        self._items: dict[str, Entry] = {}
        self._recent: dict[str, Entry] = {}
        self.tombstones: dict[str, int] = {}
        self._fill(loaded.rows)

    def __len__(self) -> int:
        return len(self._items)

    def size(self, id: str) -> int:
        """Return the length of an item's text in bytes; 0 if there is no such item."""
        entry = self._items.get(id)
        return 0 if entry is None else len(entry.text)

    def texts(self) -> Sequence[bytes]:
        """Return the text of every item, in order of insertion."""
        return [entry.text for entry in self._items.values()]

    def follow(self, updates: Iterable[Update]) -> None:
        """Apply committed updates, each of which raises the version by one."""
        for update in updates:
            self.apply(update, self.version + 1)
        self._move_to(self.version)

    def apply(self, update: Update, version: int) -> None:
        """Apply a committed update, whose version is `version`; `follow` moves the cursor."""
        self.version = version
        if update.reset:
            self._items.clear()
            self._recent.clear()
            self.tombstones.clear()
            self.horizon = version
            self.bytes = 0
        for id in update.remove:
            self._bury(id, version)
        items, recent = self._items, self._recent
        for place, (id, text) in enumerate(update.insert.items()):
            entry = items.get(id)
            if entry is None:
                self.bytes += len(text)
                row = Row(id, text, version, place, version)
                entry = Entry(row, text, self.tombstones.pop(id, 0))
                items[id] = entry
            else:
                self.bytes += len(text) - len(entry.text)
                entry.text, entry.version = text, version
                del recent[id]
            recent[id] = entry

    def merge(self, loaded: Loaded) -> None:
        """Merge what has changed in the store since this replica's version."""
        self._move_to(loaded.version)
        self._merge(loaded.rows)

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
        for entry in reversed(self._recent.values()):
            if entry.version <= since:
                break
            live.append(entry)
        remove = []
        for id, version in reversed(self.tombstones.items()):
            if version <= since:
                break
            remove.append(id)
        live.sort(key=_insertion)
        remove.extend(entry.id for entry in live if entry.removed > since)
        return Changes(remove, [entry.text for entry in live])

    def prune(self, keep: int) -> None:
        """Forget the oldest tombstones beyond `keep`, moving the horizon accordingly."""
        surplus = len(self.tombstones) - keep
        if surplus > 0:
            for id in list(islice(self.tombstones, surplus)):
                self.horizon = self.tombstones.pop(id)

    def _fill(self, rows: Sequence[Row]) -> None:
        """Fill in everything a store holds; each id occurs once."""
        removed = sorted((row for row in rows if row.text is None), key=_version)
        self.tombstones = {row.id: row.version for row in removed}
        for row in sorted(rows, key=_insertion):
            if row.text is not None:
                # A store does not record when the id was last removed: assume the latest possible version.
                self._items[row.id] = Entry(row, row.text, row.created)
                self.bytes += len(row.text)
        self._recent = {entry.id: entry for entry in sorted(self._items.values(), key=_version)}

    def _merge(self, rows: Sequence[Row]) -> None:
        for row in sorted((row for row in rows if row.text is None), key=_version):
            self._bury(row.id, row.version)
            self.tombstones.pop(row.id, None)
            self.tombstones[row.id] = row.version
        live = [row for row in rows if row.text is not None]
        for row in sorted(live, key=_insertion):
            assert row.text is not None  # noqa: S101  (for the type checker)
            known = self._items.get(row.id)
            self.bytes += len(row.text)
            if known is not None and known.created == row.created:
                self.bytes -= len(known.text)
                known.text, known.version = row.text, row.version
                continue
            self._bury(row.id, row.version)
            self.tombstones.pop(row.id, None)
            self._items[row.id] = Entry(row, row.text, row.created)  # removed: as in `_fill`
        for row in sorted(live, key=_version):
            self._recent.pop(row.id, None)
            self._recent[row.id] = self._items[row.id]

    def _move_to(self, version: int) -> None:
        self.version = version
        self.cursor = Cursor(self.epoch, version)

    def _bury(self, id: str, version: int) -> None:
        entry = self._items.pop(id, None)
        if entry is not None:
            self.bytes -= len(entry.text)
            del self._recent[id]
            self.tombstones[id] = version
