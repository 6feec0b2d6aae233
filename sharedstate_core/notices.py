"""What a collection says to a reader who holds a certain state: encoded once, however many share it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .encode import encode_changes, encode_items, encode_notification, encode_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from msgspec import Raw

    from .replica import Replica
    from .storage import Cursor

KEPT_DELTAS: Final = 64
KEPT_BYTES: Final = 16 * 1024 * 1024
"""Distinct net changes kept encoded for one version, beside the last: enough for a crowd that reconnects at once."""


class Notices:
    """The messages about one replica, as it stands; `clear` when it changes."""

    def __init__(self, part_bytes: int) -> None:
        self._part_bytes = part_bytes
        self._items: Raw | None = None
        self._messages: dict[tuple[str, Cursor | None, bool], Sequence[bytes]] = {}
        self._bytes = 0

    def clear(self) -> None:
        """Forget everything: the replica has changed."""
        self._items = None
        self._messages.clear()
        self._bytes = 0

    def items(self, replica: Replica) -> Raw:
        """Return the array of all items."""
        if self._items is None:
            self._items = encode_items(replica.texts())
        return self._items

    def messages(
        self, replica: Replica, path: str, cursor: Cursor | None, *, parts: bool
    ) -> Sequence[bytes]:
        """Return the notifications that lead from `cursor` (None: from nothing) to the replica.

        One notification; several only for a large snapshot asked for in parts.
        """
        if not replica.reaches(cursor):
            cursor = None
        key = (path, cursor, parts)
        messages = self._messages.get(key)
        if messages is None:
            messages = list(self._encode(replica, path, cursor, parts=parts))
            if len(self._messages) >= KEPT_DELTAS or self._bytes > KEPT_BYTES:
                self._messages.clear()
                self._bytes = 0
            self._messages[key] = messages
            self._bytes += sum(map(len, messages))
        return messages

    def _encode(
        self, replica: Replica, path: str, cursor: Cursor | None, *, parts: bool
    ) -> Iterator[bytes]:
        if cursor is not None:
            changes = replica.changes_since(cursor.version)
            data = encode_changes(changes.remove, changes.insert)
            yield encode_notification(path, data, cursor.version, replica.cursor)
        elif parts:
            yield from self._encode_parts(replica, path)
        else:
            yield encode_notification(path, encode_snapshot(self.items(replica)), 0, replica.cursor)

    def _encode_parts(self, replica: Replica, path: str) -> Iterator[bytes]:
        """Yield the whole collection in pieces: the first resets, all but the last say `more`."""
        chunk: list[bytes] = []
        size, first = 0, True
        for text in replica.texts():
            if size >= self._part_bytes:
                data = encode_snapshot(encode_items(chunk)) if first else encode_changes((), chunk)
                yield encode_notification(path, data, 0, replica.cursor, more=True)
                chunk, size, first = [], 0, False
            chunk.append(text)
            size += len(text)
        data = encode_snapshot(encode_items(chunk)) if first else encode_changes((), chunk)
        yield encode_notification(path, data, 0, replica.cursor)
