"""Limits on what peers may use: exceeding one fails a request or closes a connection, and never stops the server."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from .arguments import check_number

_FROM_ZERO: Final = {"depth", "encoded_bytes", "linger_bytes", "linger_seconds", "tombstones"}
_OR_NONE: Final = {"collection_bytes", "collection_items", "updates_burst", "updates_per_second"}

BURST_SECONDS: Final = 10
"""For how long a user may have been silent to send all at once, where `updates_burst` does not say."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one server; every field has a default that suits one small machine.

    Attributes:
        message_bytes: longest message from a peer, in bytes of UTF-8. The transport enforces it (close code 1009),
            because only the transport can stop before the message is in memory.
        depth: how deep arrays and objects may nest inside one item, tunnel or subscription.
        items: ids that one update may name, `insert`, `remove` and `patch` together.
        patch_operations: members of one item that the patches of one update may name.
        id_bytes: longest id of an item, in bytes of UTF-8.
        subscriptions: subscriptions of one connection; one request may name twice as many paths.
        subscription_bytes: memory of all subscriptions of all connections, and of the collections in use, without their
            content, about 4.5 KiB for each that is watched by one connection. Beyond it, further subscriptions are
            refused, `too_many`.
        unanswered: unanswered requests of one connection. At half of it the core asks the transport to pause reading; a
            request beyond it is answered `too_many`.
        updates_per_second: updates that one user may send, of all the user's connections together; or a connection
            without a user. One more is answered `too_many`. None for any number. An update counts as one however many
            items it has, since what it costs others is a transaction and a message to each of them. Only updates of
            connections count, not those of the embedding program.
        updates_burst: updates that a user who has sent none for a while may send at once; None for those of 10 seconds,
            but at least one. Without `updates_per_second` it means nothing.
        held_bytes: bytes of replies kept for a connection whose reader is blocked; beyond that, it is closed.
        window_bytes: bytes of replies and catching-up messages that one connection is given before the transport
            reports that they have left. One message may exceed it; more wait.
        collection_items: items that a collection may hold; None for any number.
        collection_bytes: bytes of all items' texts that a collection may hold; None for any number. With either, a
            collection is loaded before its first update even if nobody watches it, and an update that makes it too
            large is refused with `too_large`. What another process commits at the same moment is not counted.
        views: different views of one collection that are watched at one time; one more is answered `too_many`.
        scanned_views: of these, those whose filter asks for no value of any member, or for values of more members than
            32 of one collection, so that it is looked at whenever an item changes; one more is answered `too_many`. One
            connection gets no more than it leaves to others: half of them if it is the only one.
        last: items that a view of the newest ones may have.
        tombstones: removed ids that one collection remembers in memory, so that a client can resume.
        ops: receipts of updates with a number that one collection keeps, one for each session: storage forgets the
            oldest beyond that.
        ops_seconds: how long a receipt is kept since the last update of its session.
        group: maximum number of updates in one commit; fewer if they are large, about 1 MiB together.
        drain_seconds: how long a connection may stay blocked without progress, or the transport may leave an
            `AwaitDrain` unanswered, before the connection is closed; its client can resume.
        linger_seconds: how long a collection that nobody watches stays in memory.
        linger_bytes: memory of all such collections together, and of views that nobody sees; beyond that, views go
            first, and those that have waited longest.
        encoded_bytes: memory of what is kept encoded in case somebody asks for it again, of all collections together,
            and of what views remember to tell what has changed and to find it; beyond that, what was asked for the
            longest ago goes first, and is made again when it is needed. What one collection keeps may exceed it.
        collections: collections watched, read or written at one time, by anyone; one more is answered `too_many`.
        loads: loads of one service under way at once; the others wait, with fairness between connections.
        names: names of collections or apps in one answer; a list that is longer comes in pages.
        owed_bytes: what readers have not taken yet, of all connections together: everything for those whose sockets are
            full, what exceeds the window for the others, and the requests deferred until then. A message to many
            counts once. Beyond it, connections that have made no progress for the longest are closed first.
        pending_bytes: updates that wait for storage, of all connections together, including the overhead of each update
            and of each of its ids; and as much again for reads. While that much waits, further ones are answered
            `unavailable`.
        retry_seconds: first and longest pause before a failed load is retried; it doubles each time.
        turn_items: items of a large collection that are dealt with in one turn; the rest waits until others have had
            theirs.
        part_bytes: size of one part of a snapshot for subscriptions with `parts`, in bytes.

    Raises:
        TypeError, ValueError: a limit is not a number, or is too small: most cannot be 0.
    """

    message_bytes: int = 4 * 1024 * 1024
    depth: int = 64
    items: int = 20_000
    patch_operations: int = 64
    id_bytes: int = 255
    subscriptions: int = 1_000
    subscription_bytes: int = 512 * 1024 * 1024
    unanswered: int = 256
    updates_per_second: float | None = None
    updates_burst: int | None = None
    held_bytes: int = 16 * 1024 * 1024
    window_bytes: int = 1024 * 1024
    collection_items: int | None = None
    collection_bytes: int | None = None
    views: int = 10_000
    scanned_views: int = 200
    last: int = 1_000
    tombstones: int = 10_000
    ops: int = 100_000
    ops_seconds: float = 86_400.0
    group: int = 1_000
    drain_seconds: float = 30.0
    linger_seconds: float = 30.0
    linger_bytes: int = 64 * 1024 * 1024
    encoded_bytes: int = 128 * 1024 * 1024
    collections: int = 200_000
    loads: int = 32
    names: int = 10_000
    owed_bytes: int = 256 * 1024 * 1024
    pending_bytes: int = 256 * 1024 * 1024
    retry_seconds: tuple[float, float] = (0.1, 5.0)
    turn_items: int = 1_000
    part_bytes: int = 256 * 1024

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            value, whole = getattr(self, name), not name.endswith(("_seconds", "_second"))
            if name == "retry_seconds":
                _check_pauses(value)
            elif whole:
                check_number(name, value, int(name not in _FROM_ZERO), optional=name in _OR_NONE)
            else:
                least = 0 if name in _FROM_ZERO else 0.001
                check_number(name, value, least, whole=False, optional=name in _OR_NONE)


class LiveLimits:
    """The limits of one server, read here by all its parts whenever they matter.

    Attributes:
        current: the limits in force.
        bound_collections: whether the size of collections is bounded.
        turn_requests: waiting requests of a collection that one turn answers.
        turn_readers: readers to whom one turn gives something of their own, and groups that it tells of a change.
        updates_per_second: of one user; 0 for any number.
        updates_burst: those at once; 0 for any number.
    """

    __slots__ = (
        "bound_collections",
        "current",
        "turn_readers",
        "turn_requests",
        "updates_burst",
        "updates_per_second",
    )

    def __init__(self, limits: Limits) -> None:
        self.change(limits)

    def change(self, limits: Limits) -> None:
        """Replace the limits as a whole."""
        self.current = limits
        bounds = (limits.collection_items, limits.collection_bytes)
        self.bound_collections = bounds != (None, None)
        self.turn_readers = max(1, limits.turn_items // 10)
        self.turn_requests = max(1, limits.turn_items // 2)
        rate = limits.updates_per_second or 0.0
        burst = limits.updates_burst or max(1.0, BURST_SECONDS * rate)
        self.updates_per_second, self.updates_burst = rate, burst if rate else 0.0


def _check_pauses(value: object) -> None:
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise TypeError("retry_seconds: expected the first and the longest pause, (0.1, 5.0)")
    first, longest = value
    check_number("retry_seconds[0]", first, 0.001, whole=False)
    check_number("retry_seconds[1]", longest, first, whole=False)
