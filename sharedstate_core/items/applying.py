"""Applying a large commit to a replica by portions: its owner decides when each of them has its turn.

Until all of it is done, the replica is in no state that there ever was: nobody may see it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from itertools import islice
from typing import TypeAlias

from sharedstate_core.updates import Update

from .replica import Replica

Applying: TypeAlias = Generator[None, None, Replica]
"""Yields between portions, and returns the replica."""


def apply(replica: Replica, updates: Sequence[Update], size: int) -> Applying:
    """Apply committed updates, each of which raises the version by one; a portion touches about `size` ids."""
    done = 0
    for version, update in enumerate(updates, replica.version + 1):
        for piece, place in _pieces(update, size):
            replica.apply(piece, version, place)
            done += piece.listed
            if done >= size:
                done = 0
                yield
    replica.move_to(replica.version)
    return replica


def _pieces(update: Update, size: int) -> Iterator[tuple[Update, int]]:
    """Yield what does the same, one after the other, each with the place of its first item."""
    if update.listed <= size:
        yield update, 0
        return
    if update.reset:
        yield Update(reset=True), 0
    for start in range(0, len(update.remove), size):
        yield Update(update.remove[start : start + size]), 0
    items, place = iter(update.insert.items()), 0
    while part := dict(islice(items, size)):
        yield Update(insert=part), place
        place += len(part)
