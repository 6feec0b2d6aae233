"""A collection's notifications to readers that hold a given state, encoded once however many readers share it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import Raw

from sharedstate_core.wire.encode import encode_items, encode_notification

from .replica import Changes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_core.limits import LiveLimits
    from sharedstate_core.storage import Cursor

    from .replica import Replica

KEPT_DELTAS: Final = 64
KEPT_BYTES: Final = 16 * 1024 * 1024
"""Bounds on the net changes kept encoded for one version, without the latest: enough for a crowd that reconnects."""


class Audience(NamedTuple):
    """What subscribers that get identical messages have in common: the key of their group.

    Attributes:
        path: the collection's path, as they spelled it.
        parts: whether large snapshots are sent in parts.
    """

    path: str
    parts: bool


class Notices:
    """The encoded messages about one replica in its current state."""

    def __init__(self, limits: LiveLimits) -> None:
        self._limits = limits
        self._of: Cursor | None = None  # the state they are about
        self._items: bytes | None = None
        self._messages: dict[tuple[Audience, Cursor | None], Sequence[bytes]] = {}
        self._bytes = 0

    def clear(self) -> None:
        """Discard everything; it is encoded again when needed."""
        self._items = None
        self._messages.clear()
        self._bytes = 0

    def items(self, replica: Replica) -> Raw:
        """Return the JSON array of all items."""
        self._follow(replica)
        return Raw(self._array(replica))

    def _follow(self, replica: Replica) -> None:
        if self._of != replica.cursor:
            self._of = replica.cursor
            self.clear()

    def _array(self, replica: Replica) -> bytes:
        if self._items is None:
            self._items = encode_items(replica.texts())
        return self._items

    def messages(
        self, replica: Replica, audience: Audience, cursor: Cursor | None
    ) -> Sequence[bytes]:
        """Return the notifications that lead an audience from `cursor` (None: from nothing) to the replica.

        There is one, or several if the change is large and the audience asked for parts.
        """
        self._follow(replica)
        if not replica.reaches(cursor):
            cursor = None
        messages = self._messages.get((audience, cursor))
        if messages is not None:
            return messages
        remove: Sequence[str] = ()
        insert: Sequence[bytes] = ()
        since, size = 0, replica.bytes
        if cursor is not None:
            remove, insert = replica.changes_since(cursor.version)
            since, size = cursor.version, sum(map(len, insert))
        if audience.parts and size > self._limits.current.part_bytes:
            change = Changes(remove, replica.texts() if cursor is None else insert)
            messages = self._in_parts(audience.path, change, cursor, replica.cursor)
        else:
            array = self._array(replica) if cursor is None else encode_items(insert)
            reset = cursor is None
            messages = (
                encode_notification(
                    audience.path, remove, array, since, replica.cursor, reset=reset
                ),
            )
        if len(self._messages) >= KEPT_DELTAS or self._bytes > KEPT_BYTES:
            self._messages.clear()
            self._bytes = 0
        self._messages[audience, cursor] = messages
        self._bytes += sum(map(len, messages))
        return messages

    def _in_parts(
        self, path: str, change: Changes, cursor: Cursor | None, now: Cursor
    ) -> Sequence[bytes]:
        remove, insert = change
        starts, since = self._starts(insert), 0 if cursor is None else cursor.version
        parts = []
        for start, end in zip(starts, [*starts[1:], None], strict=True):
            array = encode_items(insert[start:end])
            reset, more = cursor is None and start == 0, end is not None
            parts.append(
                encode_notification(path, remove, array, since, now, reset=reset, more=more)
            )
            remove = ()
        return parts

    def _starts(self, texts: Sequence[bytes]) -> list[int]:
        """Return the index at which each part begins; no part is much larger than `Limits.part_bytes`."""
        part_bytes = self._limits.current.part_bytes
        starts, size = [0], 0
        for index, text in enumerate(texts):
            if size >= part_bytes:
                starts.append(index)
                size = 0
            size += len(text)
        return starts
