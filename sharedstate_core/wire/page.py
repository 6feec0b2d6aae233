"""A page of a list of names, encoded once however many get it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .encode import encode_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_core.messages import Items


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
            self._text = encode_names(self.names)
        return self._text
