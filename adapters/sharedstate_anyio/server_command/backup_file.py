r"""The file that a backup is: JSON lines, gzipped, to be read with `zcat`.

```jsonl
{"line":"backup","format":1,"made":"2026-11-29T11:20:00Z","by":"0.2.0"}
{"line":"service","name":"items"}
["myapp","todo",12,3]
["bread",0,0,12,null]
["milk",4,0,11,"{\"id\": \"milk\", \"n\": 1.10}"]
{"line":"end of service","collections":1,"items":1,"tombstones":1}
{"line":"end","sha256":"…"}
```

1. A line of four values is a collection: app, name, version, horizon. A line of five is one of its rows: id, created,
   place, version, and the item's text as it was sent, as a JSON string; null in a tombstone, which records a removed
   id.
2. Services, collections and rows are in order; no name occurs twice. The checksum covers all lines before it.
3. A reader takes nothing from a file before it has read it to the end. Unknown members are ignored; another `format` is
   an error.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from typing import IO, TYPE_CHECKING, Final, TypeAlias

import msgspec

from sharedstate_backends.contract import StorageError
from sharedstate_backends.portable import (
    PORTION_BYTES,
    PORTION_ROWS,
    Census,
    CollectionHead,
    Portion,
)
from sharedstate_core.storage import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT: Final = 1
"""Number of this layout; a later version may write a greater one."""

LEVEL: Final = 4
"""Of compression: half the time of the default, for a tenth more bytes."""

MAX_LINE_BYTES: Final = 512 * 1024 * 1024
"""Longer than any item of any store, and shorter than the memory of most machines."""

MAX_FIRST_LINE_BYTES: Final = 4096


class _Begin(msgspec.Struct, tag_field="line", tag="backup"):
    format: int
    made: str
    by: str


class _Service(msgspec.Struct, tag_field="line", tag="service"):
    name: str


class _ServiceEnd(msgspec.Struct, tag_field="line", tag="end of service"):
    collections: int
    items: int
    tombstones: int


class _End(msgspec.Struct, tag_field="line", tag="end"):
    sha256: str


_encode = msgspec.json.Encoder().encode
_begin = msgspec.json.Decoder(_Begin)
_mark = msgspec.json.Decoder(_Service | _ServiceEnd | _End)
_head = msgspec.json.Decoder(tuple[str, str, int, int])
_row = msgspec.json.Decoder(tuple[str, int, int, int, str | None])

Part: TypeAlias = "str | Portion | Census"
"""What a backup consists of, for each service: its name, its portions, and what was counted."""


class BackupError(StorageError):
    """The file cannot be written, or is not a whole backup; the message names it and says what to do."""


def cannot_write(name: str, error: OSError) -> BackupError:
    """Return the error for a file that could not be written."""
    return BackupError(f"cannot write {name}: {error.strerror}; what was there is there still")


class Writer:
    """Writes a backup.

    Args:
        stream: where to; it is not closed.
        name: of the file, for messages.
        made: when, as ISO 8601 has it.
        by: which version of this package.
    """

    def __init__(self, stream: IO[bytes], name: str, *, made: str, by: str) -> None:
        self._stream = stream
        self._name = name
        self._zip = zlib.compressobj(LEVEL, wbits=zlib.MAX_WBITS | 16)  # in the format of gzip
        self._hash = hashlib.sha256()
        self._census = Census()
        self._line(_Begin(FORMAT, made, by))

    def begin(self, service: str) -> Census:
        """Begin a service; return what counts it."""
        self._census = Census()
        self._line(_Service(service))
        return self._census

    def add(self, portion: Portion) -> None:
        """Write a portion of it.

        Raises:
            StorageError: it is invalid.
            BackupError: it cannot be written.
        """
        self._write(self._census.add(portion))

    def end(self) -> None:
        """End it."""
        census = self._census
        self._line(_ServiceEnd(census.collections, census.items, census.tombstones))

    def finish(self) -> None:
        """End the backup."""
        self._line(_End(self._hash.hexdigest()))
        self._put(self._zip.flush())

    def _line(self, mark: msgspec.Struct) -> None:
        self._write(_encode(mark) + b"\n")

    def _write(self, data: bytes) -> None:
        self._hash.update(data)
        self._put(self._zip.compress(data))

    def _put(self, data: bytes) -> None:
        try:
            self._stream.write(data)
        except OSError as error:
            raise cannot_write(self._name, error) from error


class Backup:
    """A backup that was read to the end and found complete.

    Args:
        stream: a file opened for reading, from its start; it is not closed.
        name: of the file, for messages.

    Attributes:
        made, by: when it was made, and by which version.
        services: what was counted, by the name of each service.

    Raises:
        BackupError: it is not a backup, is incomplete, or has another format.
    """

    def __init__(self, stream: IO[bytes], name: str) -> None:
        self._stream = stream
        self._name = name
        self.made = self.by = ""
        self.services: dict[str, Census] = {}
        service = ""
        for part in self._parts():
            if isinstance(part, str):
                service = part
                if service in self.services:
                    raise self._damaged(f"service {service} comes twice")
            elif isinstance(part, Census):
                self.services[service] = part

    def portions(self, service: str) -> Iterator[Portion]:
        """Yield the content of a service.

        Raises:
            BackupError: the file is no longer as it was.
        """
        here = False
        for part in self._parts():
            if isinstance(part, str):
                here = part == service
            elif here and isinstance(part, Portion):
                yield part
            elif here:
                if part != self.services[service]:
                    break
                return
        raise BackupError(f"{self._name}: it has changed while it was read")

    def _parts(self) -> Iterator[Part]:
        """Read the file; raise `BackupError` unless all of it is right."""
        self._stream.seek(0)
        lines = self._lines()
        try:
            yield from self._checked(lines)
        except (EOFError, OSError, zlib.error) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise BackupError(f"{self._name}: cannot be read: {error.strerror}") from None
            raise self._damaged("cut off, or not as it was written") from None
        except msgspec.DecodeError as error:
            raise self._damaged(str(error)) from None
        except StorageError as error:
            raise error if isinstance(error, BackupError) else self._damaged(str(error)) from None

    def _lines(self) -> Iterator[bytes]:
        """Yield the lines after the first, which is checked."""
        with gzip.GzipFile(fileobj=self._stream) as unzipped:
            try:
                first = unzipped.readline(MAX_FIRST_LINE_BYTES)
                begin = _begin.decode(first)
            except (EOFError, gzip.BadGzipFile, zlib.error, msgspec.DecodeError):
                raise BackupError(f"{self._name}: this is not a backup of SharedState") from None
            if begin.format != FORMAT:
                problem = f"format {begin.format} is of another version, this one reads {FORMAT}"
                raise BackupError(f"{self._name}: {problem}; it was made by {begin.by}: use that")
            self.made, self.by = begin.made, begin.by
            yield first
            while line := unzipped.readline(MAX_LINE_BYTES):
                if not line.endswith(b"\n"):
                    raise EOFError
                yield line

    def _checked(self, lines: Iterator[bytes]) -> Iterator[Part]:
        read = hashlib.sha256(next(lines))
        for line in lines:
            mark = _mark.decode(line)
            if isinstance(mark, _End):
                if mark.sha256 != read.hexdigest() or next(lines, None) is not None:
                    raise self._damaged("its checksum is wrong")
                return
            if not isinstance(mark, _Service):
                raise self._damaged("a service does not begin")
            read.update(line)
            yield mark.name
            yield from self._service(lines, read)
        raise EOFError

    def _service(self, lines: Iterator[bytes], read: hashlib._Hash) -> Iterator[Part]:
        """Read a service to its end."""
        census = Census()
        head: CollectionHead | None = None
        rows: list[Row] = []
        size = 0
        for line in lines:
            read.update(line)
            row = None if line.startswith(b"{") else _read_row(line)
            if head is not None and (
                row is None or len(rows) == PORTION_ROWS or size > PORTION_BYTES
            ):
                portion = Portion(head, rows)
                census.add(portion)
                yield portion
                rows, size = [], 0
            if row is not None:
                if head is None:
                    raise self._damaged("a collection does not begin")
                rows.append(row)
                size += len(line)
            elif line.startswith(b"["):
                head = CollectionHead(*_head.decode(line))
            else:
                self._compare(_mark.decode(line), census)
                yield census
                return
        raise EOFError

    def _compare(self, mark: msgspec.Struct, census: Census) -> None:
        counted = _ServiceEnd(census.collections, census.items, census.tombstones)
        if mark != counted:
            raise self._damaged("its counts are wrong")

    def _damaged(self, how: str) -> BackupError:
        return BackupError(f"{self._name}: this backup is damaged ({how}); use another one")


def _read_row(line: bytes) -> Row | None:
    """Read a row; None if it is a collection."""
    try:
        id, created, place, version, text = _row.decode(line)
    except msgspec.ValidationError:
        return None
    return Row(id, None if text is None else text.encode(), created, place, version)
