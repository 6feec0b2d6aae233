"""A collection's notifications to readers that hold a given state, encoded once however many readers share it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import Struct

from sharedstate_core.messages import SPLICED_BYTES, Message
from sharedstate_core.wire.encode import NO_NAMES, encode_items, encode_names, encode_notification

from .encoding import Part, Recent, divide, encode, is_large

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from sharedstate_core.limits import LiveLimits
    from sharedstate_core.messages import Items, Spliced
    from sharedstate_core.storage import Cursor

    from .encoded import Encoded
    from .replica import Replica

KEPT_CHANGES: Final = 64
KEPT_BYTES: Final = 16 * 1024 * 1024
"""Bounds on the net changes kept encoded for one version, without the latest: enough for a crowd that reconnects."""

KEPT_SPELLINGS: Final = 64
"""Spellings of the path for which the messages of one change are kept."""

LARGE_BYTES: Final = 256 * 1024
"""What is discarded is freed by turns if it is more than this."""

CHANGE_BYTES: Final = 800
MESSAGE_BYTES: Final = 150
POINTER_BYTES: Final = 8
"""Approximate memory that a net change, each of its messages, and each piece of these, takes beside the text."""


class Audience(NamedTuple):
    """What subscribers that get identical messages have in common: the key of their group.

    Attributes:
        path: the collection's path, as they spelled it.
        parts: whether large snapshots are sent in parts.
    """

    path: str
    parts: bool


class Change(Struct):
    """A net change, encoded.

    Attributes:
        parts: what it consists of.
        bytes: approximate memory that all of it takes, without the array of all items.
        messages: the notifications made of the parts, for each spelling of the path.
    """

    parts: Sequence[Part]
    bytes: int
    messages: dict[str, Sequence[Message]] = {}


class Notices:
    """The encoded messages about one replica in its current state.

    Args:
        limits: the server's limits.
        encoded: counts what is kept, for all collections together.

    Attributes:
        bytes: approximate memory of what this one keeps.
    """

    def __init__(self, limits: LiveLimits, encoded: Encoded) -> None:
        self._limits = limits
        self._encoded = encoded
        self._of: Cursor | None = None  # the state they are about
        self._items: Items | None = None
        self._changes: dict[tuple[bool, Cursor | None], Change] = {}
        self._recent: Recent | None = None
        self.bytes = 0

    def clear(self) -> None:
        """Discard everything; it is encoded again when needed."""
        if self.bytes > LARGE_BYTES:
            self._leave(self._changes.values())
        self._items = None
        self._changes.clear()
        self._encoded.bytes -= self.bytes
        self.bytes = 0
        self._encoded.line.pop(self, None)

    def _leave(self, changes: Iterable[Change]) -> None:
        """Have the texts of changes freed by turns."""
        leave = self._encoded.leftovers.add_texts
        if self._items is not None:
            leave(self._items.pieces)
        for change in changes:
            for part in change.parts:
                leave(part.remove.pieces)
                leave(part.items.pieces)

    def items(self, replica: Replica) -> Items:
        """Return the JSON array of all items."""
        self._follow(replica)
        return self._array(replica)

    def _follow(self, replica: Replica) -> None:
        if self._of != replica.cursor:
            self._of = replica.cursor
            self._recent = None
            self.clear()
        line = self._encoded.line
        line[self] = None
        line.move_to_end(self)

    def _array(self, replica: Replica) -> Items:
        if self._items is None:
            return self._keep_array(encode_items(replica.texts()))
        return self._items

    def _keep_array(self, items: Items) -> Items:
        self._items = items
        size = CHANGE_BYTES + items.size - items.borrowed
        self.bytes += size
        self._encoded.bytes += size
        return items

    def takes_turns(self, replica: Replica, in_parts: bool, cursor: Cursor | None) -> bool:
        """Return whether the net change from `cursor` has to be encoded by `encode` before anybody can be told."""
        limits, is_known = self._limits.current, replica.reaches(cursor)
        if not is_large(replica, limits, removed=is_known):
            return False
        self._follow(replica)
        known = self._changes
        if cursor is not None and is_known:
            if self._recent is None:
                self._recent = Recent(replica, limits)
            return (in_parts, cursor) not in known and not self._recent.covers(cursor.version)
        return (in_parts, None) not in known and (in_parts or self._items is None)

    def encode(
        self, replica: Replica, in_parts: bool, cursor: Cursor | None
    ) -> Generator[None, None, None]:
        """Encode the net change from `cursor` by portions; nothing may change in the replica meanwhile."""
        self._follow(replica)
        since = None
        if cursor is None or not replica.reaches(cursor):
            cursor = None
        else:
            since = cursor.version
        parts = yield from encode(replica, since, self._limits.current, in_parts=in_parts)
        self._follow(replica)  # since others may have had it discard what it kept meanwhile
        size = sum(part.items.size - part.items.borrowed for part in parts)
        if since is None and not in_parts:
            self._keep_array(parts[0].items)
            size = 0
        change = Change(parts, CHANGE_BYTES + parts[0].remove.size + size)
        self._changes[in_parts, cursor] = change
        self.bytes += change.bytes
        self._encoded.bytes += change.bytes
        self._make_room(change)

    def _make_room(self, change: Change) -> None:
        """Discard net changes other than this one if there are too many, but not what everybody gets who comes new."""
        others = [
            key for key, each in self._changes.items() if key[1] is not None and each is not change
        ]
        size = sum(self._changes[key].bytes for key in others)
        if len(others) >= KEPT_CHANGES or size > KEPT_BYTES:
            self._leave([self._changes.pop(key) for key in others])
            self.bytes -= size
            self._encoded.bytes -= size

    def messages(
        self, replica: Replica, audience: Audience, cursor: Cursor | None
    ) -> Sequence[Message]:
        """Return the notifications that lead an audience from `cursor` (None: from nothing) to the replica.

        There is one, or several if the change is large and the audience asked for parts.
        """
        self._follow(replica)
        path, in_parts = audience
        change = self._changes.get((in_parts, cursor)) or self._encode(replica, cursor, in_parts)
        kept = change.messages.get(path)
        if kept is None:
            kept, now, size = [], replica.cursor, 0
            for base, remove, items, reset, more in change.parts:
                text = encode_notification(path, remove, items, base, now, reset=reset, more=more)
                kept.append(text)
                own = len(text) if isinstance(text, bytes) else _own_bytes(text, remove, items)
                size += MESSAGE_BYTES + own
            if len(change.messages) < KEPT_SPELLINGS:
                change.messages[path] = kept
                change.bytes += size
                self.bytes += size
                self._encoded.bytes += size
            if len(self._changes) > 1:
                self._make_room(change)
        return kept

    def _encode(self, replica: Replica, cursor: Cursor | None, in_parts: bool) -> Change:
        """Encode the net change, once for all spellings of the path, and keep it."""
        key = in_parts, cursor
        base, reset, size = 0, True, replica.bytes
        remove = NO_NAMES
        insert: Sequence[bytes] | None = None
        if cursor is not None and replica.reaches(cursor):
            removed, insert = replica.changes_since(cursor.version)
            remove = encode_names(removed)
            base, reset, size = cursor.version, False, sum(map(len, insert))
        elif (in_parts, None) in self._changes:
            return self._changes[in_parts, None]
        else:
            key = in_parts, None
        parts: Sequence[Part]
        part_bytes = self._limits.current.part_bytes
        if in_parts and size > part_bytes:
            texts = replica.texts() if insert is None else insert
            parts = divide(texts, remove, base, part_bytes, reset=reset)
            size = sum(part.items.size - part.items.borrowed for part in parts)
        elif insert is None:
            parts = (Part(base, remove, self._array(replica), reset, False),)
            size = 0
        else:
            items = encode_items(insert)
            parts = (Part(base, remove, items, reset, False),)
            size = items.size - items.borrowed
        change = self._changes[key] = Change(parts, CHANGE_BYTES + remove.size + size)
        self.bytes += change.bytes
        self._encoded.bytes += change.bytes
        return change


def _own_bytes(message: Spliced, *arrays: Items) -> int:
    """Return the memory that a message takes beside the arrays that it shares with others."""
    shared = sum(array.size for array in arrays if array.size >= SPLICED_BYTES)
    return message.size - shared + POINTER_BYTES * len(message.pieces)
