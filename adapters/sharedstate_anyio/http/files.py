"""Files of the folders that the configuration names.

The rules:

1. Files are opened and read in a few threads: a slow disk blocks nobody else.
2. A file is served if its real path, with links resolved, is inside the real folder and no part of it there begins with
   a dot (`safe_open.py`). Names are decoded once. There are no listings: a folder stands for its `index.html`, and
   without one is not found.
3. A large file has one piece in memory at a time and is not kept open between pieces, so slow readers cost no more than
   others. A file that changes meanwhile, or cannot be read to its end, ends the connection and is logged.
4. Everything is revalidated, by its ETag or its date.
5. A file that exists but cannot be read is answered as not found, and logged; so is a folder that is gone.
6. A file is opened for every request about it: one that cannot be read is not found for HEAD or revalidation either.
"""

from __future__ import annotations

import os
import re
import urllib.parse
from contextlib import ExitStack
from email.utils import formatdate, parsedate_to_datetime
from errno import EINVAL, ELOOP, EMLINK, ENAMETOOLONG, ENXIO
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from sharedstate_anyio.config.document import join, shown
from sharedstate_anyio.config.folders import PLACE

from .file_types import type_of
from .resources import matches
from .responses import EVERYWHERE, Response, complete, error_response
from .safe_open import NoFolderError, open_file
from .site import path_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sharedstate_anyio.config.live import LiveConfig
    from sharedstate_anyio.logs.repeated_errors import RepeatedErrors

    from .resources import Headers
    from .safe_open import File, OpenFile

THREADS: Final = 4
"""Maximum number of files opened or read at a time."""

INDEX: Final = "index.html"

_POLICY: Final = (
    b"Content-Security-Policy",
    b"object-src 'none'; base-uri 'self'; frame-ancestors 'self'",
)
"""Forbids what no ordinary page needs: plugins, another base, a foreign frame around it."""
_NO_NAME: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f/\\:]" if os.name == "nt" else r"[\x00-\x1f\x7f-\x9f/]"
)
"""What no name contains: control characters, separators, and drives."""

_ABSENT: Final = (FileNotFoundError, NotADirectoryError, IsADirectoryError, ValueError)
_NOT_THERE: Final = {EINVAL, ELOOP, EMLINK, ENAMETOOLONG, ENXIO}
"""Errors for names that do not exist, for links that are broken or were put there meanwhile, and for sockets."""


class _Pieces:
    """A large file.

    Args:
        file: the whole file.
        first: its first piece.
        threads: limits the threads that read it.
        failed: called with the reason if it cannot be read.
    """

    def __init__(
        self,
        file: File,
        first: bytes,
        threads: anyio.CapacityLimiter,
        failed: Callable[[OSError], None],
    ) -> None:
        self._file = file
        self._first = first
        self._at = 0
        self._threads = threads
        self._failed = failed

    async def read(self) -> bytes:
        """See `Pieces`."""
        if self._at == self._file.size:
            return b""
        data, self._first = self._first, b""
        if not data:
            data = await self._read()
        self._at += len(data)
        return data

    async def _read(self) -> bytes:
        try:
            return await anyio.to_thread.run_sync(
                self._file.read, self._at, abandon_on_cancel=True, limiter=self._threads
            )
        except OSError as error:
            self._failed(error)
            raise


class Files:
    """Serves the folders of the configuration.

    Args:
        live: holds the folders, by URL path.
        errors: logs what cannot be read.
    """

    def __init__(self, live: LiveConfig, errors: RepeatedErrors) -> None:
        self._live = live
        self._errors = errors
        self._threads = anyio.CapacityLimiter(THREADS)

    async def respond(self, method: str, target: str, headers: Headers) -> Response | None:
        """Answer a request for a file; None if there is none.

        Args:
            method: as received.
            target: as received; see `Site.respond`.
            headers: request headers, names in lower case.
        """
        path = path_of(target)
        if path is None:
            return None
        for prefix, folder in self._folders():
            if f"{path}/".startswith(prefix):
                names = path.split("/")[prefix.count("/") :]
                try:
                    return await anyio.to_thread.run_sync(
                        self._respond,
                        folder,
                        names,
                        (method, target, headers),
                        partial(self._cut, prefix, path),
                        abandon_on_cancel=True,
                        limiter=self._threads,
                    )
                except (OSError, ValueError) as error:
                    # A frame of anyio in the traceback refers to the error: both would wait for the garbage collector.
                    error.__traceback__ = None
                    return self._failed(error, prefix, path, (method, headers))
        return None

    def _folders(self) -> list[tuple[str, str]]:
        """Return the folders by URL path, longest path first."""
        found = sorted(self._live.now.files.items(), key=lambda item: -len(item[0]))
        return [(path, os.fspath(folder)) for path, folder in found]

    def _failed(
        self, error: OSError | ValueError, prefix: str, path: str, request: tuple[str, Headers]
    ) -> Response | None:
        if isinstance(error, NoFolderError):
            problem = str(error)
        elif isinstance(error, _ABSENT) or getattr(error, "errno", None) in _NOT_THERE:
            return None
        else:
            problem = f"{shown(path)} cannot be read: {error.strerror or error}"
        self._report(prefix, problem, error)
        if isinstance(error, NoFolderError | PermissionError):
            return None
        method, headers = request
        problem = "The file cannot be read now."
        return error_response(method, HTTPStatus.SERVICE_UNAVAILABLE, problem, headers)

    def _cut(self, prefix: str, path: str, error: OSError) -> None:
        """Log an answer that was begun but cannot be completed."""
        problem = f"{shown(path)} cannot be read to its end: {error.strerror or error}"
        self._report(prefix, problem, error)

    def _report(self, prefix: str, problem: str, error: OSError) -> None:
        kind = ("files", prefix, error.errno)
        event = {"event": "file_failed"}
        self._errors.report(kind, f"{join(PLACE, prefix)}: {problem}", None, event)

    def _respond(
        self,
        folder: str,
        names: list[str],
        request: tuple[str, str, Headers],
        cut: Callable[[OSError], None],
    ) -> Response | None:
        method, target, headers = request
        has_slash = names[-1:] == [""]
        wanted = [*names[:-1], INDEX] if has_slash else names
        if not all(map(_is_name, wanted)):
            return None
        with ExitStack() as stack:
            try:
                opened: OpenFile | None = stack.enter_context(open_file(folder, wanted))
            except IsADirectoryError:
                if has_slash:
                    raise
                stack.enter_context(open_file(folder, [*wanted, INDEX]))
                opened = None
            if method not in {"GET", "HEAD"}:
                problem = "Only GET and HEAD are supported here."
                allow = (b"Allow", b"GET, HEAD")
                return error_response(method, 405, problem, headers, [allow])
            if opened is None:
                return _redirection(method, target)
            return self._answer(method, opened, headers, cut)

    def _answer(
        self, method: str, opened: OpenFile, headers: Headers, cut: Callable[[OSError], None]
    ) -> Response:
        file = opened.file
        date = formatdate(file.modified // 10**9, usegmt=True).encode()
        dated = [(b"ETag", file.etag), (b"Last-Modified", date)]
        if _is_known(file, headers):
            return Response(HTTPStatus.NOT_MODIFIED, [*dated, *EVERYWHERE])
        kind = type_of(file.parts[-1])
        length = (b"Content-Length", b"%d" % file.size)
        described = [(b"Content-Type", kind), *dated, _POLICY, *EVERYWHERE, length]
        if method == "HEAD":
            return Response(HTTPStatus.OK, described)
        first = opened.read(0)
        if len(first) == file.size:
            return Response(HTTPStatus.OK, described, first)
        pieces = _Pieces(file, first, self._threads, cut)
        return Response(HTTPStatus.OK, described, rest=pieces)


def _is_name(name: str) -> bool:
    """Return whether a name can be that of a file."""
    return name != "" and not name.startswith(".") and not _NO_NAME.search(name)


def _is_known(file: File, headers: Headers) -> bool:
    """Return whether the peer already has this file (RFC 9110, sections 13.1.2 and 13.1.3)."""
    given = dict(headers)
    if b"if-none-match" in given:
        return matches(file.etag, headers)
    try:
        since = parsedate_to_datetime(given[b"if-modified-since"].decode("ascii"))
        return file.modified // 10**9 <= since.timestamp()
    except (KeyError, ValueError, OverflowError):
        return False


def _redirection(method: str, target: str) -> Response:
    """Return the location of a folder, relative, so that it is right behind a proxy that serves us under another path.

    It is relative to the last slash sent as such: encoded ones may follow it.
    """
    sent = re.split(r"[?#]", target, maxsplit=1)[0].rpartition("/")[2]
    name = urllib.parse.quote(urllib.parse.unquote(sent))
    _, mark, query = target.partition("?")
    location = f"./{name}/{mark}{query.partition('#')[0]}".encode("latin-1", "replace")
    return complete(method, HTTPStatus.MOVED_PERMANENTLY, b"", [(b"Location", location)])
