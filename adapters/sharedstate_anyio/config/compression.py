"""The configuration's `compression`: the size from which messages are compressed."""

from __future__ import annotations

from typing import Final

from sharedstate_backends import ConfigurationError

from .document import shown

DEFAULT_THRESHOLD: Final = 1024
"""Default threshold in bytes: shorter messages fit in one packet anyway."""

LONGEST_BYTES: Final = 1024 * 1024
"""Longer messages are not compressed: that takes some 5 ms for each of these."""


def parse_compression(value: object) -> int | None:
    """Return the document's `compression`, checked: the threshold in bytes, None for no compression.

    Raises:
        ConfigurationError: it is neither a boolean nor a whole number.
    """
    if isinstance(value, bool):
        return DEFAULT_THRESHOLD if value else None
    if isinstance(value, int) and 0 <= value <= LONGEST_BYTES:
        return value
    problem = f"expected true, false, or a threshold in bytes (0 to {LONGEST_BYTES}), found {shown(value)}"
    raise ConfigurationError("compression", problem)
