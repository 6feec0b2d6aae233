"""The outcome of an update, until its author may hear of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple

from sharedstate_core.effects import C

if TYPE_CHECKING:
    from sharedstate_core.storage import Cursor, Outcome

    from .author import Author


class Settled(NamedTuple, Generic[C]):
    """The outcome of an update and the state after it; the update itself is no longer kept.

    Attributes:
        author: the author of the update.
        touched: number of ids the update named.
        outcome: the outcome of the write.
        cursor: the state after it.
    """

    author: Author[C]
    touched: int
    outcome: Outcome
    cursor: Cursor
