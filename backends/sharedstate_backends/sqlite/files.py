"""Checks whether the files behind a connection are still the ones with their names.

SQLite keeps using the files that it has opened even if they were deleted, moved or replaced: what it then commits is in
a file without a name, and gone when the last connection is closed. So each connection knows its files by device and
inode, including the write-ahead log, which has the latest commits. They are checked before a transaction begins, when a
failure is still certain, and after it has ended, before its result is reported.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import stat
import struct
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from sharedstate_backends.contract import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger("sharedstate")

_stat: Final = os.stat
"""Called before and after each commit; three times as fast as `Path.stat`."""

_LOG: Final = "-wal"
_INDEX: Final = "-shm"
"""Suffixes of SQLite for the write-ahead log of a database, and for the log's index."""

_SHARED_BYTES: Final = (0x40000002, 510)
"""Where SQLite locks a database, first byte and length: part of its file format."""

_OPEN_FILES: Final = Path("/proc/self/fd")

_PARTS: Final = {"database": "", "wal": _LOG}
"""The files whose sizes are reported."""

Identity: TypeAlias = "tuple[int, int] | None"
"""Device and inode; None if there is no such file."""


_descriptors: dict[Identity, int] = {}
"""Descriptors of files whose log was deleted under us."""


class MovedError(StorageError):
    """A file is no longer the one that was opened."""


class DatabaseFile(NamedTuple):
    """The files of an open connection.

    Attributes:
        name: absolute name of the database, perhaps of a link; empty for one in memory, which cannot be moved.
        path: the target of the name: the log is beside it.
        parts: the names of the database, of the write-ahead log, and of the log's index, in which programs that share
            it keep their locks; each with its file's identity.
    """

    name: str = ""
    path: str = ""
    parts: tuple[tuple[str, Identity], ...] = ()

    @classmethod
    def of(cls, connection: sqlite3.Connection, name: str) -> DatabaseFile:
        """Return the files of a connection that has written, so that there is a log; `name` is absolute."""
        with closing(connection.cursor()) as cursor:
            path = cursor.execute("PRAGMA database_list").fetchone()[2]
        if not path:
            return cls()
        parts = (name, path + _LOG, path + _INDEX)
        return cls(name, path, tuple((part, identity(part)) for part in parts))

    @property
    def database(self) -> Identity:
        """The identity of the database file."""
        return self.parts[0][1] if self.parts else None

    @property
    def is_there(self) -> bool:
        """Whether any database has the name, this one or another."""
        return not self.name or identity(self.name) is not None

    @property
    def log_is_anothers(self) -> bool:
        """Whether another program, unaware of our log, has written one under its name.

        An empty log belongs to a program that has only read. (Or to one that has truncated it to nothing, which no
        program does by itself.)
        """
        is_another = any(identity(path) not in {ours, None} for path, ours in self.parts[1:])
        return is_another and is_begun(self.path + _LOG)

    def check(self) -> None:
        """Make sure that all files are still the same.

        Raises:
            MovedError: one of them is not; the message says which, and what to do.
        """
        for path, before in self.parts:
            if (now := identity(path)) != before:
                what = "was deleted or moved" if now is None else "was replaced"
                raise MovedError(
                    f"{path} {what} under the running server; put that very file back, or restore a backup"
                )


IN_MEMORY: Final = DatabaseFile()
"""For a database without a file."""


def let_go(connection: sqlite3.Connection, file: DatabaseFile) -> None:
    """Checkpoint the write-ahead log into the database that it belongs to, before another one is opened under the name.

    If a database was replaced, the old one's log is still beside it, and would be taken for the new one's. Log and
    index are removed: programs that still use them keep them, without their names. If only the log was deleted, nothing
    is lost.

    Raises:
        MovedError: it cannot be done now.
    """
    if file.log_is_anothers:
        return  # another program has gone on without us
    with closing(connection.cursor()) as cursor:
        try:
            (busy, _, _) = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            raise MovedError(f"{file.path}: its old log cannot be emptied ({error})") from error
    if busy:
        problem = "was replaced while another program uses the old file; stop that program"
        raise MovedError(f"{file.path} {problem}")
    for path, ours in file.parts[1:]:
        if ours is not None and identity(path) == ours:
            Path(path).unlink(missing_ok=True)


@contextmanager
def sparing(file: DatabaseFile) -> Iterator[None]:
    """Close connections in the block; if there is another program's log, the files are left alone.

    Whoever closes the last connection checkpoints the log into the database, and deletes whatever has the log's name.
    That would overwrite what others have written since, and delete their log. SQLite does neither if somebody has a
    lock on the database, so we take one: of a kind that also counts against our own connections, where that exists (on
    Linux). The descriptor stays open: closing it would end all locks of this process on that file.
    """
    descriptor = _open_again(file.database) if file.log_is_anothers else None
    if descriptor is None:
        yield
        return
    _lock(descriptor, fcntl.F_RDLCK)
    try:
        yield
    finally:
        _lock(descriptor, fcntl.F_UNLCK)


def _open_again(database: Identity) -> int | None:
    """Return a descriptor of a file that this process has open; it may have lost its name."""
    if database in _descriptors:
        return _descriptors[database]
    if not hasattr(fcntl, "F_OFD_SETLK") or not _OPEN_FILES.is_dir():
        return None
    for path in _OPEN_FILES.iterdir():
        if identity(str(path)) == database:
            _descriptors[database] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            return _descriptors[database]
    return None


def _lock(descriptor: int, kind: int) -> None:
    """Take or release a lock on the bytes on which each connection to a database has a shared one."""
    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, struct.pack("hhqqi", kind, 0, *_SHARED_BYTES, 0))


def refuse_links(path: str) -> None:
    """Make sure that a database has only one name: under each further name it would have another log.

    Using two logs of one database damages it.

    Raises:
        StorageError: it has several names; the message says what to do.
    """
    with suppress(OSError):
        found = Path(path).stat()
        if stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
            raise StorageError(
                f"{path}: it has {found.st_nlink} names (hard links), each of which would have a log of its own; "
                "delete the others"
            )


def sizes(name: str) -> dict[str, int]:
    """Return the bytes of a database's files, by part, without missing ones."""
    found = {}
    for part, suffix in _PARTS.items():
        try:
            found[part] = Path(name + suffix).stat().st_size
        except OSError:
            found[part] = 0
    return found


def identity(path: str) -> Identity:
    """Return the identity of the file with a name."""
    try:
        status = _stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def is_begun(path: str) -> bool:
    """Return whether there is a file that SQLite has begun to write."""
    try:
        return Path(path).stat().st_size > 0
    except OSError:
        return False


def warn_of_blank(path: str) -> None:
    """Log that a database begins empty although its file existed: it may be a copy made without its log."""
    log.warning(
        "%s was there and has no table in it; it begins empty. If it is the copy of a database in use, its content is "
        "in the file %s beside that one: copy with SQLite's backup instead",
        path,
        Path(path + _LOG).name,
        extra={"fields": {"event": "database_blank", "path": path}},
    )
