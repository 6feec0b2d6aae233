"""The configuration's `metrics`: who may read the server's metrics."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from sharedstate_backends.contract import ConfigurationError

from .document import shown

Audience: TypeAlias = Literal["local", "anyone", "off"]
AUDIENCES: Final[tuple[Audience, ...]] = ("local", "anyone", "off")


def parse_audience(value: object) -> Audience:
    """Give the document's `metrics` its type.

    Raises:
        ConfigurationError: it is not one of the words.
    """
    for word in AUDIENCES:
        if value == word:
            return word
    words = ", ".join(f'"{word}"' for word in AUDIENCES)
    raise ConfigurationError("metrics", f"expected one of {words}, found {shown(value)}")
