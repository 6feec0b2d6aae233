"""Configuration keys that several databases share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .collection_limit import MAX_COLLECTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .error_collector import ErrorCollector

MAX_TIMEOUT: Final = 3600.0
"""Maximum of `db_timeout`, in seconds."""

COLLECTIONS_LIMIT: Final = 1_000_000_000
"""Maximum of `db_collections`."""


def max_collections(config: Mapping[str, object], errors: ErrorCollector) -> int:
    """Return `db_collections`."""
    return int(number(config, "db_collections", MAX_COLLECTIONS, 1, COLLECTIONS_LIMIT, errors))


def number(
    config: Mapping[str, object],
    key: str,
    default: float,
    minimum: float,
    maximum: float,
    errors: ErrorCollector,
) -> float:
    """Return a number; collect an error and return the default if it is not from `minimum` to `maximum`."""
    value = config.get(key, default)
    if not isinstance(value, (int, float)) or not minimum <= value <= maximum:
        problem = f"expected a number from {minimum:g} to {maximum:.10g}, not {str(value)[:40]}"
        errors.add(key, problem)
        return default
    return value
