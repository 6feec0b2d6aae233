"""Who is to hear of a collection: those in step, who share one cursor, and those who still wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol

from sharedstate_core.effects import C, Effect, Send

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sharedstate_core.counters import Counters
    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import Cursor

    from .notices import Notices
    from .reader import Reader
    from .replica import Replica


class Watched(Protocol[C]):
    """The collection of a subscription, as far as its reader needs to know.

    Attributes:
        path: the collection's.
    """

    path: CollectionPath

    def subscribe(self, subscription: Subscription[C], now: float, out: list[Effect[C]]) -> None:
        """Let a subscriber in; it gets one synchronising notification, then every change."""
        ...

    def unsubscribe(self, subscription: Subscription[C]) -> None:
        """Let a subscriber go; then let the collection `proceed`."""
        ...

    def stall(self, subscription: Subscription[C]) -> None:
        """Keep no more than a cursor for this subscriber until `catch_up`."""
        ...

    def catch_up(self, subscription: Subscription[C], out: list[Effect[C]]) -> None:
        """Bring a subscriber from its cursor to now; later, if there is no content yet."""
        ...

    def proceed(self, now: float, out: list[Effect[C]]) -> None:
        """Go on, since subscribers have gone."""
        ...


class Subscription(Generic[C]):
    """One connection's interest in one collection, under the path as the connection spelled it.

    Attributes:
        cursor: what the subscriber holds; None for nothing. Not kept up while it is in step: then it
            holds what the replica holds.
        is_new: whether it is still owed the synchronising notification, which comes even if empty.
        sub: JSON text of the options, as sent.
        parts: whether large snapshots go in parts.
    """

    __slots__ = ("collection", "cursor", "is_new", "parts", "reader", "spelling", "sub")

    def __init__(
        self,
        reader: Reader[C],
        collection: Watched[C],
        spelling: str,
        sub: bytes,
        cursor: Cursor | None,
        *,
        parts: bool,
    ) -> None:
        self.reader = reader
        self.collection = collection
        self.spelling = spelling
        self.sub = sub
        self.cursor = cursor
        self.parts = parts
        self.is_new = True

    def holds(self, cursor: Cursor) -> bool:
        """Return whether it has been brought to this state, or a later one."""
        held = self.cursor
        return (
            not self.is_new
            and held is not None
            and held.epoch == cursor.epoch
            and held.version >= cursor.version
        )


class Group(Generic[C]):
    """Subscribers in step who get the very same message."""

    __slots__ = ("_connections", "_members")

    def __init__(self) -> None:
        self._members: dict[C, None] = {}
        self._connections: tuple[C, ...] | None = None

    def __len__(self) -> int:
        return len(self._members)

    def add(self, connection: C) -> None:
        """Let a connection in."""
        self._members[connection] = None
        self._connections = None

    def discard(self, connection: C) -> None:
        """Let a connection go, if it is in."""
        if connection in self._members:
            del self._members[connection]
            self._connections = None

    @property
    def connections(self) -> Sequence[C]:
        """All of them; the same object until somebody comes or goes."""
        if self._connections is None:
            self._connections = tuple(self._members)
        return self._connections


class Subscribers(Generic[C]):
    """All subscriptions of one collection, and what is said to them.

    Each is in step (in a group), waiting (for content), or of a blocked reader (in neither place: it costs nothing
    here until it drains).
    """

    def __init__(self, notices: Notices, counters: Counters) -> None:
        self._notices = notices
        self._counters = counters
        self._groups: dict[tuple[str, bool], Group[C]] = {}
        self._waiting: dict[Subscription[C], None] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, subscription: Subscription[C]) -> None:
        """Let a new subscription in: it waits, unless its reader is blocked."""
        self._count += 1
        self.wait(subscription)

    def remove(self, subscription: Subscription[C]) -> None:
        """Let a subscription go, wherever it is."""
        self._count -= 1
        self._leave(subscription)

    def wait(self, subscription: Subscription[C]) -> None:
        """Note that a subscription needs content, unless its reader is blocked and will ask again."""
        if not subscription.reader.blocked:
            self._waiting[subscription] = None

    def join(self, subscription: Subscription[C]) -> None:
        """Note that a subscription has been brought to the replica's state."""
        self._waiting.pop(subscription, None)
        subscription.is_new = False
        key = (subscription.spelling, subscription.parts)
        self._groups.setdefault(key, Group()).add(subscription.reader.connection)

    def bring_to_now(
        self, subscription: Subscription[C], replica: Replica, out: list[Effect[C]]
    ) -> None:
        """Tell one subscriber the net change from its cursor to the replica; it is in step then."""
        reader, cursor = subscription.reader, subscription.cursor
        messages: Sequence[bytes] = ()
        if subscription.is_new or cursor != replica.cursor:
            messages = self._notices.messages(
                replica, subscription.spelling, cursor, parts=subscription.parts
            )
            self._count_catch_up(subscription, replica, len(messages))
        out.extend(Send((reader.connection,), message) for message in messages)
        self.join(subscription)
        reader.sent(sum(map(len, messages)), messages, out)

    def broadcast(self, before: Cursor | None, replica: Replica, out: list[Effect[C]]) -> None:
        """Tell everybody who is in step, and so holds `before`, the net change to the replica."""
        self._notices.clear()
        counters = self._counters
        for spelling, parts, connections in self.groups():
            messages = self._notices.messages(replica, spelling, before, parts=parts)
            out.extend(Send(connections, message) for message in messages)
            counters.deliveries += len(connections) * len(messages)
            counters.bytes += len(connections) * sum(map(len, messages))

    def _count_catch_up(
        self, subscription: Subscription[C], replica: Replica, messages: int
    ) -> None:
        """Count what brings one subscriber to now."""
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

    def stall(self, subscription: Subscription[C], cursor: Cursor | None) -> None:
        """Note that a reader is blocked; `cursor` is what those in step hold."""
        if self._leave(subscription):
            subscription.cursor = cursor

    def waiting(self) -> Sequence[Subscription[C]]:
        """Return those who wait; they are expected to `join`."""
        return list(self._waiting)

    def is_waiting(self, reader: Reader[C]) -> bool:
        """Return whether a subscription of this reader waits."""
        if not self._waiting:  # nearly always
            return False
        return any(subscription.reader is reader for subscription in self._waiting)

    def groups(self) -> Iterator[tuple[str, bool, Sequence[C]]]:
        """Yield (path as spelled, in parts, connections) of each group in step."""
        for (spelling, parts), group in self._groups.items():
            yield spelling, parts, group.connections

    def _leave(self, subscription: Subscription[C]) -> bool:
        self._waiting.pop(subscription, None)
        key = (subscription.spelling, subscription.parts)
        group = self._groups.get(key)
        if group is None:
            return False
        before = len(group)
        group.discard(subscription.reader.connection)
        if not group:
            del self._groups[key]
        return len(group) < before


def proceed(gone: Iterable[Subscription[C]], now: float, out: list[Effect[C]]) -> None:
    """Let the collections of subscriptions that were let go do what they can do now."""
    for collection in dict.fromkeys(each.collection for each in gone):
        collection.proceed(now, out)
