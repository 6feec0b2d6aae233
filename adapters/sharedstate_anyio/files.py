"""Files of the folders that the configuration names.

The rules:

1. Files are looked for and read in threads, a few at once: a slow disk keeps nobody else waiting.
2. A file is served if its real path, links followed, is in the real folder, and no part of its name there begins with a
   dot. Names are decoded once. There are no listings; a folder is its `index.html`.
3. Of a large file one piece is in memory at a time, and it is not kept open between two of them: who reads slowly costs
   no more than others. A file that changes meanwhile ends the connection.
4. Everything is revalidated, by its ETag or its date.
"""

from __future__ import annotations

import os
import stat
import urllib.parse
from email.utils import formatdate, parsedate_to_datetime
from errno import ELOOP, ENAMETOOLONG
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import anyio
import anyio.to_thread

from .folders import is_served
from .http import path_of
from .resources import matches
from .responses import EVERYWHERE, Response, complete, error_response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .resources import Headers

PIECE_BYTES: Final = 64 * 1024
"""What is in memory of one file for one peer."""

THREADS: Final = 4
"""Files looked at or read at one time."""

INDEX: Final = "index.html"

TYPES: Final = {
    "avif": b"image/avif",
    "css": b"text/css; charset=utf-8",
    "csv": b"text/csv; charset=utf-8",
    "gif": b"image/gif",
    "htm": b"text/html; charset=utf-8",
    "html": b"text/html; charset=utf-8",
    "ico": b"image/x-icon",
    "jpeg": b"image/jpeg",
    "jpg": b"image/jpeg",
    "js": b"text/javascript; charset=utf-8",
    "json": b"application/json",
    "map": b"application/json",
    "md": b"text/markdown; charset=utf-8",
    "mjs": b"text/javascript; charset=utf-8",
    "mp3": b"audio/mpeg",
    "mp4": b"video/mp4",
    "ogg": b"audio/ogg",
    "otf": b"font/otf",
    "pdf": b"application/pdf",
    "png": b"image/png",
    "svg": b"image/svg+xml",
    "ttf": b"font/ttf",
    "txt": b"text/plain; charset=utf-8",
    "wasm": b"application/wasm",
    "wav": b"audio/wav",
    "webm": b"video/webm",
    "webmanifest": b"application/manifest+json",
    "webp": b"image/webp",
    "woff": b"font/woff",
    "woff2": b"font/woff2",
    "xml": b"application/xml",
}
"""By the ending of a name; the system's own table would be another one on each machine."""

_UNKNOWN: Final = b"application/octet-stream"
_POLICY: Final = (
    b"Content-Security-Policy",
    b"object-src 'none'; base-uri 'self'; frame-ancestors 'self'",
)
"""What no ordinary page needs: plugins, another base, a frame of somebody else's around it."""

_OPENING: Final = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_BINARY", 0)
)


class _File(NamedTuple):
    """A file as it was when it was looked at."""

    path: str
    size: int
    modified: int  # nanoseconds since the Unix epoch
    identity: tuple[int, int]

    def read(self, start: int) -> bytes:
        """Return a piece of it.

        Raises:
            OSError: it cannot be read, or is not what it was.
        """
        number = os.open(self.path, _OPENING)
        try:
            if _file(self.path, os.fstat(number)) != self:
                raise FileNotFoundError(f"{self.path} has changed while it was sent")
            os.lseek(number, start, os.SEEK_SET)
            data = b""
            wanted = min(PIECE_BYTES, self.size - start)
            while len(data) < wanted:
                more = os.read(number, wanted - len(data))
                if not more:
                    raise FileNotFoundError(f"{self.path} was cut while it was sent")
                data += more
            return data
        finally:
            os.close(number)


def _file(path: str, found: os.stat_result) -> _File | None:
    if not stat.S_ISREG(found.st_mode):
        return None
    return _File(path, found.st_size, found.st_mtime_ns, (found.st_dev, found.st_ino))


class _Pieces:
    """The rest of a large file."""

    def __init__(self, file: _File, start: int, threads: anyio.CapacityLimiter) -> None:
        self._file = file
        self._at = start
        self._threads = threads

    async def read(self) -> bytes:
        """See `Pieces`."""
        if self._at == self._file.size:
            return b""
        data = await anyio.to_thread.run_sync(
            self._file.read, self._at, abandon_on_cancel=True, limiter=self._threads
        )
        self._at += len(data)
        return data


class Files:
    """The folders, by the path under which each is.

    Args:
        folders: as `parse_files` returns them.
    """

    def __init__(self, folders: Mapping[str, str | os.PathLike[str]]) -> None:
        found = sorted(folders.items(), key=lambda item: -len(item[0]))  # the longest path first
        self._folders = [(path, os.fspath(folder)) for path, folder in found]
        self._threads = anyio.CapacityLimiter(THREADS)

    async def respond(self, method: str, target: str, headers: Headers) -> Response | None:
        """Answer a request for a file; None if there is none.

        Args:
            method: as received.
            target: as received; see `Site.respond`.
            headers: of the request, names in lower case.
        """
        path = path_of(target)
        if path is None:
            return None
        for prefix, folder in self._folders:
            if f"{path}/" == prefix:
                return _redirection(method, path, target)
            if path.startswith(prefix):
                names = path[len(prefix) :].split("/")
                return await anyio.to_thread.run_sync(
                    self._respond,
                    folder,
                    names,
                    (method, target, headers),
                    abandon_on_cancel=True,
                    limiter=self._threads,
                )
        return None

    def _respond(
        self, folder: str, names: list[str], request: tuple[str, str, Headers]
    ) -> Response | None:
        method, target, headers = request
        try:
            file = _find(folder, names)
            if file is None:
                return None
            if method not in {"GET", "HEAD"}:
                problem = "Only GET and HEAD do anything here."
                return error_response(method, 405, problem, headers, [(b"Allow", b"GET, HEAD")])
            if isinstance(file, str):
                return _redirection(method, file, target)
            return self._answer(method, file, headers)
        except (FileNotFoundError, NotADirectoryError, PermissionError, ValueError):
            return None
        except OSError as error:
            if error.errno in {ELOOP, ENAMETOOLONG}:
                return None
            problem = "The file cannot be read now."
            return error_response(method, HTTPStatus.SERVICE_UNAVAILABLE, problem, headers)

    def _answer(self, method: str, file: _File, headers: Headers) -> Response:
        etag = b'"%x-%x"' % (file.modified, file.size)
        date = formatdate(file.modified // 10**9, usegmt=True).encode()
        dated = [(b"ETag", etag), (b"Last-Modified", date)]
        if _is_known(file, etag, headers):
            return Response(HTTPStatus.NOT_MODIFIED, [*dated, *EVERYWHERE])
        kind = TYPES.get(file.path.rpartition(".")[2].lower(), _UNKNOWN)
        length = (b"Content-Length", b"%d" % file.size)
        described = [(b"Content-Type", kind), *dated, _POLICY, *EVERYWHERE, length]
        if method == "HEAD":
            return Response(HTTPStatus.OK, described)
        first = file.read(0)
        rest = _Pieces(file, len(first), self._threads) if len(first) < file.size else None
        return Response(HTTPStatus.OK, described, first, rest)


def _find(folder: str, names: list[str]) -> _File | str | None:
    """Return what these names stand for: a file, or a folder's name, of which the slash is missing.

    Raises:
        OSError, ValueError: there is nothing of that name.
    """
    *parents, last = names
    wanted = [*parents, last or INDEX]
    if not all(map(_is_name, wanted)):
        return None
    root = os.path.realpath(folder)
    path = os.path.realpath(Path(root, *wanted))
    if not is_served(root, path):
        return None
    found = Path(path).stat()
    if stat.S_ISDIR(found.st_mode) and last:
        return last
    return _file(path, found)


def _is_name(name: str) -> bool:
    """Return whether a name may be that of a file here, on any system."""
    return (
        name.isprintable()
        and not name.startswith(".")
        and not any(character in name for character in "/\\:")
        and name != ""
    )


def _is_known(file: _File, etag: bytes, headers: Headers) -> bool:
    """Return whether the peer has this very file (RFC 9110, sections 13.1.2 and 13.1.3)."""
    given = dict(headers)
    if b"if-none-match" in given:
        return matches(etag, headers)
    try:
        since = parsedate_to_datetime(given[b"if-modified-since"].decode("ascii"))
        return file.modified // 10**9 <= since.timestamp()
    except (KeyError, ValueError, OverflowError):
        return False


def _redirection(method: str, path: str, target: str) -> Response:
    """Return where a folder is: relative, so that it is right behind a proxy that serves us under another path."""
    name = urllib.parse.quote(path.rpartition("/")[2], safe="")
    _, mark, query = target.partition("?")
    location = f"./{name}/{mark}{query.partition('#')[0]}".encode("latin-1", "replace")
    return complete(method, HTTPStatus.MOVED_PERMANENTLY, b"", [(b"Location", location)])
