"""What strangers can invent, such as names, is logged once each, and not without end."""

from __future__ import annotations

from typing import Final

LIMIT: Final = 100
"""Maximum number of texts that are new."""


class Once:
    """Says of each of the first `LIMIT` texts once that it is new."""

    __slots__ = ("_told",)

    def __init__(self) -> None:
        self._told: set[str] = set()

    def is_new(self, text: str) -> bool:
        """Return whether to log a text, and note it as logged."""
        if text in self._told or len(self._told) >= LIMIT:
            return False
        self._told.add(text)
        return True
