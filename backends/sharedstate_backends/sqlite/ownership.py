"""The files of an SQLite database: their owner and permissions.

SQLite gives its other files (`-wal`, `-shm`) the mode of the database and, when run by root, its owner. So it is enough
to create the database file properly before SQLite does.
"""

from __future__ import annotations

import os
import pwd
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from sharedstate_backends.contract import StorageError

from .files import is_begun

MODE: Final = 0o600
"""Permissions of a new database, before the umask: only its owner may use it."""

WIDEST: Final = 0o640
"""Permissions that a database keeps, at most, when root restores it."""


def create(name: str) -> None:
    """Create the file of a database if it does not exist; an existing one is left alone.

    If that fails, SQLite will report why.

    Raises:
        StorageError: there is a log without its database; see `refuse_lone_log`.
    """
    refuse_lone_log(name)
    with suppress(OSError):
        make(name)


def make(name: str) -> None:
    """Create the file of a database, empty.

    Created by root, it belongs to the owner of its folder: the server must be able to use it, whatever ran first as
    root (a migration, a restore).

    Raises:
        OSError: it cannot be created, or exists.
    """
    path = Path(name).resolve()  # for a dangling link its target is created
    file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, MODE)
    try:
        if os.geteuid() == 0:
            folder = path.parent.stat()
            os.fchown(file, folder.st_uid, folder.st_gid)
    finally:
        os.close(file)


def refuse_lone_log(name: str) -> None:
    """Make sure that there is no log without its database: SQLite would consider it stale and delete it.

    It may hold the last commits of a database that was moved away; of a young database, everything.

    Raises:
        StorageError: there is one; the message says what to do.
    """
    path = os.path.realpath(name)
    # In this order: a new database writes its file before the log.
    if is_begun(f"{path}-wal") and not is_begun(path):
        raise StorageError(
            f"{name}-wal is there without {name}: put the database back beside it, or move it away to begin empty"
        )


def foreign(name: str) -> str | None:
    """Return a problem that the server's user would have with a database, but root does not notice; None if none.

    It matters only to root: nobody else can write such a file. The owner of the folder is assumed to be the server's
    user.
    """
    if os.geteuid() != 0:
        return None
    path = Path(name).resolve()
    owner = path.parent.stat().st_uid
    for file in (path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm")):
        with suppress(FileNotFoundError):
            found = file.stat()
            if owner not in {0, found.st_uid} and not _may_write(found, path.parent.stat().st_gid):
                return (
                    f"{file} belongs to user {_user(found.st_uid)}, its folder to {_user(owner)}, who may not "
                    f"write it: chown {_user(owner)} {file}"
                )
    return None


def _may_write(file: os.stat_result, group: int) -> bool:
    """Return whether others than the owner may write a file: everybody, or this group."""
    everybody = bool(file.st_mode & stat.S_IWOTH)
    return everybody or (file.st_gid == group and bool(file.st_mode & stat.S_IWGRP))


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
