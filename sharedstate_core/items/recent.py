"""How much has changed in a replica since a version: whether it is little enough for one turn."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Protocol

from .source import TURN_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sharedstate_core.limits import Limits


class Changed(Protocol):
    """An item.

    Attributes:
        version: that of its last change.
        text: its text.
    """

    version: int
    text: bytes


class Recent:
    """Tells since which versions little enough has changed for one turn; it looks no further back than it must.

    Args:
        newest: the items, the last that changed first; none changes meanwhile.
        removed: the versions that removed what is not there any more, the last first.
        limits: say how much is too much.
    """

    def __init__(self, newest: Iterator[Changed], removed: Iterator[int], limits: Limits) -> None:
        self._newest = newest
        self._entry = next(self._newest, None)
        self._items = limits.turn_items
        self._bytes = TURN_BYTES
        self._removed = next(
            islice(removed, limits.turn_items, None), 0
        )  # one more than a turn takes

    def covers(self, since: int) -> bool:
        """Return whether the net change from version `since` is little enough."""
        if self._removed > since:
            return False
        entry = self._entry
        while entry is not None and entry.version > since:
            if self._items < 1 or self._bytes < 1:
                return False
            self._items -= 1
            self._bytes -= len(entry.text)
            entry = self._entry = next(self._newest, None)
        return True
