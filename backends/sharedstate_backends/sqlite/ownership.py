"""The files of a database in SQLite: whose they are, and who may read them.

SQLite gives its other files (`-wal`, `-shm`) the mode of the database and, for the superuser, its owner: so it
is enough to make the database's own file as it should be, before SQLite does.
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

MODE: Final = 0o640
"""Permissions of a new database: nobody but its owner writes, and only their group reads."""


def create(name: str) -> None:
    """Make the file of a database if it is not there; what is there stays as it is.

    What cannot be made here is left to SQLite, which says why.

    Raises:
        StorageError: a log lies there without its database; see `refuse_lone_log`.
    """
    refuse_lone_log(name)
    with suppress(OSError):
        make(name)


def make(name: str) -> None:
    """Make the file of a database, empty.

    Made by the superuser, it belongs to the owner of its folder: the server has to be able to use it, whatever
    ran first as root (a migration, a restore).

    Raises:
        OSError: it cannot be made, or is there.
    """
    path = Path(name).resolve()  # a link that leads to nothing is made what it leads to
    file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, MODE)
    try:
        if os.geteuid() == 0:
            folder = path.parent.stat()
            os.fchown(file, folder.st_uid, folder.st_gid)
    finally:
        os.close(file)


def refuse_lone_log(name: str) -> None:
    """Make sure that no log lies there without its database: SQLite takes it for a leftover and deletes it.

    It may hold the last commits of a database that was moved away; of a young one, everything.

    Raises:
        StorageError: there is one; the message says what to do.
    """
    path = os.path.realpath(name)
    # In this order: whoever begins a database writes its file before the log.
    if is_begun(f"{path}-wal") and not is_begun(path):
        raise StorageError(
            f"{name}-wal is there without {name}: put the database back beside it, or move it away to begin empty"
        )


def foreign(name: str) -> str | None:
    """Return what is wrong with a database of which root's server may not be the one that uses it; None for nothing.

    Only root has to ask: nobody else can write such a file. Whoever owns the folder is taken for the server's user.
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
