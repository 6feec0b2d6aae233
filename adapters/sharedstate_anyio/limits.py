"""The configuration's `limits`: bounds on what one peer may ask for."""

from __future__ import annotations

from typing import Final, NamedTuple

from sharedstate_backends import ConfigurationError
from sharedstate_core import Limits

from .document import object_at, shown


class _Range(NamedTuple):
    least: int
    most: int
    whole: bool = True


RANGES: Final[dict[str, _Range]] = {
    "message_bytes": _Range(1024, 1 << 30),
    "depth": _Range(4, 256),  # deeper texts come near what other JSON readers can take
    "items": _Range(1, 1_000_000),
    "id_bytes": _Range(8, 255),  # what an index column of every store holds
    "subscriptions": _Range(1, 1_000_000),
    "unanswered": _Range(8, 100_000),
    "held_bytes": _Range(64 * 1024, 1 << 32),
    "window_bytes": _Range(1024, 1 << 32),
    "collection_items": _Range(1, 1 << 53),
    "collection_bytes": _Range(1024, 1 << 53),
    "tombstones": _Range(0, 10_000_000),
    "part_bytes": _Range(1024, 1 << 30),
    "drain_seconds": _Range(1, 3600, whole=False),
    "linger_seconds": _Range(0, 86_400, whole=False),
}
"""What each key may be; `sharedstate_core.Limits` tells what it means, and its default."""


def parse_limits(value: object) -> Limits:
    """Give the document's `limits` its type; what it leaves out keeps its default.

    Raises:
        ConfigurationError: a key is unknown, or a value is not a number in its range.
    """
    members = object_at(value, "limits", optional=tuple(RANGES))
    return Limits(**{key: _number(key, found) for key, found in members.items()})  # type: ignore[arg-type]


def _number(key: str, found: object) -> int | float:
    least, most, whole = RANGES[key]
    fits = isinstance(found, int) if whole else isinstance(found, int | float)
    if isinstance(found, bool) or not fits or not least <= found <= most:  # type: ignore[operator]
        what = "a whole number" if whole else "a number"
        problem = f"expected {what} from {least} to {most}, found {shown(found)}"
        raise ConfigurationError(f"limits.{key}", problem)
    return found  # type: ignore[return-value]
