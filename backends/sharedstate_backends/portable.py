"""The whole content of any store, for saving and restoring it.

1. A store's content is a sequence of `Portion`s: collections in the order of (app, name), and in each the rows,
   including tombstones, in the order of their ids; both by code point, which is the order of their UTF-8 bytes.
2. It is a snapshot.
3. Epochs are not part of it. A restore draws a new one: versions that clients have seen may be used again.
4. `Census` checks these rules in both directions, counts, and computes the checksum by which a restored store is
   compared with its input.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import msgspec

from sharedstate_core.errors import RequestError
from sharedstate_core.paths import CollectionPath, parse_collection_path

from .contract import StorageError
from .island.island import Island

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Iterator

    from sharedstate_core.storage import Row

PORTION_ROWS: Final = 500
PORTION_BYTES: Final = 1024 * 1024
"""Bounds of a portion, in rows and in bytes of texts: what is in memory at once."""

MAX_NUMBER: Final = 2**63 - 1
"""The largest version or place: the limit of integers in SQLite and MySQL."""

MAX_ID_BYTES: Final = 255

_encode = msgspec.json.Encoder().encode


class CollectionHead(NamedTuple):
    """A collection without its rows; see `sharedstate_core.storage` for the terms.

    Attributes:
        app, name: two segments of its path; a store does not include the service.
        version: the version of its last update.
        horizon: tombstones up to this version may be missing.
    """

    app: str
    name: str
    version: int
    horizon: int

    def __str__(self) -> str:
        return f"/{self.app}/…/{self.name}"


class Portion(NamedTuple):
    """Some rows of a collection; consecutive portions with the same head belong to one collection.

    A collection without rows has one portion.
    """

    head: CollectionHead
    rows: list[Row]


class Portable(Protocol):
    """A backend whose content can be saved and replaced as a whole; this is not part of the `Backend` contract.

    `sharedstate-anyio backup` and `restore` call it on asyncio, on a backend that is not open; nothing is left open.
    Servers may use the same data meanwhile; `dump` does not hold them up.
    """

    def dump(self) -> AsyncGenerator[Portion, None]:
        """Yield a snapshot of the store's content, in order, without changing anything.

        Raises:
            StorageError: it cannot be read, or does not exist.
        """
        ...

    async def restore(self, portions: Iterable[Portion]) -> None:
        """Replace the store's content, creating what is missing; draw a new epoch.

        If this is interrupted at any moment, even by killing the process, the store holds either all of the old or all
        of the new content. Before the new content takes effect it is read back and compared (`Census`). Servers notice
        the new epoch.

        Args:
            portions: in order, iterated once. Exceptions of the iterator are passed on; then nothing has changed.

        Raises:
            StorageError: it failed; the old content is still there.
            OutcomeUnknownError: one of the two is there, whole; try again.
        """
        ...


def portable(backend: object) -> Portable | None:
    """Return the backend as one that can be saved and restored, for asyncio; None if it cannot."""
    inner = backend.backend if isinstance(backend, Island) else backend
    able = all(callable(getattr(inner, name, None)) for name in ("dump", "restore"))
    return inner if able else None  # type: ignore[return-value]


def portions(head: CollectionHead, rows: Iterable[Row]) -> Iterator[Portion]:
    """Divide the rows of a collection into portions."""
    taken: list[Row] = []
    size = 0
    first = True
    for row in rows:
        taken.append(row)
        size += len(row.text or b"")
        if len(taken) == PORTION_ROWS or size >= PORTION_BYTES:
            yield Portion(head, taken)
            taken, size, first = [], 0, False
    if taken or first:
        yield Portion(head, taken)


class Census:
    """Counts portions and checks that they follow the rules.

    Attributes:
        collections, items, tombstones: the counts.
    """

    def __init__(self) -> None:
        self.collections = self.items = self.tombstones = 0
        self._head: CollectionHead | None = None
        self._id = ""
        self._hash = hashlib.sha256()

    def add(self, portion: Portion) -> bytes:
        """Count a portion; return it as lines of JSON.

        A new collection gives a line, `[app, name, version, horizon]`, and so does each row,
        `[id, created, place, version, text]`; in a tombstone the text is null.

        Raises:
            StorageError: it breaks a rule; the message names the collection.
        """
        lines: list[bytes] = []
        if portion.head != self._head:
            self._begin(portion.head)
            lines.append(_encode(portion.head))
        lines += [self._line(row, portion.head) for row in portion.rows]
        lines.append(b"")
        text = b"\n".join(lines)
        self._hash.update(text)
        return text

    def compare(self, other: Census) -> None:
        """Raise `StorageError` unless both have counted the same content."""
        if self != other:
            raise StorageError(
                f"{self} were stored and {other} read back, which differ; nothing was changed"
            )

    def checksum(self) -> str:
        """Return the SHA-256 of all lines."""
        return self._hash.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Census) and self.checksum() == other.checksum()

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return ", ".join(
            f"{count:,} {noun}{'s' * (count != 1)}"
            for count, noun in (
                (self.collections, "collection"),
                (self.items, "item"),
                (self.tombstones, "tombstone"),
            )
        )

    def _begin(self, head: CollectionHead) -> None:
        before = self._head
        if before is not None and before[:2] >= head[:2]:
            raise StorageError(f"collection {head} comes after {before}")
        _check_name(head)
        if not 0 <= head.horizon <= head.version <= MAX_NUMBER:
            problem = f"version {head.version} does not go with horizon {head.horizon}"
            raise StorageError(f"collection {head}: {problem}")
        self._head, self._id = head, ""
        self.collections += 1

    def _line(self, row: Row, head: CollectionHead) -> bytes:
        id, text, version = row.id, row.text, row.version
        created, place = row.created, row.place
        if not self._id < id or "\0" in id or len(id.encode()) > MAX_ID_BYTES:
            raise StorageError(f"collection {head}: id {id[:100]!r} comes after {self._id[:100]!r}")
        numbers = (0 < created <= version) if text is not None else (created == place == 0)
        if not numbers or not 0 < version <= head.version or not 0 <= place <= MAX_NUMBER:
            raise StorageError(f"collection {head}: item {id[:100]!r} has impossible versions")
        self._id = id
        if text is None:
            self.tombstones += 1
            return _encode((id, 0, 0, version, None))
        self.items += 1
        try:
            return _encode((id, created, place, version, text.decode()))
        except UnicodeDecodeError:
            raise StorageError(f"collection {head}: item {id[:100]!r} is not UTF-8") from None


def _check_name(head: CollectionHead) -> None:
    text = f"/{head.app}/service/{head.name}"
    try:
        path = parse_collection_path(text)
    except RequestError as error:
        raise StorageError(f"collection {head}: {error.message}") from None
    if path != CollectionPath(head.app, "service", head.name):
        raise StorageError(f"collection {head}: its name has a slash")
