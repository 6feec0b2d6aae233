"""Pages of a list of names."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

ALL: Final = 2**62
"""A limit beyond any number of names."""


def page_of(names: Sequence[str], after: str, limit: int) -> Sequence[str]:
    """Return a page of all names, which are sorted by code point, for a store that knows no pages.

    It looks at few of them. What is not a list of texts is returned as it is, for the core to refuse.
    """
    if not isinstance(names, list | tuple):
        return names
    try:
        first = bisect_right(names, after)
    except TypeError:
        return names
    return names[first : first + limit]
