"""What a reader asks for of a collection."""

from __future__ import annotations

from typing import Final, NamedTuple

from sharedstate_core.expressions.tree import Literal, Node

ALL: Final = Literal(True)
"""The expression that is true of every item."""


class Wanted(NamedTuple):
    """What a reader asks for of a collection.

    Attributes:
        where: an expression over `item`.
        last: how many of the items of which it is true, those inserted last; None for all of them.
        fields: the members that are shown, beside `id`; None for all of them.
        before: only items before this place in the order, `created` and `place`; None for no bound.
    """

    where: Node = ALL
    last: int | None = None
    fields: tuple[str, ...] | None = None
    before: tuple[int, int] | None = None


EVERYTHING: Final = Wanted()
