"""Answers over HTTP: complete ones, those that go out piece by piece, and errors.

What went wrong is told to browsers as a page, to everybody else as JSON, `{"error": {"status": …, "message": …}}`.
"""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Protocol

from .rendering import ERROR, template
from .resources import choices

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .resources import Headers

EVERYWHERE: Final[Headers] = [
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Cache-Control", b"no-cache"),
]
"""What every answer says: it is what it says it is, and is revalidated by its ETag, if it has one."""

OWN_PAGE: Final[Headers] = [
    (
        b"Content-Security-Policy",
        b"; ".join(
            [
                b"default-src 'self'",
                b"connect-src 'self' ws: wss:",
                b"object-src 'none'",
                b"base-uri 'none'",
                b"form-action 'none'",
                b"frame-ancestors 'none'",
            ]
        ),
    ),
    (b"Referrer-Policy", b"no-referrer"),
]
"""What the server's own pages say beside."""

_TEXT: Final = b"text/plain; charset=utf-8"
_PAGE: Final = b"text/html; charset=utf-8"
_JSON: Final = b"application/json"
_BY_ACCEPT: Final = (b"Vary", b"Accept")


class Pieces(Protocol):
    """What is too large to be in memory at once."""

    async def read(self) -> bytes:
        """Return what comes next; nothing at the end.

        Raises:
            OSError: the rest cannot be had.
        """


@dataclass(frozen=True, slots=True)
class Response:
    """One answer.

    Attributes:
        status: such as 200, 204, 304, 400, 404 or 405.
        headers: with an exact `Content-Length`, except where a 204 or 304 has none.
        body: empty for HEAD, 204 and 304.
        rest: what comes behind it, as many bytes as the length still asks for.
    """

    status: int
    headers: Headers
    body: bytes = b""
    rest: Pieces | None = None


def complete(method: str, status: int, content: bytes, headers: Headers) -> Response:
    """Return an answer with the headers that all have; without its body for HEAD."""
    length = (b"Content-Length", b"%d" % len(content))
    body = b"" if method == "HEAD" else content
    return Response(status, [*headers, *EVERYWHERE, length], body)


def text_response(method: str, status: int, text: str) -> Response:
    """Return a line of text as an answer."""
    return complete(method, status, f"{text}\n".encode(), [(b"Content-Type", _TEXT)])


def error_response(
    method: str,
    status: int,
    text: str,
    headers: Iterable[tuple[bytes, bytes]],
    extra: Sequence[tuple[bytes, bytes]] = (),
) -> Response:
    """Return what went wrong, in a form that whoever asked can read.

    Args:
        method: of the request.
        status: of the answer.
        text: a sentence or two.
        headers: of the request, names in any case; only `Accept` counts.
        extra: headers of the answer.
    """
    if not _takes_pages(headers):
        body = json.dumps({"error": {"status": status, "message": text}}, ensure_ascii=False)
        kind = [(b"Content-Type", _JSON)]
    else:
        body = _page(status, text)
        kind = [(b"Content-Type", _PAGE), *OWN_PAGE]
    return complete(method, status, f"{body}\n".encode(), [*kind, _BY_ACCEPT, *extra])


def _takes_pages(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Return whether `Accept` names HTML, as that of every browser does for what it shows."""
    return choices(b"accept", headers).get(b"text/html", False)


def _page(status: int, text: str) -> str:
    values = {"title": f"{status} {HTTPStatus(status).phrase}", "text": text}
    return re.sub(r"\{\{(\w+)\}\}", lambda match: html.escape(values[match[1]]), _ERROR)


_ERROR: Final = template(ERROR)
