"""Since which versions little enough has changed in a view for one turn."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from sharedstate_core.items.source import TURN_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from sharedstate_core.items.replica import Replica
    from sharedstate_core.limits import Limits

    from .remembered import Remembered


class ViewExtent:
    """Tells how much has changed in a view; an `Extent`.

    Args:
        remembered: what has changed.
        knows: whether all that has changed since a version is remembered.
        content: has the items.
        weight: what it is to look at one of them; 1 if that is easy.
        limits: the server's limits.
    """

    __slots__ = ("_content", "_knows", "_limits", "_remembered", "_weight")

    def __init__(
        self,
        remembered: Remembered,
        knows: Callable[[int], bool],
        content: Replica,
        weight: int,
        limits: Limits,
    ) -> None:
        self._remembered = remembered
        self._knows = knows
        self._content = content
        self._weight = weight
        self._limits = limits

    def covers(self, since: int) -> bool:
        """Return whether the net change from version `since` is little enough."""
        most, content = self._limits.turn_items, self._content
        if not self._knows(since):
            return self._weight == 1 and content.extent(self._limits).covers(since)
        if len(self._remembered) <= most and content.bytes <= TURN_BYTES:
            return True
        left = TURN_BYTES
        for number, id in enumerate(islice(self._remembered.each_since(since), most + 1)):
            left -= content.size(id)
            if number == most or left < 0:
                return False
        return True
