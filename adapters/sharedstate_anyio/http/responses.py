"""HTTP responses: complete ones, streamed ones, and errors.

Browsers get errors as a page, other clients as JSON, `{"error": {"status": …, "message": …}}`.
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
"""Headers of every response: no sniffing, and revalidation by the ETag, if any."""

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
"""Additional headers of the server's own pages."""

_TEXT: Final = b"text/plain; charset=utf-8"
_PAGE: Final = b"text/html; charset=utf-8"
_JSON: Final = b"application/json"
_BY_ACCEPT: Final = (b"Vary", b"Accept")


class Pieces(Protocol):
    """Content too large to be in memory at once."""

    async def read(self) -> bytes:
        """Return the next piece; empty at the end.

        Raises:
            OSError: the rest cannot be read.
        """


@dataclass(frozen=True, slots=True)
class Response:
    """One response.

    Attributes:
        status: such as 200, 204, 304, 400, 404 or 405.
        headers: with an exact `Content-Length`, except for a 204 or 304.
        body: empty for HEAD, 204 and 304.
        rest: further pieces after `body`, up to the `Content-Length`.
    """

    status: int
    headers: Headers
    body: bytes = b""
    rest: Pieces | None = None


def complete(method: str, status: int, content: bytes, headers: Headers) -> Response:
    """Return a response with the common headers; without its body for HEAD."""
    length = (b"Content-Length", b"%d" % len(content))
    body = b"" if method == "HEAD" else content
    return Response(status, [*headers, *EVERYWHERE, length], body)


def text_response(method: str, status: int, text: str) -> Response:
    """Return a response with a line of text."""
    return complete(method, status, f"{text}\n".encode(), [(b"Content-Type", _TEXT)])


def error_response(
    method: str,
    status: int,
    text: str,
    headers: Iterable[tuple[bytes, bytes]],
    extra: Sequence[tuple[bytes, bytes]] = (),
) -> Response:
    """Return an error response, as a page or JSON depending on `Accept`.

    Args:
        method: of the request.
        status: of the response.
        text: a sentence or two.
        headers: request headers, names in any case; only `Accept` counts.
        extra: additional headers of the response.
    """
    if not _takes_pages(headers):
        body = json.dumps({"error": {"status": status, "message": text}}, ensure_ascii=False)
        kind = [(b"Content-Type", _JSON)]
    else:
        body = _page(status, text)
        kind = [(b"Content-Type", _PAGE), *OWN_PAGE]
    return complete(method, status, f"{body}\n".encode(), [*kind, _BY_ACCEPT, *extra])


def _takes_pages(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Return whether `Accept` names HTML, as browsers do for pages."""
    return choices(b"accept", headers).get(b"text/html", False)


def _page(status: int, text: str) -> str:
    values = {"title": f"{status} {HTTPStatus(status).phrase}", "text": text}
    return re.sub(r"\{\{(\w+)\}\}", lambda match: html.escape(values[match[1]]), _ERROR)


_ERROR: Final = template(ERROR)
