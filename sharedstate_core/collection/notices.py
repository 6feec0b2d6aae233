"""A collection's notifications to readers that hold a given state, encoded once however many readers share it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sharedstate_core.wire.encode import NO_NAMES, encode_items, encode_names, encode_notification

from .encoding import Part, Recent, encode, is_large

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from sharedstate_core.limits import LiveLimits
    from sharedstate_core.messages import Items, Message
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
        self._items: Items | None = None
        self._parts: dict[tuple[bool, Cursor | None], Sequence[Part]] = {}
        self._messages: dict[tuple[Audience, Cursor | None], Sequence[Message]] = {}
        self._bytes = 0  # of net changes
        self._recent: Recent | None = None

    @property
    def memory(self) -> int:
        """Approximate memory that the encoded texts take."""
        whole = {id(items): items.size for items in (self._items,) if items is not None}
        for (_, cursor), parts in self._parts.items():
            if cursor is None:
                whole |= {id(part.items): part.items.size for part in parts}
        return self._bytes + sum(whole.values())

    def clear(self) -> None:
        """Discard everything; it is encoded again when needed."""
        self._items = None
        self._clear_changes()

    def _clear_changes(self) -> None:
        self._parts.clear()
        self._messages.clear()
        self._bytes = 0

    def items(self, replica: Replica) -> Items:
        """Return the JSON array of all items."""
        self._follow(replica)
        return self._array(replica)

    def _follow(self, replica: Replica) -> None:
        if self._of != replica.cursor:
            self._of = replica.cursor
            self._recent = None
            self.clear()

    def _array(self, replica: Replica) -> Items:
        if self._items is None:
            self._items = encode_items(replica.texts())
        return self._items

    def takes_turns(self, replica: Replica, in_parts: bool, cursor: Cursor | None) -> bool:
        """Return whether the net change from `cursor` has to be encoded by `encode` before anybody can be told."""
        limits, is_known = self._limits.current, replica.reaches(cursor)
        if not is_large(replica, limits, removed=is_known):
            return False
        self._follow(replica)
        if cursor is not None and is_known:
            if self._recent is None:
                self._recent = Recent(replica, limits)
            return (in_parts, cursor) not in self._parts and not self._recent.covers(cursor.version)
        return (in_parts, None) not in self._parts and (in_parts or self._items is None)

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
        self._make_room()
        self._parts[in_parts, cursor] = parts
        if since is not None:
            self._bytes += sum(part.items.size for part in parts)
        elif not in_parts:
            self._items = parts[0].items

    def _make_room(self) -> None:
        """Discard net changes if there are too many, but not what everybody gets who comes new."""
        if len(self._parts) >= KEPT_DELTAS or self._bytes > KEPT_BYTES:
            snapshots = {key: parts for key, parts in self._parts.items() if key[1] is None}
            self._clear_changes()
            self._parts = snapshots

    def messages(
        self, replica: Replica, audience: Audience, cursor: Cursor | None
    ) -> Sequence[Message]:
        """Return the notifications that lead an audience from `cursor` (None: from nothing) to the replica.

        There is one, or several if the change is large and the audience asked for parts.
        """
        self._follow(replica)
        messages = self._messages.get((audience, cursor))
        if messages is not None:
            return messages
        if len(self._messages) >= KEPT_DELTAS:
            self._messages.clear()
        path, in_parts = audience
        parts = self._parts.get((in_parts, cursor))
        if parts is None:
            self._make_room()
            parts = self._encode(replica, cursor, in_parts)
        now, messages = replica.cursor, []
        for base, remove, items, reset, more in parts:
            messages.append(
                encode_notification(path, remove, items, base, now, reset=reset, more=more)
            )
        self._messages[audience, cursor] = messages
        return messages

    def _encode(self, replica: Replica, cursor: Cursor | None, in_parts: bool) -> Sequence[Part]:
        """Encode the net change, once for all spellings of the path, and keep it."""
        key = in_parts, cursor
        base, reset, size = 0, True, replica.bytes
        remove = NO_NAMES
        insert: Sequence[bytes] | None = None
        if cursor is not None and replica.reaches(cursor):
            removed, insert = replica.changes_since(cursor.version)
            remove = encode_names(removed)
            base, reset, size = cursor.version, False, sum(map(len, insert))
        elif (in_parts, None) in self._parts:
            return self._parts[in_parts, None]
        else:
            key = in_parts, None
        parts: Sequence[Part]
        if in_parts and size > self._limits.current.part_bytes:
            texts = replica.texts() if insert is None else insert
            parts = self._divide(texts, remove, base, reset=reset)
            self._bytes += 0 if reset else size
        elif insert is None:
            parts = (Part(base, remove, self._array(replica), reset, False),)
        else:
            parts = (Part(base, remove, encode_items(insert), reset, False),)
            self._bytes += size
        self._parts[key] = parts
        return parts

    def _divide(
        self, texts: Sequence[bytes], remove: Items, base: int, *, reset: bool
    ) -> Sequence[Part]:
        starts, parts = self._starts(texts), []
        for start, end in zip(starts, [*starts[1:], None], strict=True):
            items = encode_items(texts[start:end])
            parts.append(Part(base, remove, items, reset and start == 0, end is not None))
            remove = NO_NAMES
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
