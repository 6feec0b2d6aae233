"""The subscribers of a collection: those in step, which share one cursor, and those that still wait."""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice
from typing import TYPE_CHECKING, Final, Generic, Protocol

from sharedstate_core.effects import C, Effect, Effects, Send

from .waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_core.counters import Counters
    from sharedstate_core.items.notices import Audience, Notices
    from sharedstate_core.items.replica import Replica
    from sharedstate_core.messages import Message
    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import Cursor

    from .permit import RulesVersion
    from .reader import Reader


SUBSCRIPTION_BYTES: Final = 610
"""Approximate memory that a subscription takes in addition to its path and its options, with the 110 for its place in
the backlog of a blocked reader."""


def subscription_size(path: str, sub: bytes) -> int:
    """Return the approximate memory that a subscription takes, in bytes, without its collection."""
    return SUBSCRIPTION_BYTES + len(path) + len(sub)


class Watched(Protocol[C]):
    """The collection of a subscription, as its reader sees it.

    Attributes:
        path: the collection's path.
    """

    path: CollectionPath

    def subscribe(self, subscription: Subscription[C]) -> None:
        """Add a subscriber, which gets one synchronising notification and then every change.

        The caller then calls `proceed`.
        """
        ...

    def unsubscribe(self, subscription: Subscription[C]) -> None:
        """Remove a subscriber; the caller then calls `proceed`."""
        ...

    def suspend(self, subscription: Subscription[C]) -> None:
        """Keep nothing but a cursor for this subscriber until `catch_up`."""
        ...

    def catch_up(self, subscription: Subscription[C], out: list[Effect[C]]) -> Sequence[Message]:
        """Return what brings a subscriber up to date, for the caller to send; nothing yet without content."""
        ...

    def proceed(self, out: Effects[C], asker: Reader[C] | None = None) -> None:
        """Do all that can be done now that subscribers have come, `asker` last, or left."""
        ...


class Subscription(Generic[C]):
    """One connection's interest in one collection, under the path as the connection spelled it.

    Attributes:
        audience: the subscribers with which it shares its messages once it is in step.
        group: those in step with it; None while it is not.
        cursor: the state the subscriber holds; None for nothing. Not updated while it is in step, when it
            holds what the replica holds.
        is_new: whether it is still owed the synchronising notification, which is sent even if empty.
        sub: JSON text of the options, as sent.
    """

    __slots__ = ("audience", "collection", "cursor", "group", "is_new", "reader", "sub")

    def __init__(
        self,
        reader: Reader[C],
        collection: Watched[C],
        audience: Audience,
        sub: bytes,
        cursor: Cursor | None,
    ) -> None:
        self.reader = reader
        self.collection = collection
        self.audience = audience
        self.sub = sub
        self.cursor = cursor
        self.group: Group[C] | None = None
        self.is_new = True

    @property
    def size(self) -> int:
        """Approximate memory it takes, in bytes, without its collection."""
        return subscription_size(self.audience.path, self.sub)

    def holds(self, cursor: Cursor) -> bool:
        """Return whether it has been brought to this state or a later one."""
        held = self.cursor
        return (
            not self.is_new
            and held is not None
            and held.epoch == cursor.epoch
            and held.version >= cursor.version
        )


class Group(Generic[C]):
    """Subscribers in step that get identical messages.

    Attributes:
        audience: the key of the group.
        cursor: the state they have been brought to.
    """

    __slots__ = ("_connections", "_members", "audience", "cursor")

    def __init__(self, audience: Audience, cursor: Cursor) -> None:
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

    def discard(self, connection: C) -> None:
        """Remove a connection."""
        del self._members[connection]
        self._connections = None

    @property
    def connections(self) -> Sequence[C]:
        """All members; the same object until the membership changes."""
        if self._connections is None:
            self._connections = tuple(self._members)
        return self._connections


class Subscribers(Generic[C]):
    """All subscriptions of one collection, and the messages sent to them.

    Each is in step (in a group), waiting, or of a blocked reader (in neither place, costing nothing here until the
    reader drains). A group that was in step by earlier rules is told nothing more: its readers are blocked until they
    have been examined.
    """

    def __init__(self, notices: Notices, counters: Counters, rules_version: RulesVersion) -> None:
        self._notices = notices
        self._counters = counters
        self._rules_version = rules_version
        self._grouped_by = rules_version.number
        self._groups: OrderedDict[Audience, Group[C]] = OrderedDict()  # those told last are last
        self.waiting: Waiting[C, Subscription[C]] = Waiting()
        self.count = 0

    def add(self, subscription: Subscription[C]) -> None:
        """Add a subscription, which waits unless its reader is blocked."""
        self.count += 1
        self.await_content(subscription)

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

    def sync(self, subscription: Subscription[C], replica: Replica) -> Sequence[Message]:
        """Return what brings one subscriber to the replica's state, for the caller to send; it is in step then."""
        audience, cursor = subscription.audience, subscription.cursor
        messages: Sequence[Message] = ()
        if subscription.is_new or cursor != replica.cursor:
            messages = self._notices.messages(replica, audience, cursor)
            self._count_catch_up(subscription, replica, len(messages))
        self.waiting.discard(subscription)
        subscription.is_new = False
        self._leave_old_groups()
        group = self._groups.get(audience)
        if group is None:
            group = self._groups[audience] = Group(audience, replica.cursor)
        group.add(subscription.reader.connection)
        subscription.group = group
        subscription.audience = group.audience  # so that there is one of it
        return messages

    def _leave_old_groups(self) -> None:
        """Tell those groups nothing more that were in step by earlier rules."""
        if self._grouped_by != self._rules_version.number:
            self._grouped_by = self._rules_version.number
            self._groups = OrderedDict()

    def in_step(self) -> set[tuple[bool, Cursor]]:
        """Return whether those in step are told in parts, and from which cursor on."""
        self._leave_old_groups()
        return {(audience.parts, group.cursor) for audience, group in self._groups.items()}

    def broadcast(self, replica: Replica, out: list[Effect[C]], most: int) -> bool:
        """Send subscribers in step the net change from their group's cursor to the replica, to `most` groups.

        Returns:
            Whether all have been told.
        """
        self._leave_old_groups()
        counters, cursor, groups = self._counters, replica.cursor, self._groups
        if not groups:
            self._notices.clear()  # nobody asks for anything new, and what there is would stay
        by_turns = len(groups) > most
        for audience, group in list(islice(groups.items(), most)) if by_turns else groups.items():
            if group.cursor == cursor:
                break
            if by_turns:
                groups.move_to_end(audience)
            connections = group.connections
            messages = self._notices.messages(replica, audience, group.cursor)
            group.cursor = cursor
            for message in messages:
                out.append(Send(connections, message))
                counters.bytes += len(connections) * len(message)
            counters.deliveries += len(connections) * len(messages)
        if self.waiting.behind:
            self.waiting.wake(replica.version)
        return not by_turns or next(iter(groups.values())).cursor == cursor

    def _count_catch_up(
        self, subscription: Subscription[C], replica: Replica, messages: int
    ) -> None:
        """Count the messages that bring one subscriber up to date."""
        counters, cursor = self._counters, subscription.cursor
        counters.deliveries += messages
        if cursor is None:
            return
        if not subscription.is_new:
            if cursor.epoch == replica.epoch:
                counters.conflated += max(0, replica.version - cursor.version - 1)
        elif replica.reaches(cursor):
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
            group.discard(subscription.reader.connection)
            subscription.cursor = group.cursor
            if not group and self._groups.get(subscription.audience) is group:
                del self._groups[subscription.audience]
