"""Which pages may open a WebSocket: the `Origin` that a browser sends with the handshake (RFC 6454).

A browser lets any page open a WebSocket to any server, so the server has to decide whose pages it serves. Other
programs send no Origin, or any they like: this protects people who browse, but authenticates nobody.
"""

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from sharedstate_anyio.logs.events import about
from sharedstate_anyio.logs.once import Once
from sharedstate_backends import ConfigurationError

from .addresses import is_loopback
from .document import ANY, any_or_some, shown

log = logging.getLogger("sharedstate")

NULL: Final = "null"
SAME_HOST: Final = "same-host"
LOCALHOST: Final = "localhost"
DEFAULT: Final = (SAME_HOST, LOCALHOST)

_ORIGIN: Final = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._~%-]+)(?::(?P<port>\d{1,5}))?"
)
_PORTS: Final = {"http": "80", "https": "443"}


@dataclass(frozen=True, slots=True)
class Origins:
    """The origins that may connect; clients that send no Origin always may.

    Attributes:
        allowed: origins such as `https://app.example.org`, and the words `*` (every page), `null`
            (files, and frames without an origin), `same-host` (pages from the host that the request names, which has
            to be one of the server's `Hosts`, whatever their port), `localhost` (pages from this machine, whatever
            their port).
    """

    allowed: frozenset[str] = frozenset(DEFAULT)
    _told: Once = field(default_factory=Once, compare=False, repr=False)

    @property
    def hosts(self) -> set[str]:
        """The hosts of all origins in the list; `*` for every one."""
        found = {_host(origin) for origin in self.allowed} | (self.allowed & {ANY})
        return {host for host in found if host is not None}

    def refusal(self, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        """Return the reason to refuse this handshake; None if it is allowed.

        Args:
            headers: request headers, names in lower case.
        """
        fields = list(headers)
        sent = [value for name, value in fields if name == b"origin"]
        if not sent or ANY in self.allowed:
            return None
        hosts = [value for name, value in fields if name == b"host"]
        if len(sent) == 1 and self._allows(
            sent[0].decode("latin-1"), hosts[0].decode("latin-1") if hosts else ""
        ):
            return None
        reason = (
            f"pages of the origin {shown(b', '.join(sent).decode('latin-1'))} are not served here; "
            'the key "origins" of the configuration lists those that are'
        )
        if self._told.is_new(reason):
            log.info("refused: %s", reason, extra=about("origin_refused"))
        return reason

    def _allows(self, sent: str, host: str) -> bool:
        if sent == NULL:
            return NULL in self.allowed
        origin = _normal(sent)
        if origin is None:
            return False
        name = _host(origin)
        return (
            origin in self.allowed
            or (SAME_HOST in self.allowed and name == _host(f"http://{host.lower()}"))
            or (LOCALHOST in self.allowed and is_loopback(name))
        )


def parse_origins(value: object) -> Origins:
    """Return the document's `origins`, checked: `"*"`, or a list of origins and words.

    Raises:
        ConfigurationError: an entry is invalid; `key` is its place.
    """
    return Origins(any_or_some(value, "origins", "origins", _entry))


def _entry(entry: object, place: str) -> str:
    if isinstance(entry, str):
        if entry in {ANY, NULL, SAME_HOST, LOCALHOST}:
            return entry
        origin = _normal(entry)
        if origin is not None:
            return origin
    problem = (
        'expected an origin such as "https://app.example.org" (no path), '
        f'or one of "*", "null", "same-host", "localhost", found {shown(entry)}'
    )
    raise ConfigurationError(place, problem)


def _normal(origin: str) -> str | None:
    """Return an origin as browsers spell it (lower case, no default port); None if it is invalid."""
    match = _ORIGIN.fullmatch(origin.lower())
    if match is None:
        return None
    scheme, host, port = match["scheme"], match["host"], match["port"]
    bare = port is None or port == _PORTS.get(scheme)
    return f"{scheme}://{host}" if bare else f"{scheme}://{host}:{port}"


def _host(origin: str) -> str | None:
    match = _ORIGIN.fullmatch(origin)
    return match["host"] if match else None
