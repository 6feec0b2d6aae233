"""Kinds of storage that cannot be used: each breaks what a server uses, or is going to use, until its block ends."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from .disk import disk, fill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.support.services.mariadb import MariaDb

NOBODY: Final = 65534
"""The user that the server runs as, if the tests run as root."""

USER: Final = "storage_table"


def as_server() -> tuple[str, ...]:
    """Return what begins a command of the server's user."""
    if os.geteuid():
        return ()
    return ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")


class Place:
    """Where a server and its storage are.

    Args:
        folder: of the server; its storage is in `data` there.
        database: where tables are, if they are not in SQLite.

    Attributes:
        data: the folder of an SQLite file.
        file: that file.
        pid: the server's process, once it runs.
        limit: a program with its arguments that the server runs under.
    """

    def __init__(self, folder: Path, database: MariaDb | None = None) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.file = self.data / "items.db"
        self.database = database
        self.pid: int | None = None
        self.limit: tuple[str, ...] = ()

    @property
    def config(self) -> Mapping[str, object]:
        """What the service is told."""
        if self.database is not None:
            return self.database.config(db_user=USER, db_password=USER, db_timeout=1)
        return {"db_type": "sqlite", "db_name": "data/items.db", "db_timeout": 0.1}

    def give(self, *files: Path) -> None:
        """Let the server's user own files."""
        if os.geteuid() == 0:
            for file in files:
                os.chown(file, NOBODY, NOBODY)


class Kind(NamedTuple):
    """One kind.

    Attributes:
        name: in the table.
        broken: makes it so.
        at_start: whether it can be so before the server starts.
        running: whether it can come to be so while it runs.
        mends: whether the running server goes on when it is over.
        disk: whether it takes a disk of its own, which only root may mount.
        mariadb: whether it is one of MariaDB.
    """

    name: str
    broken: Callable[[Place], AbstractContextManager[None]]
    at_start: bool = True
    running: bool = True
    mends: bool = True
    disk: bool = False
    mariadb: bool = False


@contextmanager
def no_folder(place: Place) -> Iterator[None]:
    away = place.folder / "away"
    place.data.rename(away)
    yield
    away.rename(place.data)


@contextmanager
def read_only_folder(place: Place) -> Iterator[None]:
    """There is no file yet."""
    if place.pid is None:
        place.file.unlink()
    place.data.chmod(0o555)
    yield
    place.data.chmod(0o755)


@contextmanager
def read_only_file(place: Place) -> Iterator[None]:
    """Root's, as it is after a restore by root."""
    if os.geteuid() == 0:
        os.chown(place.file, 0, 0)
    place.file.chmod(0o644 if os.geteuid() == 0 else 0o444)
    yield
    place.file.chmod(0o640)
    place.give(place.file)


@contextmanager
def secret_file(place: Place) -> Iterator[None]:
    if os.geteuid() == 0:
        os.chown(place.file, 0, 0)
    place.file.chmod(0o600 if os.geteuid() == 0 else 0)
    yield
    place.file.chmod(0o640)
    place.give(place.file)


@contextmanager
def read_only_disk(place: Place) -> Iterator[None]:
    for mode in ("ro", "rw"):
        subprocess.run(["mount", "-o", f"remount,{mode}", place.data], check=True)
        if mode == "ro":
            yield


@contextmanager
def full_disk(place: Place) -> Iterator[None]:
    filler = place.data / "filler"
    fill(filler)
    yield
    filler.unlink()


@contextmanager
def failing_writes(place: Place) -> Iterator[None]:
    """A bound on the size of files stands for a quota and a disk that fails."""
    if place.pid is None:
        place.limit = ("prlimit", "--fsize=12000:")
        yield
        place.limit = ()
        return
    for soft in ("12000", "unlimited"):
        limit = ["prlimit", f"--pid={place.pid}", f"--fsize={soft}:"]
        subprocess.run([*as_server(), *limit], check=True)
        if soft != "unlimited":
            yield


@contextmanager
def locked(place: Place) -> Iterator[None]:
    with closing(sqlite3.connect(place.file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def replaced(place: Place, make: Callable[[Path], None]) -> Iterator[None]:
    """Another file has its name; it is put back with what belongs to it."""
    away, other = place.file.with_name("away.db"), place.file.with_name("other.db")
    make(other)
    place.give(other)
    place.file.rename(away)
    other.rename(place.file)
    yield
    away.replace(place.file)


def no_database(file: Path) -> None:
    file.write_bytes(b"this is no database" * 1000)


def foreign_table(file: Path) -> None:
    with closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE items (somebody TEXT, elses TEXT)")


@contextmanager
def damaged(place: Place) -> Iterator[None]:
    whole = place.file.read_bytes()
    place.file.write_bytes(whole[:100] + bytes(len(whole) - 100))
    yield
    place.file.write_bytes(whole)


@contextmanager
def deleted(place: Place) -> Iterator[None]:
    away = place.file.with_name("away.db")
    place.file.rename(away)
    yield
    away.replace(place.file)


@contextmanager
def backup_put_back(place: Place) -> Iterator[None]:
    """As `cp` and `mv` do it: without what was written last. It stays."""
    other = place.file.with_name("other.db")
    shutil.copyfile(place.file, other)
    place.give(other)
    other.replace(place.file)
    yield


@contextmanager
def log_deleted(place: Place) -> Iterator[None]:
    """With what was in it; and another program has begun a new one, before the server looks again."""
    for suffix in ("-wal", "-shm"):
        place.file.with_name(place.file.name + suffix).unlink()
    with closing(sqlite3.connect(place.file)) as other:
        other.execute("CREATE TABLE theirs (x)")
        other.commit()
    yield


@contextmanager
def two_names(place: Place) -> Iterator[None]:
    (other := place.file.with_name("other.db")).hardlink_to(place.file)
    yield
    other.unlink()


@contextmanager
def no_mariadb(place: Place) -> Iterator[None]:
    assert place.database is not None
    place.database.stop()
    yield
    place.database.start()


@contextmanager
def read_only_mariadb(place: Place) -> Iterator[None]:
    assert place.database is not None
    place.database.sql("SET GLOBAL read_only = 1")
    yield
    place.database.sql("SET GLOBAL read_only = 0")


@contextmanager
def may_only_read(place: Place) -> Iterator[None]:
    assert place.database is not None
    place.database.sql(f"REVOKE ALL ON sharedstate.* FROM {USER}; FLUSH PRIVILEGES")
    place.database.sql(f"GRANT SELECT ON sharedstate.* TO {USER}; FLUSH PRIVILEGES")
    place.database.kill_connections()  # rights hold for those that connect
    yield
    place.database.sql(f"GRANT ALL ON sharedstate.* TO {USER}; FLUSH PRIVILEGES")
    place.database.kill_connections()


KINDS: Final = (
    Kind("its folder is missing, or was moved", no_folder),
    Kind("its folder may not be written; at the start there is no file yet", read_only_folder),
    Kind("the file belongs to somebody else", read_only_file),
    Kind("the same, and only they may read it", secret_file),
    Kind("the disk is mounted read-only", read_only_disk, running=False, disk=True),
    Kind("the disk is full", full_disk, disk=True),
    Kind("writing fails: a quota, a broken disk", failing_writes),
    Kind("another program holds the lock", locked),
    Kind("no database, but another file", lambda place: replaced(place, no_database)),
    Kind("tables of another program", lambda place: replaced(place, foreign_table)),
    Kind("the file is damaged", damaged, running=False),
    Kind("the file was deleted or moved", deleted),
    Kind("a backup was put in its place", backup_put_back, at_start=False),
    Kind("its log was deleted, and another program writes there", log_deleted, at_start=False),
    Kind("the file has a second name, a hard link", two_names),
    Kind("MariaDB does not run", no_mariadb, mariadb=True),
    Kind("MariaDB is read-only", read_only_mariadb, mariadb=True),
    Kind("MariaDB lets its user read only", may_only_read, mariadb=True),
)


@contextmanager
def place_of(kind: Kind, folder: Path, database: MariaDb | None) -> Iterator[Place]:
    """Make a place for a kind, which has served before.

    Raises:
        NoDiskError: it needs a disk of its own, which may not be mounted here.
    """
    place = Place(folder, database if kind.mariadb else None)
    folder.chmod(0o755)
    with disk(place.data) if kind.disk else _plain(place.data):
        place.give(folder, place.data)
        yield place


@contextmanager
def _plain(folder: Path) -> Iterator[None]:
    folder.mkdir()
    yield
