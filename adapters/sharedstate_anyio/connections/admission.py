"""Limits on the number of connections, in total and per address."""

from __future__ import annotations

import ipaddress
from collections import Counter
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from sharedstate_anyio.config.live import LiveConfig

PER_ADDRESS: Final = 1000
"""Default limit per address: enough for an office behind one address, but a fraction of all connections."""

POLITE_REFUSALS: Final = 64
"""Maximum number of refused peers answered at a time; further ones are cut off, so that refusing stays cheap."""

FULL_SECONDS: Final = 60.0
"""A full server is logged once per this interval."""

ADDRESS_SECONDS: Final = 10.0
"""An address with too many connections is logged once per this interval."""

REMEMBERED: Final = 1024
"""Maximum number of addresses whose parsed form is cached."""


class Refusal(NamedTuple):
    """Why a connection is not admitted: an HTTP status and a reason."""

    status: int
    reason: str


class Admission:
    """Counts connections by the address they come from.

    Args:
        live: holds the limits.
    """

    def __init__(self, live: LiveConfig) -> None:
        self._live = live
        self._count = 0
        self._by_address: Counter[str] = Counter()

    def enter(self, address: str) -> Refusal | None:
        """Count a connection, or return why it is refused, without counting it.

        Args:
            address: as returned by `group`.
        """
        total = self._live.now.transport.connections
        if self._count >= total:
            return Refusal(
                503, f"the server has reached its limit of {total} connections; try again later"
            )
        limit = self._limit_of(address)
        if limit is not None and self._by_address[address] >= limit:
            return Refusal(
                429, f"there are {limit} connections from your address, the most allowed"
            )
        self._count += 1
        self._by_address[address] += 1
        return None

    def leave(self, address: str) -> None:
        """Count a connection as closed."""
        self._count -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]

    def has_room(self, address: str) -> bool:
        """Return whether idle connections may stay: they may while at least half of all are free."""
        limit = self._limit_of(address)
        crowded = limit is not None and 2 * self._by_address[address] > limit
        return 2 * self._count <= self._live.now.transport.connections and not crowded

    def _limit_of(self, address: str) -> int | None:
        if not address:
            return None  # a UNIX socket: the peer has no address
        per_address = self._live.now.transport.connections_per_address
        if per_address is not None:
            return per_address
        return None if _is_loopback(address) else PER_ADDRESS


class RefusalLines:
    """Decides which refusals are logged: one per interval, for each address at its own limit.

    Programs ban addresses on the basis of such lines. No more addresses can be at their limit than are connected, and
    at most `REMEMBERED` are logged at a time.
    """

    def __init__(self) -> None:
        self._quiet: dict[
            str, float
        ] = {}  # end of the quiet time, by address; "": for a full server

    def is_due(self, refusal: Refusal, address: str, now: float) -> bool:
        """Return whether to log a refusal, and note it as logged.

        Args:
            refusal: as `Admission.enter` returned it.
            address: as returned by `group`.
            now: seconds of any clock that never goes backwards.
        """
        whose, pause = "", FULL_SECONDS
        if refusal.status == HTTPStatus.TOO_MANY_REQUESTS:
            whose, pause = address, ADDRESS_SECONDS
        if now < self._quiet.get(whose, now):
            return False
        if len(self._quiet) >= REMEMBERED:
            self._quiet = {each: until for each, until in self._quiet.items() if until > now}
        if len(self._quiet) >= REMEMBERED:
            return False
        self._quiet[whose] = now + pause
        return True


@lru_cache(maxsize=REMEMBERED)
def _is_loopback(address: str) -> bool:
    return ipaddress.ip_network(address).is_loopback


@lru_cache(maxsize=REMEMBERED)
def group(host: str) -> str:
    """Return the unit that is counted: an IPv4 address, or the /64 of an IPv6 address; empty for no address."""
    if not host:
        return ""
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        if address.is_loopback:
            return str(address)
        return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))
    return str(address)
