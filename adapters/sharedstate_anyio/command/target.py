"""What a command is about: `URL/app/service/collection`."""

from __future__ import annotations

import re
from typing import NamedTuple

from sharedstate_anyio.client.address import parse_address
from sharedstate_core import RequestError, parse_collection_path
from sharedstate_core.paths import split_path


class Target(NamedTuple):
    """A server, and something on it.

    Attributes:
        url: of the server.
        path: `/app/service/collection`, or with `partial` anything that can be asked for.
    """

    url: str
    path: str


def parse_target(text: str, *, partial: bool = False) -> Target:
    """Take a URL apart: its last three segments are the path, what stands before them is the server's.

    Segments are taken as they are, without undoing any %.

    Args:
        text: `ws://host:9000/app/items/c`, `wss://host/prefix/app/items/c`, `host:9000/app/items/c`…
        partial: whether fewer than three segments are a path too: `/`, `/clock`, `/app/service`.

    Raises:
        ValueError: it is none; the message says why.
    """
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text)
    start = scheme.end() if scheme else 0
    place, _, rest = text[start:].partition("/")
    segments = [segment for segment in rest.split("/") if segment]
    if len(segments) < 3 and not partial:
        raise ValueError(f"{text!r}: expected URL/app/service/collection")
    before, named = segments[:-3], segments[-3:]
    path = "/" + "/".join(named)
    url = text[:start] + "/".join([place, *before])
    parse_address(url)
    try:
        if len(named) == 3:
            return Target(url, str(parse_collection_path(path)))
        split_path(path)
    except RequestError as error:
        raise ValueError(error.message) from None
    return Target(url, path)
