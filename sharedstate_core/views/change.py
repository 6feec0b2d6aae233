"""An item that has changed, as views are asked about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sharedstate_core.wire.item_text import decode_item

if TYPE_CHECKING:
    from sharedstate_core.items.entry import Entry

    from .definition import Definition

TESTS_OF_A_READ: Final = 2
BYTES_OF_A_TEST: Final = 250
"""What it is to read an item: as much as to evaluate so many short expressions, and another for so many bytes of it."""

SEARCHED_BYTES: Final = 2_000
"""Bytes of an item that make as much again of evaluating an expression: lists are searched."""


class Change:
    """An item that has changed.

    Args:
        id: its id.
        old: its text before; None if it was not there.
        entry: what there is now; None if it is gone.
        version: that of the collection.
        most: ids that a view remembers until this change has been told.

    Attributes:
        id: its id.
        entry: what there is now; None if it is gone.
        version: that of the collection.
        most: ids that a view remembers until this change has been told.
        work: what it is to read it, before and now.
        more: what it is to ask about it, in addition to what that takes with a short one.
    """

    __slots__ = ("_before", "_item", "_old", "entry", "id", "more", "most", "version", "work")

    def __init__(
        self, id: str, old: bytes | None, entry: Entry | None, version: int, most: int
    ) -> None:
        self.id = id
        self.entry = entry
        self.version = version
        self.most = most
        self._old = old
        self._before: dict[str, Any] | None = None
        self._item: dict[str, Any] | None = None
        size = (0 if old is None else len(old)) + (0 if entry is None else len(entry.text))
        self.work = TESTS_OF_A_READ + size // BYTES_OF_A_TEST
        self.more = size // SEARCHED_BYTES

    @property
    def was_there(self) -> bool:
        """Whether it was there before."""
        return self._old is not None

    @property
    def item(self) -> dict[str, Any] | None:
        """The members that it has, read when somebody needs them; None if it is gone."""
        if self._item is None and self.entry is not None:
            self._item = decode_item(self.entry.text)
        return self._item

    @property
    def before(self) -> dict[str, Any] | None:
        """The members that it had, read when somebody needs them; None if it was not there."""
        if self._before is None and self._old is not None:
            self._before = decode_item(self._old)
        return self._before

    def looks_the_same(self, definition: Definition, since: int) -> bool:
        """Return whether a view shows the same of it as at version `since`, when it showed it, too."""
        old, entry = self._old, self.entry
        if old is None or entry is None or entry.created > since:
            return False
        return definition.shown(old) == definition.shown(entry.text)
