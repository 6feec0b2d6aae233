"""Lists of names, which come in pages: which one is asked for, and a page, encoded once however many get it.

Names are in order of code points, which is the order of their bytes in UTF-8 and that of `sorted`. A page begins after
a name, not at a number: names that come or go in the meantime move nothing else.
"""

from __future__ import annotations

from operator import lt
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Raw, json

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
        self._text: Raw | None = None

    @property
    def text(self) -> Raw:
        """The names as a JSON array, encoded when it is first asked for."""
        if self._text is None:
            self._text = Raw(json.encode(self.names))
        return self._text

    @property
    def size(self) -> int:
        """Length of the text, in bytes; 0 if nobody has asked for it."""
        return 0 if self._text is None else len(self._text)


def first_names(names: Sequence[str], after: str, limit: int) -> Sequence[str]:
    """Return the first `limit` of the names that follow `after`, in order and each once.

    Names that are exactly that already, as a page from storage, are returned as they are, at the cost of one look at
    each.
    """
    if len(names) <= limit and all(map(lt, [after, *names], names)):
        return names
    return list(dict.fromkeys(sorted([name for name in names if name > after])))[:limit]
