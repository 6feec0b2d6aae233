"""Applying a large commit to a replica by portions: its owner decides when each of them has its turn.

Until all of it is done, the replica is in no state that there ever was: nobody may see it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from itertools import islice
from typing import Final, TypeAlias

from sharedstate_core.updates import Update, resolving

from .replica import Replica
from .source import TURN_BYTES

PATCH_WORK: Final = 10
"""Items that are inserted in the time of a patch, about."""

Applying: TypeAlias = Generator[None, None, Replica]
"""Yields between portions, and returns the replica."""


def apply(replica: Replica, updates: Sequence[Update], size: int) -> Applying:
    """Apply committed updates, each of which raises the version by one; a portion touches about `size` ids.

    Raises:
        MismatchError: a patch does not fit; what was committed before it has been applied.
    """
    done = 0
    for version, update in enumerate(updates, replica.version + 1):
        plain = (yield from _resolved(replica, update, size)) if update.patch else update
        for piece, place in _pieces(plain, size):
            replica.apply(piece, version, place)
            done += piece.listed
            if done >= size:
                done = 0
                yield
    replica.move_to(replica.version)
    return replica


def _resolved(replica: Replica, update: Update, size: int) -> Generator[None, None, Update]:
    """Find out by portions what patches lead to."""
    work = resolving(update, replica.text)
    done = length = 0
    while True:
        try:
            length += next(work)
        except StopIteration as end:
            plain: Update = end.value
            return plain
        done += PATCH_WORK
        if done >= size or length > TURN_BYTES:
            done = length = 0
            yield


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
