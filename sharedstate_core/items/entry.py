"""One item of a replica, and what was there before some changes."""

from __future__ import annotations

from operator import attrgetter
from typing import Final

from msgspec import Struct


class Entry(Struct, gc=False):
    """One live item.

    The garbage collector need not know it: a million of them neither trigger nor prolong a collection. So it holds no
    other entry, only ids of others.

    Attributes:
        removed: the last version before `created` that removed this id, else 0.
        older: id of the entry whose last change came before; None for the first.
        newer: id of the entry whose last change came after; None for the last.
    """

    id: str
    text: bytes
    created: int
    place: int
    version: int
    removed: int
    older: str | None = None
    newer: str | None = None


class Before(Struct):
    """What was there before some changes.

    Attributes:
        texts: for each id that has changed, its text before; None if it was not there.
        is_all: whether everything has gone meanwhile; then `texts` says nothing.
    """

    texts: dict[str, bytes | None] = {}
    is_all: bool = False


insertion: Final = attrgetter("created", "place")
last_change: Final = attrgetter("version")
"""Sort keys of entries and rows."""

text_of: Final = attrgetter("text")
