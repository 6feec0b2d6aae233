"""Under which names the server answers: the `Host` that a browser sends with each request (RFC 9110, section 7.2).

Whoever owns a name can point it at any server, also at one that only the browser can reach (DNS rebinding): to the
browser, their page is then a page of that server, and may read it. So a server has to know its names.

1. An address is not a name: no browser looks it up. Loopback names lead nowhere else.
2. Over TLS the browser has held the name against the certificate, so any name will do.
3. A request without a `Host` does not come from a browser.
"""

import logging
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final, Self

from sharedstate_anyio.logs.events import about
from sharedstate_anyio.logs.once import Once
from sharedstate_backends import ConfigurationError

from .addresses import address_of, host_of, is_loopback
from .document import ANY, any_or_some, shown
from .origins import Origins

log = logging.getLogger("sharedstate")

LONGEST: Final = 255
"""Longest name, in characters (RFC 1035)."""

REMEMBERED: Final = 256
"""Maximum number of hosts whose kind is cached: it takes longer to find out than all else."""

_NAME: Final = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Hosts:
    """The names under which the server answers, besides addresses and loopback names.

    Attributes:
        names: in lower case, such as `state.example.org`, without port; `*` stands for every name.
    """

    names: frozenset[str] = frozenset()
    _told: Once = field(default_factory=Once, compare=False, repr=False)

    def with_own(self, origins: Origins, listening: Iterable[str], *, local: bool) -> Self:
        """Return these names and those that the server has anyway.

        Args:
            origins: the pages that may connect; their hosts are names of the server, too.
            listening: the hosts on which it listens.
            local: whether it listens only on this machine. If not, the machine's name is one of its names.
        """
        own = {*origins.hosts, *(host.lower() for host in listening)}
        if not local:
            machine = socket.gethostname().lower()
            first = machine.partition(".")[0]
            own |= {machine, first, f"{first}.local"}
        return replace(self, names=self.names | own)

    def refusal(self, headers: Iterable[tuple[bytes, bytes]], *, secure: bool) -> str | None:
        """Return the reason to refuse a request; None if it is allowed.

        Args:
            headers: request headers, names in lower case.
            secure: whether it came over TLS, to this server itself.
        """
        if secure or ANY in self.names:
            return None
        for name, value in headers:
            if name == b"host" and not self._answers_to(host_of(value.decode("latin-1"))):
                return self._refuse(value.decode("latin-1"))
        return None

    def _answers_to(self, host: str | None) -> bool:
        if host is None or len(host) > LONGEST:
            return False
        return not host or host in self.names or _is_fixed(host)

    def _refuse(self, authority: str) -> str:
        reason = (
            f"this server does not answer to the name {shown(host_of(authority) or authority)}; if it is a "
            'name of it, add it to the key "hosts" of the configuration'
        )
        if self._told.is_new(reason):
            log.warning("refused: %s", reason, extra=about("host_refused"))
        return reason


@lru_cache(maxsize=REMEMBERED)
def _is_fixed(host: str) -> bool:
    """Return whether nobody can point a host elsewhere: it is an address, or a loopback name."""
    return address_of(host) is not None or is_loopback(host)


def parse_hosts(value: object) -> Hosts:
    """Return the document's `hosts`, checked: `"*"`, or a list of names.

    Raises:
        ConfigurationError: an entry is invalid; `key` is its place.
    """
    return Hosts(any_or_some(value, "hosts", "names", _entry))


def _entry(entry: object, place: str) -> str:
    if isinstance(entry, str):
        if entry == ANY:
            return entry
        name = entry.lower().removesuffix(".")
        if _NAME.fullmatch(name):
            return name
    problem = 'expected a name such as "state.example.org" (no scheme, no port), or "*"'
    raise ConfigurationError(place, f"{problem}, found {shown(entry)}")
