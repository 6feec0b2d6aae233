"""Parts of a collection: what a program asks for, and what it is given."""

from collections.abc import Mapping
from typing import Any, Generic, NamedTuple, TypeAlias

from sharedstate_core import RequestError
from sharedstate_core.client import At, Filter

from .values import ItemT_co, loads

Where: TypeAlias = Mapping[str, Any]
"""A filter, as JSON: tests by the names of members, or JSON Pointers such as `/geo/lat`, all of which must hold.

A test is a scalar, which the member must equal, or a mapping with some of `eq`, `ne`, `lt`, `lte`, `gt`, `gte` (a
scalar), `in` (a list of scalars), `has` (a scalar in the list that the member is), `prefix` (of a text) and `exists`
(a bool), all of which must hold. Beside members there are `and` and `or`, each with a list of filters, and `not` with
one.
"""

Place: TypeAlias = At
"""Where an item stands in the order of its collection, for the pages of a `Client`: two whole numbers."""


class Page(NamedTuple, Generic[ItemT_co]):
    """Items of a collection, in order.

    Attributes:
        items: the items.
        before: for the page of older items: the place of the first one; None if there are no items, or if it was asked
            for everything.
        more: whether there are older items.
    """

    items: list[ItemT_co]
    before: Place | None
    more: bool


def where_of(asked: Filter) -> dict[str, Any] | None:
    """Return the filter as JSON values; None for all items."""
    return None if asked.where is None else loads(asked.where)


def check_place(before: object) -> None:
    """Check that an argument is a place.

    Raises:
        TypeError: it is not.
    """
    if not (
        isinstance(before, tuple | list)
        and len(before) == 2
        and all(type(each) is int for each in before)
    ):
        raise TypeError(
            "before: expected two whole numbers, such as `Dataset.before` or that of a page"
        )


def cut(path: str) -> RequestError:
    """Return why an item is not sent: nothing is known of its other members."""
    problem = f"{path} is held with some members of its items only: others would be lost"
    return RequestError("bad_update", f"insert: {problem}", place="insert")
