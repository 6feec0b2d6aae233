"""The configuration's `limits`: limits on what a peer may ask for, and on the number of peers."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, NamedTuple

from sharedstate_backends import ConfigurationError
from sharedstate_backends.error_collector import ErrorCollector
from sharedstate_core import Limits
from sharedstate_core.arguments import check_number

from .document import object_at, shown


@dataclass(frozen=True, slots=True)
class TransportLimits:
    """Limits of the transport; those of the core are in `sharedstate_core.Limits`.

    Attributes:
        connections: open sockets in total, whatever their protocol; one more is answered with status 503.
        connections_per_address: open sockets of one IPv4 address or one IPv6 network (/64); one more is answered with
            429. None: 1,000, but no bound for this machine itself, where a reverse proxy may run.
        head_seconds: time a peer has for its request head, and for its TLS handshake.
        head_bytes: longest request head.
        idle_seconds: time a connection without a WebSocket stays open for another request; 0: none.
        ping_seconds: interval between pings of a connection; 0: none are sent.
        pong_seconds: how long after a ping a peer may stay silent before it is dropped.
        message_seconds: time within which a message that has begun to arrive must be complete, or bring 64 KiB more.
        unfinished_bytes: bytes of incomplete messages, and of what inflates them, of all connections together; beyond
            it, the connections whose messages began first are closed. A single message may exceed it.

    Raises:
        TypeError, ValueError: a limit is not a number, or is too small.
    """

    connections: int = 20_000
    connections_per_address: int | None = None
    head_seconds: float = 10.0
    head_bytes: int = 16 * 1024
    idle_seconds: float = 75.0
    ping_seconds: float = 25.0
    pong_seconds: float = 20.0
    message_seconds: float = 30.0
    unfinished_bytes: int = 128 * 1024 * 1024

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            value, optional = getattr(self, name), name == "connections_per_address"
            if name.endswith("_seconds"):
                minimum = 0 if name in {"idle_seconds", "ping_seconds"} else 0.001
                check_number(name, value, minimum, whole=False)
            else:
                check_number(name, value, 1, optional=optional)


class _Range(NamedTuple):
    minimum: float
    maximum: float
    whole: bool = True


RANGES: Final[dict[str, _Range]] = {
    "message_bytes": _Range(1024, 1 << 30),
    "depth": _Range(4, 256),  # deeper texts approach the limits of other JSON parsers
    "items": _Range(1, 1_000_000),
    "patch_operations": _Range(1, 10_000),
    "id_bytes": _Range(8, 255),  # what an index column of every store can hold
    "subscriptions": _Range(1, 1_000_000),
    "subscription_bytes": _Range(1024 * 1024, 1 << 40),
    "unanswered": _Range(8, 100_000),
    "updates_per_second": _Range(0.001, 1_000_000, whole=False),
    "updates_burst": _Range(1, 10_000_000),
    "held_bytes": _Range(64 * 1024, 1 << 32),
    "window_bytes": _Range(1024, 1 << 32),
    "collection_items": _Range(1, 1 << 53),
    "collection_bytes": _Range(1024, 1 << 53),
    "views": _Range(1, 1_000_000),
    "scanned_views": _Range(1, 100_000),
    "last": _Range(1, 100_000),
    "tombstones": _Range(0, 10_000_000),
    "ops": _Range(1, 10_000_000),
    "ops_seconds": _Range(60, 31_536_000, whole=False),
    "part_bytes": _Range(1024, 1 << 30),
    "turn_items": _Range(10, 1_000_000),
    "drain_seconds": _Range(1, 3600, whole=False),
    "linger_seconds": _Range(0, 86_400, whole=False),
    "linger_bytes": _Range(0, 1 << 40),
    "encoded_bytes": _Range(0, 1 << 40),
    "collections": _Range(1, 1_000_000_000),
    "loads": _Range(1, 10_000),
    "names": _Range(1, 100_000),
    "owed_bytes": _Range(64 * 1024, 1 << 40),
    "pending_bytes": _Range(64 * 1024, 1 << 40),
    "connections": _Range(1, 10_000_000),
    "connections_per_address": _Range(1, 10_000_000),
    "head_seconds": _Range(0.01, 3600, whole=False),
    "head_bytes": _Range(1024, 1 << 20),
    "idle_seconds": _Range(0, 3600, whole=False),
    "ping_seconds": _Range(0, 86_400, whole=False),
    "pong_seconds": _Range(0.01, 3600, whole=False),
    "message_seconds": _Range(0.01, 3600, whole=False),
    "unfinished_bytes": _Range(64 * 1024, 1 << 40),
}
"""The range of each key; its meaning and default are in `sharedstate_core.Limits` and `TransportLimits`."""

_TRANSPORT: Final = frozenset(field.name for field in fields(TransportLimits))


def parse_limits(value: object) -> tuple[Limits, TransportLimits]:
    """Return the document's `limits`, checked; missing ones keep their defaults.

    Raises:
        ConfigurationError: a key is unknown, or a value is not a number in its range.
    """
    with ErrorCollector() as errors:
        members = object_at(value, "limits", errors, optional=tuple(RANGES))
        numbers = {key: errors.attempt(_number, key, found) for key, found in members.items()}
    core = {key: number for key, number in numbers.items() if key not in _TRANSPORT}
    transport = {key: number for key, number in numbers.items() if key in _TRANSPORT}
    return Limits(**core), TransportLimits(**transport)  # type: ignore[arg-type]


def _number(key: str, found: object) -> int | float:
    minimum, maximum, whole = RANGES[key]
    fits = isinstance(found, int) if whole else isinstance(found, int | float)
    if isinstance(found, bool) or not fits or not minimum <= found <= maximum:  # type: ignore[operator]
        what = "a whole number" if whole else "a number"
        problem = f"expected {what} from {minimum} to {maximum}, found {shown(found)}"
        raise ConfigurationError(f"limits.{key}", problem)
    return found  # type: ignore[return-value]
