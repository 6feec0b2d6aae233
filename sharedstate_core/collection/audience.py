"""Who gets the very same messages about a collection: the key of a group of subscribers."""

from __future__ import annotations

from typing import NamedTuple


class Audience(NamedTuple):
    """What subscribers have in common who get the very same messages.

    Attributes:
        path: the collection's, as they spelled it.
        parts: whether large snapshots go in parts.
    """

    path: str
    parts: bool
