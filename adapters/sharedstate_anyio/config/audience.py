"""The configuration's `metrics`: who may read the server's metrics."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from sharedstate_backends.contract import ConfigurationError

from .document import shown

Audience: TypeAlias = Literal["local", "anyone", "off"]
AUDIENCES: Final[tuple[Audience, ...]] = ("local", "anyone", "off")


def parse_audience(value: object) -> Audience:
    """Return the document's `metrics`, checked.

    Raises:
        ConfigurationError: it is none of the allowed words.
    """
    for word in AUDIENCES:
        if value == word:
            return word
    words = ", ".join(f'"{word}"' for word in AUDIENCES)
    raise ConfigurationError("metrics", f"expected one of {words}, found {shown(value)}")
