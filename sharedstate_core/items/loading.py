"""Loading a replica by portions: its owner decides when each of them has its turn.

The rules:

1. Rows come in any order. They are checked and sorted by portions, then taken in: tombstones, items in order of
   insertion, and the order of the last changes.
2. Until all of it is done, the replica is in no state that there ever was: nobody may see it.
3. Tombstones that a new replica would not remember are forgotten as they come: a store may have kept very many.
4. A row that is impossible ends the work, wherever it stands.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

from sharedstate_core.portions import Portions
from sharedstate_core.results import check_rows

from .entry import Entry, insertion, last_change
from .replica import Replica
from .runs import Runs

if TYPE_CHECKING:
    from sharedstate_core.leftovers import Leftovers
    from sharedstate_core.storage import Loaded, Row

Loading: TypeAlias = Generator[None, None, Replica]
"""Yields between portions, and returns the replica."""


def load(
    loaded: Loaded,
    known: Replica | None,
    size: int,
    keep: int | None = None,
    leftovers: Leftovers | None = None,
) -> Loading:
    """Return the replica that a load leads to, at once if it is no more than one portion.

    Args:
        loaded: the result of the load, after `checked_load` of `size` rows at once: more are checked here.
        known: the replica that changes, if the rows are only what has changed since; else None.
        size: rows that one portion takes, about.
        keep: tombstones that a new replica remembers at the most; None for all.
        leftovers: for the replica.

    Raises:
        LocalProtocolError: a row is impossible; `known` may be of no use any more.
    """
    base, is_large = loaded.base or 0, len(loaded.rows) > size
    removed: Runs[Row] = Runs(last_change)
    live: Runs[Row] = Runs(insertion)
    items = 0
    for rows in _checked(loaded, base, size) if is_large else [loaded.rows]:
        found = [row for row in rows if row.text is not None]
        gone = len(rows) - len(found)
        removed.add([row for row in rows if row.text is None] if gone else [])
        items += len(found)
        live.add(found)
        if is_large:
            yield
    replica = Replica(loaded, leftovers, items) if known is None else known
    for tombstones in removed.portions(size):
        replica.bury(tombstones, base)
        if known is None and keep is not None:
            replica.prune(keep)
        if is_large:
            yield
    recent: Runs[Entry] = Runs(last_change)
    for placed in live.portions(size):
        recent.add(replica.place(placed, base))
        if is_large:
            yield
    for entries in recent.portions(size):
        replica.touch(entries)
        if is_large:
            yield
    replica.leaps.add(replica.version, loaded.version)
    replica.move_to(loaded.version)
    return replica


def _checked(loaded: Loaded, base: int, size: int) -> Iterator[Sequence[Row]]:
    """Yield rows by portions, after checking them."""
    start = 0
    for rows in _portions(loaded.rows, size):
        check_rows(rows, base, loaded.version, start)
        start += len(rows)
        yield rows


def _portions(rows: Sequence[Row], size: int) -> Iterator[Sequence[Row]]:
    """Yield rows by portions; what comes in `Portions` is let go."""
    if isinstance(rows, Portions):
        while portion := rows.take():
            yield from _portions(portion, size)
    else:
        for start in range(0, len(rows), size):
            yield rows[start : start + size]
