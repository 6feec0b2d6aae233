"""How many connections there may be, in all and from one address."""

from __future__ import annotations

import ipaddress
from collections import Counter
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from sharedstate_anyio.config.live import LiveConfig

PER_ADDRESS: Final = 1000
"""Without a configured number: enough for an office behind one address, far from all there are."""

POLITE_REFUSALS: Final = 64
"""Refused peers that are told why at any time; beyond, they are cut off, so that refusing stays cheap."""

FULL_SECONDS: Final = 60.0
"""That the server is full is logged once in this time."""

ADDRESS_SECONDS: Final = 10.0
"""That one address has too many connections is logged once in this time."""

REMEMBERED: Final = 1024
"""Addresses whose text need not be read again when they connect once more."""


class Refusal(NamedTuple):
    """Why a connection is not admitted: an HTTP status and a reason."""

    status: int
    reason: str


class Admission:
    """Counts connections, by the address they come from.

    Args:
        live: says how many there may be.
    """

    def __init__(self, live: LiveConfig) -> None:
        self._live = live
        self._count = 0
        self._by_address: Counter[str] = Counter()

    def enter(self, address: str) -> Refusal | None:
        """Count one connection more; or return why it may not be, and count nothing.

        Args:
            address: as `group` returns it.
        """
        total = self._live.now.transport.connections
        if self._count >= total:
            return Refusal(503, f"the server has its {total} connections; come back later")
        limit = self._limit_of(address)
        if limit is not None and self._by_address[address] >= limit:
            return Refusal(
                429, f"there are {limit} connections from your address, the most allowed"
            )
        self._count += 1
        self._by_address[address] += 1
        return None

    def leave(self, address: str) -> None:
        """Count one connection less."""
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
            return None  # a UNIX socket: whoever is behind it has no address
        per_address = self._live.now.transport.connections_per_address
        if per_address is not None:
            return per_address
        return None if _is_loopback(address) else PER_ADDRESS


class RefusalLines:
    """Tells which refusals are worth a line of the log: one now and then, for each address that is at its own bound.

    Such lines are what programs ban addresses by. There can be no more of these addresses than have connections, and no
    more than `REMEMBERED` are told of at a time.
    """

    def __init__(self) -> None:
        self._quiet: dict[
            str, float
        ] = {}  # until when, by address; "": for all, when the server is full

    def is_due(self, refusal: Refusal, address: str, now: float) -> bool:
        """Return whether a refusal is to be told, and take it for told.

        Args:
            refusal: as `Admission.enter` returned it.
            address: as `group` returns it.
            now: seconds of any clock that does not go back.
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
    """Return what is counted together: an IPv4 address, or the /64 of an IPv6 address; nothing for no address."""
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
