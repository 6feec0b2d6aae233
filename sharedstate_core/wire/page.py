"""A page of a list of names, encoded once however many get it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sharedstate_core.messages import Items

from .encode import pieces

if TYPE_CHECKING:
    from collections.abc import Sequence


class Page:
    """Names, and whether the list goes on after them.

    Args:
        names: in order.
        more: whether there are names after the last one.
    """

    __slots__ = ("_text", "more", "names")

    def __init__(self, names: Sequence[str], *, more: bool = False) -> None:
        self.names = names
        self.more = more
        self._text: Items | None = None

    @property
    def text(self) -> Items:
        """The names as a JSON array, encoded when it is first asked for."""
        if self._text is None:
            text = msgspec.json.encode(self.names)
            self._text = Items(pieces(text), len(text))
        return self._text
