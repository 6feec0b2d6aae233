"""A collection's notifications to readers that hold a given state, encoded once however many readers share it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import Struct

from sharedstate_core.messages import SPLICED_BYTES, Message
from sharedstate_core.wire.encode import (
    NO_NAMES,
    Part,
    encode_items,
    encode_names,
    encode_notification,
)

from .encoding import divide, encode

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from sharedstate_core.limits import LiveLimits
    from sharedstate_core.messages import Spliced
    from sharedstate_core.storage import Cursor

    from .encoded import Encoded
    from .source import Extent, Source

KEPT_CHANGES: Final = 64
KEPT_BYTES: Final = 16 * 1024 * 1024
"""Bounds on the net changes kept encoded for one version, without the latest: enough for a crowd that reconnects."""

KEPT_AUDIENCES: Final = 64
"""Audiences for which the messages of one change are kept."""

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
        view: the name of their subscriptions; empty if they have none.
        scope: names what the rules let them see; empty if these do not look at items.
    """

    path: str
    parts: bool
    view: str = ""
    scope: str = ""


class Change(Struct):
    """A net change, encoded.

    Attributes:
        parts: what it consists of.
        bytes: approximate memory that all of it takes, without the array of all items.
        messages: the notifications made of the parts, for each audience.
    """

    parts: Sequence[Part]
    bytes: int
    messages: dict[Audience, Sequence[Message]] = {}


class Notices:
    """The encoded messages about one source in its current state.

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
        self._whole: Part | None = None  # everything, not in parts
        self._changes: dict[tuple[bool, Cursor | None], Change] = {}
        self._extent: Extent | None = None
        self.bytes = 0

    def clear(self) -> None:
        """Discard everything; it is encoded again when needed."""
        self._encoded.bytes -= self.bytes
        self._encoded.line.pop(self, None)
        self.measure_again()
        self._discard()

    def measure_again(self) -> None:
        """Forget how much has changed: the source remembers less."""
        self._extent = None

    def _discard(self) -> None:
        if self.bytes > LARGE_BYTES:
            self._leave(self._changes.values())
        self._whole = None
        self._changes.clear()
        self.bytes = 0

    def _leave(self, changes: Iterable[Change]) -> None:
        """Have the texts of changes freed by turns."""
        leave = self._encoded.leftovers.add_texts
        if self._whole is not None:
            leave(self._whole.items.pieces)
        for change in changes:
            for part in change.parts:
                leave(part.remove.pieces)
                leave(part.items.pieces)

    def whole(self, source: Source) -> Part:
        """Return everything in one part."""
        before = self.bytes
        self._follow(source)
        whole = self._all(source)
        self._encoded.bytes += self.bytes - before
        return whole

    def _follow(self, source: Source) -> None:
        """Discard what is about another state; the caller then counts the difference."""
        if self._of != source.cursor:
            self._of = source.cursor
            self._extent = None
            self._discard()
        line = self._encoded.line
        line[self] = None
        line.move_to_end(self)

    def _all(self, source: Source) -> Part:
        if self._whole is None:
            _, texts, at = source.everything()
            items = encode_items(texts)
            places = None if at is None else encode_items(at)
            self._keep_whole(Part(0, NO_NAMES, items, reset=True, at=places))
        assert self._whole is not None  # noqa: S101  (for the type checker)
        return self._whole

    def _keep_whole(self, whole: Part) -> None:
        self._whole = whole
        self.bytes += CHANGE_BYTES + _own_bytes((whole,))

    def takes_turns(self, source: Source, in_parts: bool, cursor: Cursor | None) -> bool:
        """Return whether the net change from `cursor` has to be encoded by `encode` before anybody can be told."""
        limits, is_known = self._limits.current, source.reaches(cursor)
        if not source.is_large(limits, removed=is_known):
            return False
        before = self.bytes
        self._follow(source)
        self._encoded.bytes += self.bytes - before
        known = self._changes
        if cursor is not None and is_known:
            if self._extent is None:
                self._extent = source.extent(limits)
            return (in_parts, cursor) not in known and not self._extent.covers(cursor.version)
        return (in_parts, None) not in known and (in_parts or self._whole is None)

    def encode(
        self, source: Source, in_parts: bool, cursor: Cursor | None
    ) -> Generator[None, None, None]:
        """Encode the net change from `cursor` by portions; nothing may change in the source meanwhile."""
        since = None
        if cursor is None or not source.reaches(cursor):
            cursor = None
        else:
            since = cursor.version
        parts = yield from encode(source, since, self._limits.current, in_parts=in_parts)
        before = self.bytes
        self._follow(source)  # since others may have had it discard what it kept meanwhile
        size = _own_bytes(parts)
        if since is None and not in_parts:
            self._keep_whole(parts[0])
            size = 0
        change = Change(parts, CHANGE_BYTES + parts[0].remove.size + size)
        self._changes[in_parts, cursor] = change
        self.bytes += change.bytes
        self._make_room(change)
        self._encoded.bytes += self.bytes - before

    def _make_room(self, change: Change) -> None:
        """Discard net changes other than this one if there are too many, but not what everybody gets who comes new."""
        others = [
            key for key, each in self._changes.items() if key[1] is not None and each is not change
        ]
        size = sum(self._changes[key].bytes for key in others)
        if len(others) >= KEPT_CHANGES or size > KEPT_BYTES:
            self._leave([self._changes.pop(key) for key in others])
            self.bytes -= size

    def messages(
        self, source: Source, audience: Audience, cursor: Cursor | None
    ) -> Sequence[Message]:
        """Return the notifications that lead an audience from `cursor` (None: from nothing) to the source.

        There is one, or several if the change is large and the audience asked for parts.
        """
        before = self.bytes
        self._follow(source)
        path, in_parts, view, scope = audience
        change = self._changes.get((in_parts, cursor)) or self._encode(source, cursor, in_parts)
        kept = change.messages.get(audience)
        if kept is None:
            kept, size = [], 0
            for part in change.parts:
                text = encode_notification(path, part, source.cursor, view, scope)
                kept.append(text)
                size += len(text) if isinstance(text, bytes) else _bytes_beside(text, part)
            if len(change.messages) < KEPT_AUDIENCES:
                change.messages[audience] = kept
                size += MESSAGE_BYTES * len(kept)
                change.bytes += size
                self.bytes += size
            if len(self._changes) > 1:
                self._make_room(change)
        self._encoded.bytes += self.bytes - before
        return kept

    def _encode(self, source: Source, cursor: Cursor | None, in_parts: bool) -> Change:
        """Encode the net change, once for all audiences, and keep it."""
        key, part_bytes = (in_parts, cursor), self._limits.current.part_bytes
        parts: Sequence[Part]
        if cursor is None or not source.reaches(cursor):
            key = in_parts, None
            if key in self._changes:
                return self._changes[key]
            remove = NO_NAMES
            if in_parts and source.bytes > part_bytes:
                parts = divide(source.everything(), remove, 0, part_bytes, reset=True)
                size = _own_bytes(parts)
            else:
                parts, size = (self._all(source),), 0
        else:
            changes, base = source.changes_since(cursor.version), cursor.version
            remove = encode_names(changes.remove) if changes.remove else NO_NAMES
            if in_parts and sum(map(len, changes.insert)) > part_bytes:
                parts = divide(changes, remove, base, part_bytes, reset=False)
                size = _own_bytes(parts)
            else:
                items, at = encode_items(changes.insert), changes.at
                places = None if at is None else encode_items(at)
                parts = (Part(base, remove, items, at=places),)
                size = items.size - items.borrowed + (0 if places is None else places.size)
        change = self._changes[key] = Change(parts, CHANGE_BYTES + remove.size + size)
        self.bytes += change.bytes
        return change


def _own_bytes(parts: Sequence[Part]) -> int:
    """Return the memory that the items of a net change take, without what is not copied."""
    return sum(
        part.items.size - part.items.borrowed + (0 if part.at is None else part.at.size)
        for part in parts
    )


def _bytes_beside(message: Spliced, part: Part) -> int:
    """Return the memory that a message takes beside the arrays that it shares with others."""
    arrays = part.remove, part.items, part.at or NO_NAMES
    shared = sum(array.size for array in arrays if array.size >= SPLICED_BYTES)
    return message.size - shared + POINTER_BYTES * len(message.pieces)
