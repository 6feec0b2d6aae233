"""What of the items of a collection one turn reads: so many, or fewer if they are long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sharedstate_core.items.source import TURN_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sharedstate_core.items.entry import Entry


def portions(entries: Iterable[Entry], size: int) -> Iterator[list[Entry]]:
    """Yield items by portions of `size`, or of about `TURN_BYTES`; one that is longer comes alone."""
    portion: list[Entry] = []
    length = 0
    for entry in entries:
        more = len(entry.text)
        if portion and (len(portion) >= size or length + more > TURN_BYTES):
            yield portion
            portion, length = [], 0
        portion.append(entry)
        length += more
    if portion:
        yield portion
