"""All views of one collection: which of them a change concerns, and what is kept of them.

The rules:

1. Whoever sees the same shares a view. It stays for a while once nobody sees it, so that they can come back to it.
2. An item that has changed is read once, as it was and as it is, however many views there are. Views that ask for a
   value are found by it; the others are asked one by one, so there may not be many of them.
3. A view in which nothing changes is told nothing, unless its cursor is about to become too old to resume from.
4. After a reset, or in another replica, everything is told anew.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice
from typing import TYPE_CHECKING, Final

from sharedstate_core.errors import RequestError
from sharedstate_core.items.entry import Before
from sharedstate_core.wire.item_text import decode_item

from .item_index import ItemIndex
from .view import View
from .view_index import MAX_MEMBERS, ViewIndex

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from sharedstate_core.items.encoded import Encoded
    from sharedstate_core.items.entry import Entry
    from sharedstate_core.items.replica import Replica
    from sharedstate_core.limits import LiveLimits

    from .definition import Definition

LEAST_KEPT: Final = 64
"""Changed ids that each view remembers at least; all together they remember about `Limits.tombstones`."""

MOVED_AT_ONCE: Final = 100
"""Views that are moved on at a time because their cursors have become too old."""

TURN_TESTS: Final = 1_000
"""Definitions that are evaluated in one turn, about; to read an item counts as two."""

TEXT_BYTES: Final = 2_000
"""Bytes of an item, as it was and as it is, that count as another item: it is decoded, and its lists are searched."""


class Views:
    """The views of one collection.

    Args:
        limits: the server's limits.
        encoded: counts what is kept encoded.

    Attributes:
        due: those whose readers in step have yet to be told.
        unused: those that nobody sees, until when they stay; None: that is yet to be said.
    """

    def __init__(self, limits: LiveLimits, encoded: Encoded) -> None:
        self._limits = limits
        self._encoded = encoded
        self._replica: Replica | None = None
        self._index = ItemIndex()
        self._by_item = ViewIndex()
        self._views: dict[str, View] = {}
        self._by_age: OrderedDict[View, None] = OrderedDict()  # those with the oldest cursor first
        self._waiting: dict[View, None] = {}  # those that do not follow the replica yet
        self.due: dict[View, None] = {}
        self.unused: dict[View, float | None] = {}

    def __len__(self) -> int:
        return len(self._views)

    @property
    def memory(self) -> int:
        """Approximate memory that they take, in bytes."""
        return self._index.memory + sum(view.memory for view in self._views.values())

    @property
    def scanned(self) -> int:
        """Number of views that are asked about every item."""
        return len(self._by_item.scanned)

    def check_room(self, definition: Definition) -> None:
        """Refuse one view too many, of those that somebody sees.

        Raises:
            RequestError: `too_many`.
        """
        if definition.key in self._views:
            return
        limits = self._limits.current
        if len(self) - len(self.unused) >= limits.views:
            text = f"at most {limits.views} different views of a collection"
            raise RequestError("too_many", text)
        is_scanned = not self._by_item.takes(definition.index_keys)
        if is_scanned and self._scanned_and_seen() >= limits.scanned_views:
            text = f"at most {limits.scanned_views} different views of a collection whose filters ask for no value"
            more = f"or for values of more than {MAX_MEMBERS} members in all"
            raise RequestError("too_many", f"{text}, {more}")

    def _scanned_and_seen(self) -> int:
        scanned = self._by_item.scanned
        if len(scanned) < self._limits.current.scanned_views:
            return len(scanned)
        return sum(view not in self.unused for view in scanned)

    def in_the_way_of(self, definition: Definition) -> View | None:
        """Return a view that nobody sees and that has to be closed before this one is opened, if there is one."""
        if definition.key in self._views:
            return None
        limits, scanned = self._limits.current, self._by_item.scanned
        keys = definition.index_keys
        if len(scanned) >= limits.scanned_views and not self._by_item.takes(keys):
            return next((view for view in self.unused if view in scanned), None)
        return next(iter(self.unused), None) if len(self) >= limits.views else None

    def open(self, definition: Definition) -> View:
        """Return the view that shows this."""
        view = self._views.get(definition.key)
        if view is None:
            view = self._views[definition.key] = self.once(definition)
            self._index.use(self._by_item.add(view))
            self._by_age[view] = self._waiting[view] = None
        return view

    def has(self, view: View) -> bool:
        """Return whether a view is one that stays."""
        return self._views.get(view.definition.key) is view

    def once(self, definition: Definition) -> View:
        """Return a view that shows this, for one answer."""
        known = self._views.get(definition.key)
        if known is None:
            definition.compile()  # so that it has its weight
        return known or View(definition, self._limits, self._encoded, self._index)

    def close(self, view: View) -> None:
        """Forget a view that nobody sees."""
        del self._views[view.definition.key], self._by_age[view]
        self.unused.pop(view, None)
        self._index.leave(self._by_item.discard(view))
        self._waiting.pop(view, None)
        self.due.pop(view, None)
        view.notices.clear()
        if not self._views and self._replica is not None:
            self._replica.before = None
            self._replica = None

    def forget_content(self) -> None:
        """Forget the items: they are not in memory any more."""
        self._index.clear()
        self._replica = None
        self._waiting = dict.fromkeys(self._views.values())
        for view in self._waiting:
            view.notices.clear()

    # --- following the collection -----------------------------------------------------------------

    def prepare(self, view: View, replica: Replica) -> None:
        """See to it that a view follows the replica, all of whose changes have been taken in."""
        if not self.has(view):
            if view.cursor != replica.cursor or not view.is_of(replica):
                view.begin(replica)
        elif self._replica is not replica:
            self._follow(replica)
        elif view in self._waiting:
            self._begin(view, replica)

    def _begin(self, view: View, replica: Replica) -> None:
        view.begin(replica)
        self._waiting.pop(view, None)
        self._by_age.move_to_end(view)

    def _follow(self, replica: Replica) -> None:
        """Begin to follow a replica, or one in which everything is new."""
        self._index.clear()
        self._replica = replica
        replica.before = Before()
        for view in self._views.values():
            self._begin(view, replica)
        self.due = dict.fromkeys(self._views.values())

    def advance(self, replica: Replica) -> Generator[None, None, None]:
        """Take in, by portions, what has changed in the replica; afterwards some are `due`."""
        before = replica.before
        if self._replica is not replica or before is None or before.is_all:
            self._follow(replica)
            return
        for view in list(self._waiting):
            self._begin(view, replica)
        size = self._limits.current.turn_items
        touched: dict[View, None] = {}
        left = TURN_TESTS
        for id, old in before.texts.items():
            for cost in self._note(id, old, replica, touched):
                left -= cost
                if left < 0:
                    yield
                    left = TURN_TESTS
        before.texts = {}
        for view in touched:
            if view.definition.last is None or (yield from view.settle(replica.version, size)):
                self.move(view, replica)
        for view in list(islice(self._by_age, MOVED_AT_ONCE)):
            if view.cursor.version >= replica.horizon:
                break
            self.move(view, replica)

    def _note(
        self, id: str, old: bytes | None, replica: Replica, touched: dict[View, None]
    ) -> Iterator[int]:
        """Take in that an item has changed, and yield, again and again, what that has cost."""
        entry = replica.entry(id)
        item_before = None if old is None else decode_item(old)
        item = None if entry is None else decode_item(entry.text)
        self._index.move(id, item_before, item)
        candidates = list(self._by_item.candidates((item_before, item)))
        longer = (len(old or b"") + replica.size(id)) // TEXT_BYTES
        yield 2 + 2 * longer
        for view in candidates:
            yield view.definition.weight + longer
            holds = view.definition.holds
            was = item_before is not None and holds(item_before)
            shown = entry if item is not None and holds(item) else None
            if was and shown is not None and _looks_the_same(view, old, shown):
                continue
            if view.note(shown, id, was=was, version=replica.version):
                touched[view] = None

    def move(self, view: View, replica: Replica) -> None:
        """Let a view be at the state of the replica, which its readers are told."""
        if view.cursor != replica.cursor:
            view.move(
                replica.cursor,
                max(LEAST_KEPT, self._limits.current.tombstones // max(1, len(self))),
            )
            self.due[view] = None
            if view in self._by_age:
                self._by_age.move_to_end(view)


def _looks_the_same(view: View, old: bytes | None, entry: Entry) -> bool:
    """Return whether the change of an item that was shown, and is, does not show."""
    if view.definition.fields is None or old is None or entry.created > view.cursor.version:
        return False
    shown = view.definition.shown
    return shown(old) == shown(entry.text)
