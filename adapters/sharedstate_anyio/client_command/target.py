"""The target of a command: `URL/app/service/collection`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from sharedstate_anyio.client.net.address import parse_address
from sharedstate_core import RequestError, parse_collection_path
from sharedstate_core.paths import split_path


def _socket(segments: list[str], text: str) -> list[str]:
    """Return the segments that name the UNIX socket: one that exists, or all but the last three."""
    for end in range(len(segments), 0, -1):
        if Path("/", *segments[:end]).is_socket():
            return segments[:end]
    if len(segments) < 4:
        raise ValueError(f"{text!r}: there is no UNIX socket on this path")
    return segments[:-3]


class Target(NamedTuple):
    """A server and a path on it.

    Attributes:
        url: of the server.
        path: `/app/service/collection`, or with `partial` any path that can be requested.
    """

    url: str
    path: str


def parse_server(text: str) -> Target:
    """Return a server as a target without a path; `text` is all of its address, with the folder of a reverse proxy.

    Raises:
        ValueError: the URL is invalid; the message says why.
    """
    parse_address(text)
    return Target(text, "/")


def parse_target(text: str, *, partial: bool = False) -> Target:
    """Split a URL: its last three segments are the path, the rest is the server's URL.

    Segments are taken literally, without percent-decoding. Segments before the path are a folder of a reverse proxy.

    Args:
        text: `ws://host:9000/app/items/c`, `wss://host/prefix/app/items/c`, `host:9000/app/items/c`,
            `ws+unix:///path/of/socket/app/items/c`…
        partial: whether fewer than three segments are a path too: `/`, `/clock`, `/app/service`.

    Raises:
        ValueError: the URL is invalid; the message says why.
    """
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text)
    start = scheme.end() if scheme else 0
    place, _, rest = text[start:].partition("/")
    segments = [segment for segment in rest.split("/") if segment]
    before = segments[:-3]
    if text[:start].lower() == "ws+unix://":
        before = _socket(segments, text)
    named = segments[len(before) :]
    if len(named) != 3 and not (partial and len(named) < 3):
        raise ValueError(f"{text!r}: expected URL/app/service/collection")
    path = "/" + "/".join(named)
    url = text[:start] + "/".join([place, *before])
    if parse_address(url).socket is None and before:
        url += "/"  # a reverse proxy's folder ends with a slash
    try:
        if len(named) == 3:
            return Target(url, str(parse_collection_path(path)))
        split_path(path)
    except RequestError as error:
        raise ValueError(error.message) from None
    return Target(url, path)
