"""What a collection says to a reader who holds a certain state: encoded once, however many share it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Raw

from sharedstate_core.wire.encode import encode_items, encode_notification

from .replica import Changes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sharedstate_core.limits import LiveLimits
    from sharedstate_core.storage import Cursor

    from .audience import Audience
    from .replica import Replica

KEPT_DELTAS: Final = 64
KEPT_BYTES: Final = 16 * 1024 * 1024
"""Distinct net changes kept encoded for one version, beside the last: enough for a crowd that reconnects at once."""


class Notices:
    """The messages about one replica, as it stands; `clear` when it changes."""

    def __init__(self, limits: LiveLimits) -> None:
        self._limits = limits
        self._items: bytes | None = None
        self._messages: dict[tuple[Audience, Cursor | None], Sequence[bytes]] = {}
        self._bytes = 0

    def clear(self) -> None:
        """Forget everything: the replica has changed."""
        self._items = None
        self._messages.clear()
        self._bytes = 0

    def items(self, replica: Replica) -> Raw:
        """Return the array of all items."""
        return Raw(self._array(replica))

    def _array(self, replica: Replica) -> bytes:
        if self._items is None:
            self._items = encode_items(replica.texts())
        return self._items

    def messages(
        self, replica: Replica, audience: Audience, cursor: Cursor | None
    ) -> Sequence[bytes]:
        """Return the notifications that lead an audience from `cursor` (None: from nothing) to the replica.

        One notification; several if it is large and they were asked for in parts.
        """
        if not replica.reaches(cursor):
            cursor = None
        key = (audience, cursor)
        messages = self._messages.get(key)
        if messages is None:
            messages = list(self._encode(replica, audience, cursor))
            if len(self._messages) >= KEPT_DELTAS or self._bytes > KEPT_BYTES:
                self._messages.clear()
                self._bytes = 0
            self._messages[key] = messages
            self._bytes += sum(map(len, messages))
        return messages

    def _encode(
        self, replica: Replica, audience: Audience, cursor: Cursor | None
    ) -> Iterator[bytes]:
        path, parts = audience
        if cursor is None and not parts:
            yield encode_notification(path, (), self._array(replica), 0, replica.cursor, reset=True)
            return
        change = Changes((), replica.texts())
        if cursor is not None:
            change = replica.changes_since(cursor.version)
        remove, insert = change
        starts = self._starts(insert) if parts else [0]
        for start, end in zip(starts, [*starts[1:], None], strict=True):
            yield encode_notification(
                path,
                remove,
                encode_items(insert[start:end]),
                0 if cursor is None else cursor.version,
                replica.cursor,
                reset=cursor is None and start == 0,
                more=end is not None,
            )
            remove = ()

    def _starts(self, texts: Sequence[bytes]) -> list[int]:
        """Return where each part begins, none much larger than `Limits.part_bytes`."""
        part_bytes = self._limits.current.part_bytes
        starts, size = [0], 0
        for index, text in enumerate(texts):
            if size >= part_bytes:
                starts.append(index)
                size = 0
            size += len(text)
        return starts
