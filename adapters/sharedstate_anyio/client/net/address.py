"""Where a server is: the URL that people write, taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

import idna

DEFAULT_PORT: Final = 9000
"""For an address without a scheme: the server's own default."""

_TLS: Final = {"ws": False, "http": False, "wss": True, "https": True}
_URL: Final = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?P<place>[^/]*)(?P<target>.*)"
)
_PLACE: Final = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]+(?:%[^\]]+)?)\]|(?P<host>[^:\[\]\s]+))(?::(?P<port>\d*))?"
)


@dataclass(frozen=True, slots=True)
class Address:
    """A server's address.

    Attributes:
        host: name or address, without brackets; empty for a Unix socket.
        port: TCP port.
        tls: whether to speak TLS.
        target: path to request; a server accepts any, a reverse proxy may not.
        socket: path of a Unix socket, or None for TCP.
    """

    host: str
    port: int
    tls: bool = False
    target: str = "/"
    socket: str | None = None

    @property
    def authority(self) -> str:
        """The `Host` header."""
        if self.socket is not None:
            return "localhost"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"

    def __str__(self) -> str:
        if self.socket is not None:
            return f"ws+unix://{self.socket}"
        return f"{'wss' if self.tls else 'ws'}://{self.authority}{self.target}"


def parse_address(url: str) -> Address:
    """Parse the URL of a server.

    Args:
        url: `ws://host:port`, `wss://host`, the same with `http` and `https`, `host:port` alone (`ws`, port 9000
            if there is none), or `ws+unix:///path/of/socket`.

    Raises:
        ValueError: it is none of these; the message says why.
        TypeError: it is not a str.
    """
    if not isinstance(url, str):
        raise TypeError(f"url: expected a str, found {type(url).__name__}")
    found = _URL.fullmatch(url)
    if found is None or re.search(r"[\x00-\x20\x7f\ud800-\udfff]", url):
        raise ValueError(
            f"{url!r} is not a URL: it holds a space, a control character or half a character"
        )
    scheme, place, target = found["scheme"], found["place"], found["target"] or "/"
    if scheme is not None and scheme.lower() == "ws+unix":
        if place or target == "/":
            raise ValueError(f"{url!r}: expected ws+unix:///path/of/socket")
        return Address("", 0, socket=unquote(target))
    if scheme is not None and scheme.lower() not in _TLS:
        raise ValueError(f"{url!r}: expected ws:// or wss://, found {scheme}://")
    if "@" in place:
        raise ValueError("a URL with a password ends up in logs: pass an Authorization header")
    where = _PLACE.fullmatch(place)
    if where is None:
        raise ValueError(f"{url!r}: expected host:port, found {place!r}")
    tls = _TLS[(scheme or "ws").lower()]
    default = DEFAULT_PORT if scheme is None else 443 if tls else 80
    port = int(where["port"] or default)
    if not 0 < port <= 65535:
        raise ValueError(f"{url!r}: a port is a number from 1 to 65535")
    target = re.sub(r"[^\x00-\x7f]+", lambda text: quote(text[0]), target.partition("#")[0])
    return Address(where["v6"] or _ascii(where["host"], url), port, tls, target or "/")


def _ascii(host: str, url: str) -> str:
    """Return a host name in ASCII, as DNS has it."""
    try:
        # A name in ASCII may hold what no registered name does, such as an underscore.
        return (
            (host if host.isascii() else idna.encode(host, uts46=True).decode())
            .encode("idna")
            .decode()
        )
    except UnicodeError:
        raise ValueError(f"{url!r}: {host!r} cannot be the name of a host") from None
