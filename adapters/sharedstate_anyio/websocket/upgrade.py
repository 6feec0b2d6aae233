"""The opening handshake of WebSocket (RFC 6455, section 4.2) for a request whose head has been read.

wsproto's own would parse and write it all once more, through three h11 connections: half the cost of a new client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wsproto.handshake import server_extensions_handshake
from wsproto.utilities import generate_accept_token, split_comma_header

if TYPE_CHECKING:
    from collections.abc import Iterable

    import h11
    from wsproto.extensions import Extension

VERSION: Final = b"13"
KEY_BYTES: Final = 24
"""Length of the key, which is 16 bytes in base64."""


class UpgradeError(Exception):
    """The request is not an opening handshake.

    Attributes:
        status: of the HTTP response.
    """

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status


def asks_for_websocket(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Return whether a request is meant to be an opening handshake."""
    return any(name == b"upgrade" and b"websocket" in value.lower() for name, value in headers)


def check_request(request: h11.Request) -> None:
    """Refuse what cannot be an opening handshake, whatever its headers.

    Raises:
        UpgradeError: it is not a GET of HTTP/1.1.
    """
    if request.method != b"GET" or request.http_version < b"1.1":
        raise UpgradeError("a WebSocket handshake is a GET of HTTP/1.1")


def accept(fields: Iterable[tuple[bytes, bytes]], extensions: list[Extension]) -> bytes:
    """Return the response that opens the WebSocket.

    Args:
        fields: the headers of a GET of HTTP/1.1, names in lower case.
        extensions: those to negotiate; each gets the peer's offers.

    Raises:
        UpgradeError: the request is not a valid handshake.
    """
    headers: dict[bytes, bytes] = {}
    for name, value in fields:
        headers[name] = headers[name] + b"," + value if name in headers else value
    try:
        tokens = split_comma_header(headers.get(b"connection", b"").lower())
        offers = split_comma_header(headers.get(b"sec-websocket-extensions", b""))
    except UnicodeDecodeError:
        raise UpgradeError("not a WebSocket handshake: a header is not ASCII") from None
    if "upgrade" not in tokens:
        raise UpgradeError("not a WebSocket handshake: no 'Connection: Upgrade'")
    if headers.get(b"upgrade", b"").lower() != b"websocket":
        raise UpgradeError("not a WebSocket handshake: no 'Upgrade: websocket'")
    if (version := headers.get(b"sec-websocket-version")) != VERSION:
        status = 400 if version is None else 426
        raise UpgradeError("not a WebSocket handshake: no 'Sec-WebSocket-Version: 13'", status)
    key = headers.get(b"sec-websocket-key", b"")
    if len(key) != KEY_BYTES:
        raise UpgradeError("not a WebSocket handshake: no 'Sec-WebSocket-Key' of 16 bytes")
    agreed = server_extensions_handshake(offers, extensions)
    return (
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b\r\n"
        b"%b\r\n"
        % (
            generate_accept_token(key),
            b"Sec-WebSocket-Extensions: %b\r\n" % agreed if agreed else b"",
        )
    )
