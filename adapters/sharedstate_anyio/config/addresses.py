"""Host names and addresses, as URLs and the `Host` of a request spell them."""

from __future__ import annotations

import ipaddress
import re
from typing import Final, TypeAlias

Address: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"

_AUTHORITY: Final = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::[0-9]*)?")


def host_of(authority: str) -> str | None:
    """Return the host of `host:port`, in lower case and without the final dot of a name; None if it is invalid."""
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        return None
    host = match[1].lower()
    return host.removesuffix(".") or host


def address_of(host: str | None) -> Address | None:
    """Return the address that a host is, IPv6 with or without brackets; None for a name."""
    try:
        return ipaddress.ip_address((host or "").strip("[]"))
    except ValueError:
        return None


def is_loopback(host: str | None) -> bool:
    """Return whether a host, in any case, is reachable only from its own machine."""
    address = address_of(host)
    if address is not None:
        return address.is_loopback
    name = (host or "").lower()
    return name == "localhost" or name.endswith(".localhost")
