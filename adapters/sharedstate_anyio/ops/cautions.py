"""Warnings about what works but should be changed, one line each, at the start and by `sharedstate-anyio check`."""

from __future__ import annotations

import ipaddress
import logging
import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from sharedstate_anyio.logs.events import about
from sharedstate_anyio.net.expiry import SOON_DAYS, days_left

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from sharedstate_anyio.config.auth import AuthConfig
    from sharedstate_anyio.net.listening import Listener
    from sharedstate_anyio.net.tls import Tls
    from sharedstate_core import Access
    from sharedstate_core.rules.rules import Rules

log = logging.getLogger("sharedstate")

ROOT: Final = (
    "the server runs as root: whoever finds a way into it has the whole machine; let it run as a "
    "user of its own"
)


def is_open(listener: Listener) -> bool:
    """Return whether anybody on another machine may connect there.

    A listener that requires client certificates (`ssl.ca`) is not open.
    """
    if isinstance(listener.address, str):
        return False
    local = ipaddress.ip_address(listener.address[0]).is_loopback
    return not local and not (listener.tls is not None and listener.tls.asks_for_certificates)


def open_to_anybody(where: Sequence[str], access: Access | None) -> str | None:
    """Return a warning about open addresses, where anyone who connects may read and write everything.

    Args:
        where: the addresses.
        access: what is demanded there, if anything is.
    """
    if not where or (access is not None and access.limits_anybody):
        return None
    return (
        f'whoever reaches {", ".join(where)} may read and change everything: say who may do what ("rules"), '
        'listen on 127.0.0.1, or let clients show a certificate ("ssl": {"ca": ...})'
    )


def incomplete_access(auth: AuthConfig | None, rules: Rules | None) -> str | None:
    """Return a warning about users without rules, or rules without users."""
    if auth is not None and rules is None:
        who = "whoever signs in" if auth.required else "everybody, signed in or not,"
        return f'"auth" without "rules": {who} may read and change everything'
    if auth is None and rules is not None and rules.look_at_users:
        return '"rules" without "auth": they look at `user`, and nobody can sign in, so that it is always null'
    return None


def unknown_services(rules: Rules | None, services: Collection[str]) -> list[str]:
    """Return a warning for each entry of the rules that is about no service that there is.

    Args:
        rules: None for none.
        services: names of all services.
    """
    return [
        f"{entry.name}.path: no service fits {entry.pattern.text}; there is {', '.join(sorted(services))}"
        for entry in (rules.entries if rules is not None else ())
        if not any(entry.pattern.segments[1].value(name) is not None for name in services)
    ]


def running_as_root() -> str | None:
    """Return a warning if this process runs as root."""
    return ROOT if os.geteuid() == 0 else None


def expiring(secured: Iterable[Tls | None]) -> list[str]:
    """Return a warning for each certificate that has expired or will expire within `SOON_DAYS`."""
    lines = []
    for tls in dict.fromkeys(secured):
        if tls is None or tls.expires is None:
            continue
        days = days_left(tls.expires, time.time())
        if days < SOON_DAYS:
            moment = datetime.fromtimestamp(tls.expires, UTC)
            when = f"expires in {days:.1f} days" if days >= 0 else "has expired"
            advice = "renew it, and send the server SIGHUP"
            lines.append(f"{tls.place}.cert: {when}, on {moment:%Y-%m-%d %H:%M} UTC; {advice}")
    return lines


def warn(event: str, *lines: str | None) -> None:
    """Log those warnings that are not None."""
    for line in filter(None, lines):
        log.warning("%s", line, extra=about(event))
