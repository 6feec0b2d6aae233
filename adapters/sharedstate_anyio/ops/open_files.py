"""The limit on open files: each connection is one."""

from __future__ import annotations

import resource
from typing import Final

OTHERS: Final = 256
"""Files beside the connections: databases, listeners, refused peers, what Python itself opens."""

LEAST: Final = 64
"""What a server with a few services needs before anybody connects; with less, it fails somewhere, in other words."""

RAISE: Final = "raise the limit (LimitNOFILE= in the unit, or ulimit -n)"


def allow(connections: int) -> None:
    """Raise the soft limit towards the hard one, as far as this many connections need it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + OTHERS
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def too_few() -> str | None:
    """Return why no server can start with so few open files; None if it can."""
    limit = _limit()
    if limit is None or limit >= LEAST:
        return None
    return f"only {limit:,} files may be open at a time, and the server needs at least {LEAST}; {RAISE}"


def fewer_than(connections: int) -> str | None:
    """Return a warning if not so many connections can be open at a time."""
    limit = _limit()
    if limit is None or limit >= connections:
        return None
    return (
        f"only {limit:,} files may be open at a time, and each connection is one, but limits.connections is "
        f"{connections:,}; {RAISE}, or lower limits.connections"
    )


def _limit() -> int | None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if hard == resource.RLIM_INFINITY else hard
