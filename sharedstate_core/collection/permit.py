"""What one author may do to one collection, as the collection sees it."""

from __future__ import annotations

from typing import Protocol


class RulesVersion:
    """Counts how often the rules have changed: for all who know something that was so by those before.

    Attributes:
        number: the count.
    """

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 0


class Permit(Protocol):
    """What one author may do to one collection.

    Attributes:
        looks: whether it depends on what is stored.
        looks_at_new: whether it depends on what is to be stored: what a patch leads to depends on what is.
    """

    looks: bool
    looks_at_new: bool

    def insert(self, id: str, new: bytes, now: float) -> bytes:
        """Return the text of an item that is to be inserted, as it is to be stored.

        Args:
            id: its id.
            new: its text, as the author wants it.
            now: seconds, monotonic.

        Raises:
            RequestError: the author may not insert it.
        """
        ...

    def update(self, id: str, old: bytes, new: bytes, now: float) -> bytes:
        """Return the text of an item that is to be replaced, as it is to be stored.

        Raises:
            RequestError: the author may not replace it.
        """
        ...

    def remove(self, id: str, old: bytes | None, now: float) -> None:
        """Check that an item may be removed; it may not be there.

        Args:
            id: its id; empty if the author has not named it, and is not told either.
            old: its text; None if it is not there, or that is not known.
            now: seconds, monotonic.

        Raises:
            RequestError: the author may not remove it.
        """
        ...
