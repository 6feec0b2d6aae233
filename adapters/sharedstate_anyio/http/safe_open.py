"""Opening a file of a folder safely, whoever may write to that folder.

The rules:

1. The real path, with links resolved, is checked first: it must be inside the real folder, and no part of it there may
   begin with a dot.
2. That path is then walked from the folder on, part by part, each opened within the one before and none through a link.
   So a link that replaces a folder meanwhile does not lead outside.
3. Everything reported of a file is read from its descriptor.

Windows cannot open a name relative to an open folder: there the path is opened as a whole, and rule 2 does not hold.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from sharedstate_anyio.config.document import shown
from sharedstate_anyio.config.folders import is_served

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PIECE_BYTES: Final = 64 * 1024
"""Maximum of bytes of one file in memory, per peer."""

_WALKS: Final = os.open in os.supports_dir_fd
_NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_FOLDER: Final = (
    getattr(os, "O_PATH", os.O_RDONLY)  # a folder that is not listed need not be readable
    | getattr(os, "O_DIRECTORY", 0)
    | getattr(os, "O_CLOEXEC", 0)
)
_FILE: Final = os.O_RDONLY | _NO_LINK | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class NoFolderError(FileNotFoundError):
    """The served folder does not exist."""


class File(NamedTuple):
    """A file as it was when it was opened.

    Attributes:
        root: the real folder.
        parts: its real path below it, in parts.
        size: in bytes.
        modified: time in nanoseconds since the Unix epoch.
        changed: likewise, of the inode; it cannot be set back by whoever changes the file.
        identity: its device and inode number.
    """

    root: str
    parts: tuple[str, ...]
    size: int
    modified: int
    changed: int
    identity: tuple[int, int]

    def read(self, start: int) -> bytes:
        """Open the file again, and return a piece of it.

        Raises:
            OSError: it cannot be read, or has changed.
        """
        with _opened(self.root, self.parts) as opened:
            if opened.file != self:
                raise FileNotFoundError("it has changed while it was sent")
            return opened.read(start)

    @property
    def etag(self) -> bytes:
        """Its ETag, which differs for another file or a changed one, even with the same size and time."""
        return b'"%x-%x-%x-%x"' % (self.modified, self.size, self.identity[1], self.changed)


class OpenFile(NamedTuple):
    """A file and its descriptor."""

    file: File
    number: int

    def read(self, start: int) -> bytes:
        """Return a piece of it.

        Raises:
            OSError: it cannot be read, or has become shorter.
        """
        os.lseek(self.number, start, os.SEEK_SET)
        data = b""
        wanted = min(PIECE_BYTES, self.file.size - start)
        while len(data) < wanted:
            more = os.read(self.number, wanted - len(data))
            if not more:
                raise FileNotFoundError("it was cut while it was sent")
            data += more
        return data


@contextmanager
def open_file(folder: str, names: Sequence[str]) -> Iterator[OpenFile]:
    """Open the file at these names in a folder, until the block ends.

    Raises:
        IsADirectoryError: it is a folder.
        NoFolderError: the served folder is gone.
        OSError, ValueError: there is no such file, or it cannot be read.
    """
    root = os.path.realpath(folder)
    if not Path(root).is_dir():
        raise NoFolderError(f"there is no folder {shown(folder)}; create it")
    path = os.path.realpath(Path(root, *names))
    if not is_served(root, path):
        raise FileNotFoundError(f"{path} is not served")
    with _opened(root, Path(path).relative_to(root).parts) as opened:
        yield opened


@contextmanager
def _opened(root: str, parts: tuple[str, ...]) -> Iterator[OpenFile]:
    if not parts:
        raise IsADirectoryError(f"{root} is a folder")
    number = _open(root, parts)
    try:
        found = os.fstat(number)
        _check(parts[-1], found)
        yield OpenFile(_file(root, parts, found), number)
    finally:
        os.close(number)


def _open(root: str, parts: tuple[str, ...]) -> int:
    if not _WALKS:
        path = Path(root, *parts)
        _check(path.name, path.stat())
        return os.open(path, _FILE)
    folder = os.open(root, _FOLDER)
    try:
        for part in parts[:-1]:
            inner = os.open(part, _FOLDER | _NO_LINK, dir_fd=folder)
            os.close(folder)
            folder = inner
        # Do not open anything that may react to it, such as a device.
        _check(parts[-1], os.stat(parts[-1], dir_fd=folder, follow_symlinks=False))
        return os.open(parts[-1], _FILE, dir_fd=folder)
    finally:
        os.close(folder)


def _file(root: str, parts: tuple[str, ...], found: os.stat_result) -> File:
    identity = (found.st_dev, found.st_ino)
    return File(root, parts, found.st_size, found.st_mtime_ns, found.st_ctime_ns, identity)


def _check(name: str, found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(f"{name} is a folder")
    if not stat.S_ISREG(found.st_mode):
        raise FileNotFoundError(f"{name} is not a file")
