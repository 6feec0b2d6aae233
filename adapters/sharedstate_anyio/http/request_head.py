"""Parsing the head of the request that opens a WebSocket, in one pass, as clients nearly always send it.

h11's verdict is what counts. `read_head` decides only where h11 would give the same result (tested with hypothesis);
whatever is unusual, invalid or incomplete is left to h11.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_HEAD: Final = re.compile(
    rb"GET [!-~]+ HTTP/1\.1\r\n"
    rb"(?:[-!#$%&'*+.^_`|~0-9a-zA-Z]+:[\t -~]*\r\n)+"  # a token, then what is printable
    rb"\r\n"
)
_BODY: Final = {b"content-length", b"transfer-encoding"}


class Head(NamedTuple):
    """A GET of HTTP/1.1 without a body.

    Attributes:
        headers: names in lower case.
        rest: what followed it.
        target: what was asked for.
    """

    headers: list[tuple[bytes, bytes]]
    rest: bytes
    target: str


def read_head(data: bytes, max_bytes: int) -> Head | None:
    """Return the head at the beginning of `data`, of at most `max_bytes`; None: leave it to h11."""
    match = _HEAD.match(data)
    if match is None or match.end() > max_bytes:
        return None
    headers = []
    hosts = 0
    for line in data[: match.end() - 4].split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        name = name.lower()
        if name in _BODY:
            return None
        hosts += name == b"host"
        headers.append((name, value.strip(b" \t")))
    target = data[4 : data.index(b" ", 4)].decode("ascii")
    return Head(headers, data[match.end() :], target) if hosts == 1 else None
