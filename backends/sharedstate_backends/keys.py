"""Values of a service's configuration that more than one database asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .room import MAX_COLLECTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .complaints import Complaints

MAX_TIMEOUT: Final = 3600.0
"""The longest `db_timeout`, in seconds."""


MOST_COLLECTIONS: Final = 1_000_000_000
"""The largest `db_collections`."""


def most_collections(config: Mapping[str, object], complaints: Complaints) -> int:
    """Return `db_collections`."""
    return int(number(config, "db_collections", MAX_COLLECTIONS, 1, MOST_COLLECTIONS, complaints))


def number(
    config: Mapping[str, object],
    key: str,
    default: float,
    least: float,
    most: float,
    complaints: Complaints,
) -> float:
    """Return a number of the configuration; the default if it is not from `least` to `most`, which is complained of."""
    value = config.get(key, default)
    if not isinstance(value, (int, float)) or not least <= value <= most:
        problem = f"expected a number from {least:g} to {most:.10g}, not {str(value)[:40]}"
        complaints.add(key, problem)
        return default
    return value
