"""Whether the file behind a connection still is the one that has its name.

SQLite keeps using the files that it has opened even if they were deleted, moved or replaced: what it then commits
has no name and is gone when the last connection is closed. So each connection knows its files by device and inode,
including the write-ahead log, which has the latest commits. They are checked before a transaction begins, when an
error is still certain, and after it has ended, before anybody is told.
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
"""Three times as fast as `Path.stat`, before and after each commit."""

_LOG: Final = "-wal"
_INDEX: Final = "-shm"
"""What SQLite adds to a database's name for that of its write-ahead log, and of the log's index."""

_SHARED_BYTES: Final = (0x40000002, 510)
"""Where SQLite locks a database: first byte and length. It is part of its file format."""

_OPEN_FILES: Final = Path("/proc/self/fd")

_PARTS: Final = {"database": "", "wal": _LOG}
"""The files whose sizes are reported."""

Identity: TypeAlias = "tuple[int, int] | None"
"""Device and inode; None if there is no such file."""


_descriptors: dict[Identity, int] = {}
"""Descriptors of files whose log was deleted under us."""


class MovedError(StorageError):
    """The file is not the one that was opened."""


class DatabaseFile(NamedTuple):
    """The files of an open connection.

    Attributes:
        name: of the database, absolute; empty for one in memory, which cannot be moved. It may be that of a link.
        path: where that led to: the log is beside it.
        parts: the name, that of the write-ahead log, and that of the log's index, in which programs that share it keep
            their locks; and which file each was.
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
        """Which file the database is."""
        return self.parts[0][1] if self.parts else None

    @property
    def is_there(self) -> bool:
        """Whether a database has the name, this one or another."""
        return not self.name or identity(self.name) is not None

    @property
    def log_is_anothers(self) -> bool:
        """Whether somebody who does not know of ours has written a log under its name.

        An empty one is that of a program that has only looked. (Or of one that has emptied it into the database, down
        to nothing, which no program does by itself.)
        """
        is_another = any(identity(path) not in {ours, None} for path, ours in self.parts[1:])
        return is_another and is_begun(self.path + _LOG)

    def check(self) -> None:
        """Make sure that all files are what they were.

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
    """Empty the write-ahead log into the database that it belongs to, before another one is opened under the name.

    Where a database was replaced, the old one's log still lies beside it, and would be taken for its own. Both files
    that go with a log are removed: programs which still use them keep them, without their names, among themselves.
    If only the log was deleted, nothing is lost.

    Raises:
        MovedError: it cannot be done now.
    """
    if file.log_is_anothers:
        return  # who has gone on without us
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
    """Let connections be closed within the block; if there is another's log, that is all that happens to the files.

    Whoever closes the last connection empties the log into the database, and deletes what bears the log's name. What
    others have written there since would be overwritten, and their log deleted. SQLite leaves it if somebody has a
    lock on the database, so we have one: of the kind that counts against our own connections, too, where there is one
    (on Linux). The descriptor stays open: to close it would end all locks of this process on that file.
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
    """Take or leave a lock on the bytes of which each connection to a database has a shared one."""
    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, struct.pack("hhqqi", kind, 0, *_SHARED_BYTES, 0))


def refuse_links(path: str) -> None:
    """Make sure that a database has one name only: with each further one it would have a further log.

    Two logs of one database damage it as soon as both are used.

    Raises:
        StorageError: it has several; the message says what to do.
    """
    with suppress(OSError):
        found = Path(path).stat()
        if stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
            raise StorageError(
                f"{path}: it has {found.st_nlink} names (hard links), each of which would have a log of its own; "
                "delete the others"
            )


def sizes(name: str) -> dict[str, int]:
    """Return the bytes of a database's files, by part; one that is not there has none."""
    found = {}
    for part, suffix in _PARTS.items():
        try:
            found[part] = Path(name + suffix).stat().st_size
        except OSError:
            found[part] = 0
    return found


def identity(path: str) -> Identity:
    """Return which file has a name."""
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
    """Say that a database begins empty though its file was there: so does a young one, copied without its log."""
    log.warning(
        "%s was there and has no table in it; it begins empty. If it is the copy of a database in use, its content is "
        "in the file %s beside that one: copy with SQLite's backup instead",
        path,
        Path(path + _LOG).name,
        extra={"fields": {"event": "database_blank", "path": path}},
    )
