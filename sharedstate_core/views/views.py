"""All views of one collection: which of them a change concerns, and what is kept of them.

The rules:

1. Whoever sees the same shares a view. It stays for a while once nobody sees it, so that they can come back to it.
2. An item that has changed is read once, as it was and as it is, however many views there are. Views that ask for a
   value are found by it; the others are asked one by one, so there may not be many of them.
3. A view in which nothing changes is told nothing, unless its cursor is about to become too old to resume from.
4. After a reset, or in another replica, everything is told anew.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from sharedstate_core.errors import RequestError
from sharedstate_core.items.entry import Before

from .change import Change
from .item_index import ItemIndex
from .turn import Turn
from .view import View
from .view_index import MAX_MEMBERS, ViewIndex

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable

    from sharedstate_core.items.encoded import Encoded
    from sharedstate_core.items.replica import Replica
    from sharedstate_core.limits import LiveLimits

    from .definition import Definition

LEAST_KEPT: Final = 64
"""Changed ids that each view remembers at least; all together they remember about `Limits.tombstones`."""

MOVED_AT_ONCE: Final = 100
"""Views that are moved on at a time because their cursors have become too old."""

KEPT_AT_ONCE: Final = 100_000
"""Those of one version that all of them together remember until it has been told, about."""

VIEW_WEIGHT: Final = 100
"""Items of a collection that are freed in the time that a view takes, with its expression."""

ASKED_AT_ONCE: Final = 20
"""Views that are asked about one item before anybody looks whether the turn is over."""


class Views:
    """The views of one collection.

    Args:
        limits: the server's limits.
        encoded: counts what is kept encoded.

    Attributes:
        due: those whose readers in step have yet to be told.
        unused: those that nobody sees, until when they stay; None: that is yet to be said.
        scanning: how many subscriptions each reader has to views that are asked about every item.
    """

    def __init__(self, limits: LiveLimits, encoded: Encoded) -> None:
        self._limits = limits
        self._encoded = encoded
        self._replica: Replica | None = None
        self._index = ItemIndex(encoded)
        self._by_item = ViewIndex()
        self._views: dict[str, View] = {}
        self._by_age: OrderedDict[View, None] = OrderedDict()  # those with the oldest cursor first
        self._waiting: dict[View, None] = {}  # those that do not follow the replica yet
        self.due: dict[View, None] = {}
        self.unused: dict[View, float | None] = {}
        self.scanning: Counter[Any] = Counter()

    def __len__(self) -> int:
        return len(self._views)

    @property
    def scanned(self) -> int:
        """Number of views that are asked about every item."""
        return len(self._by_item.scanned)

    def scans(self, view: View) -> bool:
        """Return whether a view is asked about every item."""
        return view in self._by_item.scanned

    def check_room(self, definition: Definition, reader: object) -> None:
        """Refuse one view too many, of those that somebody sees.

        Of the views that are asked about every item a reader sees no more than it leaves to others.

        Raises:
            RequestError: `too_many`.
        """
        if definition.key in self._views:
            return
        limits = self._limits.current
        if len(self) - len(self.unused) >= limits.views:
            text = f"at most {limits.views} different filters of a collection (limits.views)"
            raise RequestError("too_many", text)
        is_scanned = not self._by_item.takes(definition.index_keys)
        if is_scanned:
            left = limits.scanned_views - self._scanned_and_seen()
            if left <= self.scanning[reader]:
                most = f"at most {limits.scanned_views} different filters (limits.scanned_views)"
                which = f"that ask for no value by eq, in or has, of {MAX_MEMBERS} members in all"
                each = "and of one connection as many as it leaves to others"
                raise RequestError("too_many", f"{most} {which}, {each}")

    def _scanned_and_seen(self) -> int:
        scanned = self._by_item.scanned
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
            view.stay()
            self._encoded.views += 1
            self._encoded.scanned += self.scans(view)
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
        self._encoded.views -= 1
        self._encoded.scanned -= self.scans(view)
        del self._views[view.definition.key], self._by_age[view]
        self.unused.pop(view, None)
        self._index.leave(self._by_item.discard(view))
        self._waiting.pop(view, None)
        self.due.pop(view, None)
        view.go()
        if not self._views and self._replica is not None:
            self._replica.before = None
            self._replica = None

    def let_go(self) -> None:
        """Forget all views, without content: the collection goes; they are freed by turns if they are many."""
        self._encoded.views -= len(self._views)
        self._encoded.scanned -= self.scanned
        self._encoded.leftovers.add(self._views, weight=VIEW_WEIGHT)

    def forget_content(self) -> None:
        """Forget the items: they are not in memory any more."""
        self._index.clear()
        self._replica = None
        self._waiting = dict.fromkeys(self._views.values())
        for view in self._waiting:
            view.forget()

    # --- following the collection -----------------------------------------------------------------

    def prepare(self, view: View, replica: Replica) -> None:
        """See to it that a view follows the replica, all of whose changes have been taken in."""
        if not self.has(view):
            if view.cursor != replica.cursor or not view.is_of(replica):
                view.begin(replica)
            return
        if self._replica is not replica:
            self._follow(replica)
        if view in self._waiting:
            self._begin(view, replica)

    def _begin(self, view: View, replica: Replica) -> None:
        view.begin(replica)
        self._waiting.pop(view, None)
        self._by_age.move_to_end(view)

    def _follow(self, replica: Replica) -> None:
        """Begin to follow a replica, or one in which everything is new; the views follow when it is their turn."""
        self._index.clear()
        self._replica = replica
        replica.before = Before()
        self._waiting = dict.fromkeys(self._views.values())
        self.due = dict.fromkeys(self._views.values())

    def advance(self, replica: Replica) -> Generator[None, None, None]:
        """Take in, by portions, what has changed in the replica; afterwards some are `due`."""
        before = replica.before
        if self._replica is not replica or before is None or before.is_all:
            self._follow(replica)
            before = Before()
        turn = Turn()
        for view in list(self._waiting):
            if view in self._waiting:  # it may have been closed meanwhile
                self._begin(view, replica)
            if turn.is_over(2):
                yield
        touched: dict[View, None] = {}
        yield from self._take_in(before, replica, touched, turn)
        before.texts = {}
        self._index.count()
        size = self._limits.current.turn_items
        for view in touched:
            last = view.definition.last
            if last is None or (yield from view.settle(replica.version, size)):
                self.move(view, replica)
            if turn.is_over(1 + (last or 0) // 5):
                yield
        for view in list(islice(self._by_age, MOVED_AT_ONCE)):
            if view.cursor.version >= replica.horizon:
                break
            self.move(view, replica)

    def _take_in(
        self, before: Before, replica: Replica, touched: dict[View, None], turn: Turn
    ) -> Generator[None, None, None]:
        """Let the views take in what has changed."""
        most = max(self._kept, KEPT_AT_ONCE // (len(self) or 1))
        index, by_item, scanned = self._index, self._by_item, self._by_item.scanned
        asked: Collection[View]
        for id, old in before.texts.items():
            change = Change(id, old, replica.entry(id), replica.version, most)
            if index.is_used:
                index.move(id, change.before, change.item)
            looks_up = by_item.looks_up
            asked = by_item.candidates((change.before, change.item)) if looks_up else scanned
            work = change.work
            if len(asked) <= ASKED_AT_ONCE:
                work += _ask(asked, change, touched)
            else:
                views = list(asked)
                for start in range(0, len(views), ASKED_AT_ONCE):
                    if turn.is_over(_ask(views[start : start + ASKED_AT_ONCE], change, touched)):
                        yield
            if turn.is_over(work):
                yield

    @property
    def _kept(self) -> int:
        """Changed ids that each view remembers."""
        return max(LEAST_KEPT, self._limits.current.tombstones // (len(self) or 1))

    def move(self, view: View, replica: Replica) -> None:
        """Let a view be at the state of the replica, which its readers are told."""
        if view.cursor != replica.cursor:
            view.move(replica.cursor, self._kept)
            self.due[view] = None
            if view in self._by_age:
                self._by_age.move_to_end(view)


def _ask(views: Iterable[View], change: Change, touched: dict[View, None]) -> int:
    """Let views take in a change, those that showed it or do now, and return how much that was."""
    work = 0
    for view in views:
        definition = view.definition
        work += definition.weight + change.more
        if definition.last is not None:
            work += definition.last // 50
        shown = change.entry
        if shown is not None and not definition.shows_all:
            item = change.item
            shown = shown if item is not None and definition.holds(item) else None
        if shown is None or definition.fields is not None:  # what there was matters
            was = change.was_there
            if was and not definition.shows_all:
                before = change.before
                was = before is not None and definition.holds(before)
            work += definition.weight
            if was == (shown is not None) and (
                not was or change.looks_the_same(definition, view.cursor.version)
            ):
                continue
        view.note(shown, change)
        touched[view] = None
    return work
