"""Lists of names, which come in pages: which one is asked for, and what is on it.

Names are in order of code points, which is the order of their bytes in UTF-8 and that of `sorted`. A page begins after
a name, not at a number: names that come or go in the meantime move nothing else.
"""

from __future__ import annotations

from operator import lt
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Paging(NamedTuple):
    """Which page of a list of names.

    Attributes:
        after: the name that it follows; empty for the beginning.
        limit: maximum number of names; None for as many as the server gives at once.
    """

    after: str = ""
    limit: int | None = None


def first_names(names: Sequence[str], after: str, limit: int) -> Sequence[str]:
    """Return the first `limit` of the names that follow `after`, in order and each once.

    Names that are exactly that already, as a page from storage, are returned as they are, at the cost of one look at
    each.
    """
    if len(names) <= limit and all(map(lt, [after, *names], names)):
        return names
    return list(dict.fromkeys(sorted([name for name in names if name > after])))[:limit]
