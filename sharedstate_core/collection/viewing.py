"""The views of one collection: who sees which, and how long each stays.

The rules:

1. A view is there as long as somebody sees it, and `Limits.linger_seconds` longer, unless another needs its place
   or its memory.
2. Whoever has changed the collection, or could not, is at the state that the answer names before it comes: also in a
   view in which nothing has changed. So a reader that waits for this state does not wait in vain.
3. What is read once is seen through a view of its own, unless there is one that shows the same.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from sharedstate_core.effects import C, Effect
from sharedstate_core.views.views import Views

from .state import CollectionState

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from sharedstate_core.items.notices import Notices
    from sharedstate_core.items.replica import Replica
    from sharedstate_core.items.source import Source
    from sharedstate_core.views.view import View

    from .collection_host import CollectionHost
    from .reader import Reader
    from .subscription import Subscription
    from .waiting_requests import Get


CLOSED_AT_ONCE: Final = 100
"""Views that nobody has seen for long that are closed in one turn."""


class Viewing(CollectionState[C]):
    """The views of a collection."""

    _host: CollectionHost[C, Any]

    @property
    def views(self) -> Views | None:
        """All views; None if nobody has asked for one."""
        return self._views

    def _all_views(self) -> Views:
        if self._views is None:
            self._views = Views(self._limits, self._encoded)
        return self._views

    def _use(self, subscription: Subscription[C]) -> None:
        """Record that somebody sees a view."""
        if subscription.definition is not None:
            views = self._all_views()
            unused = views.in_the_way_of(subscription.definition)
            if unused is not None:
                self._close(views, unused)
            view = views.open(subscription.definition)
            subscription.definition = view.definition  # so that there is one of it
            view.readers += 1
            if views.scans(view):
                views.scanning[subscription.reader] += 1
            if view in views.unused:
                del views.unused[view]
                self._host.wake_view(view)
            self._present.discard(subscription.reader)

    def _leave(self, subscription: Subscription[C]) -> None:
        """Record that somebody sees a view no more."""
        if subscription.definition is not None:
            views = self._all_views()
            view = views.open(subscription.definition)
            view.readers -= 1
            if views.scans(view):
                views.scanning[subscription.reader] -= 1
                if not views.scanning[subscription.reader]:
                    del views.scanning[subscription.reader]
            if not view.readers:
                views.unused[view] = None
                self._left.append(view)
                self._host.linger_view(self, view)
            self._present.discard(subscription.reader)

    def _close_unused(self, views: Views, now: float) -> float | None:
        """Close views that nobody has seen for long, not many at once; return when there is more to do."""
        unused = views.unused
        if self._left:
            until = now + self._limits.current.linger_seconds
            unused.update((view, until) for view in self._left if unused.get(view, now) is None)
            self._left.clear()
        for view, at in list(islice(unused.items(), CLOSED_AT_ONCE)):
            if at is None or at > now:
                break
            self._close(views, view)
        return next(iter(unused.values()), None)

    def _close(self, views: Views, view: View) -> None:
        self._host.wake_view(view)
        self._subscribers.forget_view(view)
        views.close(view)

    def close_unused(self, view: View) -> None:
        """Close a view that nobody sees, for the sake of its memory."""
        if self._views is not None:
            self._close(self._views, view)

    def forget_views(self) -> None:
        """Forget all views, which nobody sees: the collection goes."""
        views, self._views = self._views, None
        if views is not None:
            for view in views.unused:
                self._host.wake_view(view)
            views.let_go()

    # --- sources ----------------------------------------------------------------------------------

    def _view_of(self, subscription: Subscription[C], replica: Replica) -> View | None:
        """Return what a subscriber sees; None if it is the whole collection."""
        if subscription.definition is None:
            return None
        views = self._all_views()
        view = views.open(subscription.definition)
        views.prepare(view, replica)
        return view

    def _source_of(self, subscription: Subscription[C], replica: Replica) -> tuple[Source, Notices]:
        """Return what a subscriber's notifications are made of, and what encodes them."""
        view = self._view_of(subscription, replica)
        return (replica, self._notices) if view is None else (view, view.notices)

    def _source_for(self, read: Get[C], replica: Replica) -> tuple[Source, Notices]:
        """Return what the answer to a read at the head of the queue is made of, and what encodes it."""
        definition = read.definition()
        if definition is None:
            return replica, self._notices
        views, view = self._all_views(), read.view
        if view is None or view.definition.key != definition.key:
            self._end_read(read)
            view = read.view = views.once(definition)
        views.prepare(view, replica)
        return view, view.notices

    def _end_read(self, read: Get[C]) -> None:
        """Forget what was encoded for a read alone."""
        view, read.view = read.view, None
        if view is not None and not self._all_views().has(view):
            view.notices.clear()

    def _has_to_move(self, subscription: Subscription[C], view: View) -> bool:
        """Return whether a subscriber cannot be told of an earlier state than that of the collection.

        It knows a later one than that of the view, or is told what the collection knows, which is about its own.
        """
        cursor = subscription.cursor
        if cursor is None:
            return False
        return view.is_passed_by(cursor) or view.leans_on_collection(cursor)

    # --- telling ----------------------------------------------------------------------------------

    def _bring_up(self, readers: Iterable[Reader[C] | None], out: list[Effect[C]]) -> None:
        """See to it that these readers are at the present state in all their views."""
        views, replica = self._views, self._content.replica
        if views is None or replica is None or self._is_moving:
            return
        for reader in self._not_present(readers, replica):
            for definition in reader.definitions(self.path):
                self._move(views.open(definition), replica, out)

    @property
    def _is_moving(self) -> bool:
        """Whether the views are being brought to another state, by turns."""
        return self.operation == "apply" or self.operation == "tell"

    def _not_present(
        self, readers: Iterable[Reader[C] | None], replica: Replica
    ) -> Iterator[Reader[C]]:
        """Yield those of these readers that may not be at the present state in all their views, but will be."""
        if self._present_at != replica.cursor:
            self._present_at = replica.cursor
            self._present.clear()
        for reader in readers:
            if reader is not None and reader not in self._present:
                self._present.add(reader)
                yield reader

    def _move(self, view: View, replica: Replica, out: list[Effect[C]]) -> None:
        """Let a view, and its readers in step, be at the state of the replica, although nothing has changed in it."""
        views = self._all_views()
        views.prepare(view, replica)
        if view.cursor.version < replica.version:
            views.move(view, replica)
            self._subscribers.tell_view(view, out)
            views.due.pop(view, None)

    def _move_authors(self, views: Views, replica: Replica) -> Generator[None, None, None]:
        """Let those who have changed the collection be at its present state in all their views, by turns if many."""
        left = self._limits.turn_requests
        readers = [answer.author.reader for answer in self._answers.held]
        for reader in self._not_present(readers, replica):
            for definition in list(reader.definitions(self.path)):
                view = views.open(definition)
                views.prepare(view, replica)
                views.move(view, replica)
                left -= 1
                if not left:
                    yield
                    left = self._limits.turn_requests
