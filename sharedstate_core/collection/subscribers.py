"""The subscribers of a collection: those in step, which share one cursor, and those that still wait."""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice
from typing import TYPE_CHECKING, Generic

from sharedstate_core.effects import C, Effect, Send

from .waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_core.counters import Counters
    from sharedstate_core.items.notices import Audience, Notices
    from sharedstate_core.items.replica import Replica
    from sharedstate_core.items.source import Source
    from sharedstate_core.messages import Message
    from sharedstate_core.storage import Cursor
    from sharedstate_core.views.view import View
    from sharedstate_core.views.views import Views

    from .permit import RulesVersion
    from .subscription import Subscription


class Group(Generic[C]):
    """Subscribers in step that get identical messages.

    Args:
        audience: what they have in common.
        cursor: the state they have been brought to.
        among: where it is as long as it has members.
    """

    __slots__ = ("_among", "_connections", "_members", "audience", "cursor")

    def __init__(self, audience: Audience, cursor: Cursor, among: dict[Audience, Group[C]]) -> None:
        self._among = among
        self.audience = audience
        self.cursor = cursor
        self._members: dict[C, None] = {}
        self._connections: tuple[C, ...] | None = None

    def __len__(self) -> int:
        return len(self._members)

    def add(self, connection: C) -> None:
        """Add a connection."""
        self._members[connection] = None
        self._connections = None

    def leave(self, connection: C) -> None:
        """Remove a connection; with the last one, the group is gone."""
        del self._members[connection]
        self._connections = None
        if not self._members and self._among.get(self.audience) is self:
            del self._among[self.audience]

    def disband(self) -> None:
        """Belong nowhere any more."""
        self._among = {}

    @property
    def connections(self) -> Sequence[C]:
        """All members; the same object until the membership changes."""
        if self._connections is None:
            self._connections = tuple(self._members)
        return self._connections


class Groups(Generic[C]):
    """The groups in step with one source.

    Args:
        source_notices: encodes what is told of it.
    """

    __slots__ = ("_by_audience", "_notices")

    def __init__(self, source_notices: Notices) -> None:
        self._notices = source_notices
        self._by_audience: OrderedDict[Audience, Group[C]] = (
            OrderedDict()
        )  # those told last are last

    def __len__(self) -> int:
        return len(self._by_audience)

    def join(self, audience: Audience, connection: C, cursor: Cursor) -> Group[C]:
        """Let a connection be in step, at this cursor, and return its group."""
        group = self._by_audience.get(audience)
        if group is None:
            group = self._by_audience[audience] = Group(audience, cursor, self._by_audience)
        group.add(connection)
        return group

    def cursors(self) -> set[tuple[bool, Cursor]]:
        """Return whether they are told in parts, and from which cursor on."""
        return {(audience.parts, group.cursor) for audience, group in self._by_audience.items()}

    def disband(self) -> None:
        """Be the groups of nobody any more, so that nobody refers to them when they are left."""
        for group in self._by_audience.values():
            group.disband()

    def tell(self, source: Source, out: list[Effect[C]], most: int, counters: Counters) -> int:
        """Send `most` groups the net change from their cursor to the source.

        Returns:
            How many more might have been told; less than 0 if others have yet to be.
        """
        cursor, groups = source.cursor, self._by_audience
        if not groups:
            self._notices.clear()  # nobody asks for anything new, and what there is would stay
        by_turns = len(groups) > most
        left = most
        for audience, group in list(islice(groups.items(), most)) if by_turns else groups.items():
            if group.cursor == cursor:
                break
            if by_turns:
                groups.move_to_end(audience)
            connections = group.connections
            messages = self._notices.messages(source, audience, group.cursor)
            group.cursor = cursor
            for message in messages:
                out.append(Send(connections, message))
                counters.bytes += len(connections) * len(message)
            counters.deliveries += len(connections) * len(messages)
            left -= 1
        is_done = not by_turns or next(iter(groups.values())).cursor == cursor
        return left if is_done else -1


class Subscribers(Generic[C]):
    """All subscriptions of one collection, and the messages sent to them.

    Each is in step (in a group), waiting, or in neither place, where it costs nothing here: its reader is blocked,
    until it drains, or it has not begun. A group that was in step by earlier rules is told nothing more: its readers
    are blocked until they have been examined.
    """

    def __init__(self, notices: Notices, counters: Counters, rules_version: RulesVersion) -> None:
        self._notices = notices
        self._counters = counters
        self._rules_version = rules_version
        self._grouped_by = rules_version.number
        self._whole: Groups[C] = Groups(notices)
        self._of_views: dict[View, Groups[C]] = {}
        self.waiting: Waiting[C, Subscription[C]] = Waiting()
        self.count = 0

    def remove(self, subscription: Subscription[C]) -> None:
        """Remove a subscription, whatever its state."""
        self.count -= 1
        self._leave(subscription)

    def await_content(self, subscription: Subscription[C], claimed: int | None = None) -> None:
        """Let a subscription wait for content, or for the version that it claims to hold already.

        Not if its reader is blocked: it will ask again.
        """
        if subscription.reader.state == "ready":
            self.waiting.add(subscription, claimed)

    def await_text(self, subscription: Subscription[C], view: View | None) -> None:
        """Let a subscription wait until what its reader is to be told of a view is encoded, unless it is blocked."""
        if subscription.reader.is_open:
            key = None if view is None else view.definition.key
            wanted = key, subscription.audience.parts, subscription.base
            self.waiting.await_text(subscription, wanted)

    def sync(
        self, subscription: Subscription[C], replica: Replica, view: View | None
    ) -> Sequence[Message]:
        """Return what brings one subscriber to the replica's state, for the caller to send; it is in step then.

        Args:
            subscription: the subscriber.
            replica: the items of the collection.
            view: what the subscriber sees of them; None for all.
        """
        self._leave_old_groups()
        source: Source = view or replica
        audience, base = subscription.audience, subscription.base
        messages: Sequence[Message] = ()
        if subscription.is_new or base != source.cursor:
            notices = view.notices if view else self._notices
            messages = notices.messages(source, audience, base)
            self._count_catch_up(subscription, source, len(messages))
        self.waiting.discard(subscription)
        subscription.is_new = subscription.begins_anew = False
        group = self._groups_of(view).join(audience, subscription.reader.connection, source.cursor)
        subscription.group = group
        subscription.audience = group.audience  # so that there is one of it
        return messages

    def _groups_of(self, view: View | None) -> Groups[C]:
        if view is None:
            return self._whole
        groups = self._of_views.get(view)
        if groups is None:
            groups = self._of_views[view] = Groups(view.notices)
        return groups

    def _leave_old_groups(self) -> None:
        """Tell those groups nothing more that were in step by earlier rules."""
        if self._grouped_by != self._rules_version.number:
            self._grouped_by = self._rules_version.number
            for groups in (self._whole, *self._of_views.values()):
                groups.disband()
            self._whole = Groups(self._notices)
            self._of_views = {}

    def in_step(self) -> set[tuple[bool, Cursor]]:
        """Return whether those in step with the whole collection are told in parts, and from which cursor on."""
        self._leave_old_groups()
        return self._whole.cursors()

    def in_step_with(self, view: View) -> set[tuple[bool, Cursor]]:
        """Return whether those in step with a view are told in parts, and from which cursor on."""
        groups = self._of_views.get(view)
        return set() if groups is None else groups.cursors()

    def broadcast(
        self, replica: Replica, views: Views | None, out: list[Effect[C]], most: int
    ) -> bool:
        """Send subscribers in step the net change from their group's cursor to the replica, to `most` groups.

        Args:
            replica: the items of the collection.
            views: those of them that are due are told, too.
            out: receives the messages.
            most: how many.

        Returns:
            Whether all have been told.
        """
        self._leave_old_groups()
        left = self._whole.tell(replica, out, most, self._counters)
        if self.waiting.behind:
            self.waiting.wake(replica.version)
        return left >= 0 and (views is None or not views.due or self._tell_views(views, out, left))

    def _tell_views(self, views: Views, out: list[Effect[C]], most: int) -> bool:
        """Tell the readers of views that are due, as many as one turn may, and return whether that was all."""
        for view in list(views.due):
            groups = self._of_views.get(view)
            if groups is not None:
                if most < 1:
                    return False
                most -= view.effort(self.in_step_with(view))
                most = groups.tell(view, out, max(1, most), self._counters)
                if most < 0:
                    return False
            del views.due[view]
        return True

    def forget_view(self, view: View) -> None:
        """Forget a view that nobody sees."""
        self._of_views.pop(view, None)

    def tell_view(self, view: View, out: list[Effect[C]]) -> None:
        """Tell all readers in step with a view of its state at once; there are few groups of them."""
        self._leave_old_groups()
        groups = self._of_views.get(view)
        if groups is not None:
            groups.tell(view, out, len(groups), self._counters)

    def _count_catch_up(self, subscription: Subscription[C], source: Source, messages: int) -> None:
        """Count the messages that bring one subscriber up to date."""
        counters, cursor = self._counters, subscription.base
        counters.deliveries += messages
        if cursor is None:
            return
        if not subscription.is_new:
            if cursor.epoch == source.cursor.epoch:
                counters.conflated += max(0, source.cursor.version - cursor.version - 1)
        elif source.reaches(cursor):
            counters.resumes_met += 1
        else:
            counters.resumes_missed += 1

    def suspend(self, subscription: Subscription[C]) -> None:
        """Take out the subscription of a blocked reader, which keeps nothing but its group's cursor."""
        self._leave(subscription)

    def _leave(self, subscription: Subscription[C]) -> None:
        self.waiting.discard(subscription)
        group, subscription.group = subscription.group, None
        if group is not None:
            group.leave(subscription.reader.connection)
            subscription.cursor = group.cursor
