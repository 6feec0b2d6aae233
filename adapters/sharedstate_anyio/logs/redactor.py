"""Redaction: passwords and other secrets of the configuration stay out of everything the server prints."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

HIDDEN: Final = "***"
_SECRET_KEY: Final = re.compile(r"passw|secret|token|credential|dsn|ur[il]", re.IGNORECASE)
_NEVER: Final[re.Pattern[str]] = re.compile(r"(?!)")


class Redactor:
    """Replaces the secrets of configurations in any text by `***`.

    Args:
        configs: objects of the configuration; a value is a secret if its key's name says so.
    """

    def __init__(self, configs: Iterable[Mapping[str, object]] = ()) -> None:
        secrets = {secret for config in configs for secret in _secrets(config, secret=False)}
        spellings = {spelling for secret in secrets for spelling in _spellings(secret)}
        longest_first = sorted(spellings, key=len, reverse=True)
        self._pattern = re.compile("|".join(longest_first)) if spellings else _NEVER

    def __call__(self, text: str) -> str:
        """Return the text without secrets."""
        return self._pattern.sub(HIDDEN, text)


def _secrets(value: object, *, secret: bool) -> Iterator[str]:
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _secrets(member, secret=secret or bool(_SECRET_KEY.search(str(key))))
    elif isinstance(value, list):
        for element in value:
            yield from _secrets(element, secret=secret)
    elif secret and isinstance(value, str | int) and value not in {"", 0, 1}:
        yield str(value)


def _spellings(secret: str) -> Iterator[str]:
    """Yield patterns for a secret, both verbatim and as Python and JSON write it."""
    # A very short one is matched only as a whole word, or nothing readable would be left.
    edges = (r"(?<!\w)", r"(?!\w)") if len(secret) < 4 else ("", "")
    for spelling in (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1]):
        yield re.escape(spelling).join(edges)
