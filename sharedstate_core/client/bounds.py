"""What a server takes from one client, as it has said: what exceeds that waits, or is refused before it is sent.

What is not here costs no more than a refusal: there the server decides.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from sharedstate_core.errors import RequestError


class Bounds(NamedTuple):
    """Some of the `limits` of a server; None for one that is not known.

    Attributes:
        message_bytes: of a message: a longer one would cost the connection.
        subscriptions: of a connection.
        unanswered: requests of a connection.
    """

    message_bytes: int | None = None
    subscriptions: int | None = None
    unanswered: int | None = None


UNKNOWN: Final = Bounds()


def bounds_of(limits: Any) -> Bounds:
    """Return what a server has said; what is not a whole number from 1 is as if it were absent."""
    if not isinstance(limits, dict):
        return UNKNOWN
    known = {name: limits.get(name) for name in Bounds._fields}
    return Bounds(
        **{name: at if type(at) is int and at > 0 else None for name, at in known.items()}
    )


def message_fault(size: int, bounds: Bounds) -> RequestError | None:
    """Return why a server would close the connection over a message of this many bytes, or None."""
    most = bounds.message_bytes
    if most is None or size <= most:
        return None
    return RequestError("too_large", f"the message has {size} bytes; this server takes {most}")
