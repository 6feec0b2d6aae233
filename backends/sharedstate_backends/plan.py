"""What a commit does to one collection, worked out before anything is written: pure functions, no I/O.

A store reads the collection's head and the rows of the ids that the writes name (`names`), asks `plan` what must
change, and writes just that, however many writes there were: each id once, and the head.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from sharedstate_core.storage import (
    Committed,
    Outcome,
    Rejected,
    Row,
    condition_holds,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sharedstate_core.storage import Condition, Write
    from sharedstate_core.updates import Update


MAX_TOMBSTONES: Final = 10_000
"""Removed ids that a store remembers in each collection: they cost about 100 bytes each, and a client that was away for
fewer removals can resume."""


class Head(NamedTuple):
    """What is known of a collection besides its rows; all zero before anybody writes."""

    version: int = 0
    horizon: int = 0
    tombstones: int = 0


class Known(NamedTuple):
    """What a plan needs of an id's row; `created` is 0 in a tombstone."""

    created: int
    place: int
    version: int


@dataclass(slots=True)
class Plan:
    """What is to be written.

    Attributes:
        head: the head after it.
        outcomes: one for each write, in order.
        reset: whether every row there is goes first.
        rows: then these replace, or join, the collection's.
    """

    head: Head
    outcomes: list[Outcome] = field(default_factory=list)
    reset: bool = False
    rows: dict[str, Row] = field(default_factory=dict)


def must_prune(head: Head, max_tombstones: int) -> bool:
    """Tell whether a collection's oldest tombstones go, down to `max_tombstones`, with the commit at hand.

    A tenth more may be there before that is worth its while. No task does it in the background: the horizon rises
    with it, so it takes the lock that commits take, and they would wait for it all the same. Each tombstone is
    deleted once, so that on average a commit deletes as many as it makes.
    """
    return head.tombstones > max_tombstones + max_tombstones // 10


def names(writes: Sequence[Write]) -> list[str]:
    """Return the ids whose rows matter to these writes, each once."""
    ids: list[str] = []
    for update, condition in writes:
        ids += update.remove
        ids += update.insert
        if condition is not None and condition.ids is not None:
            ids += condition.ids
    return list(dict.fromkeys(ids))


def plan(
    epoch: str,
    head: Head,
    known: Mapping[str, Known],
    writes: Sequence[Write],
    *,
    max_text: int | None = None,
) -> Plan:
    """Return what the writes do to a collection.

    Args:
        epoch: the store's epoch.
        head: the collection's head.
        known: what is known of each of `names(writes)` that has a row, tombstones too.
        writes: in order.
        max_text: longest text that the store can keep, in bytes; a write with a longer one is rejected.
    """
    result = Plan(head)
    state: dict[str, Known | Row] = {**known}
    for update, condition in writes:
        if condition is not None and not _holds(condition, epoch, result.head, state):
            message = "the collection has changed in the meantime"
            result.outcomes.append(Rejected("conflict", message, result.head.version))
        elif max_text is not None and (problem := _too_large(update, max_text)):
            result.outcomes.append(Rejected("too_large", problem, result.head.version))
        else:
            if not update.is_noop:
                _apply(result, state, update)
            result.outcomes.append(Committed(result.head.version))
    return result


def _holds(condition: Condition, epoch: str, head: Head, state: Mapping[str, Known | Row]) -> bool:
    versions = [state[id].version for id in condition.ids or () if id in state]
    return condition_holds(
        condition, epoch=epoch, version=head.version, horizon=head.horizon, versions=versions
    )


def _too_large(update: Update, max_text: int) -> str | None:
    for id, text in update.insert.items():
        if len(text) > max_text:
            return (
                f"item {id[:100]!r} has {len(text)} bytes, the database takes {max_text}; "
                "raise its max_allowed_packet"
            )
    return None


def _apply(plan: Plan, state: dict[str, Known | Row], update: Update) -> None:
    version, horizon, tombstones = plan.head
    version += 1
    if update.reset:
        horizon, tombstones = version, 0
        plan.reset = True
        plan.rows.clear()
        state.clear()
    for id in update.remove:
        if id in state and state[id].created:
            tombstones += 1
            state[id] = plan.rows[id] = Row(id, None, 0, 0, version)
    for place, (id, text) in enumerate(update.insert.items()):
        before = state.get(id)
        if before is not None and before.created:
            row = Row(id, text, before.created, before.place, version)
        else:
            tombstones -= before is not None
            row = Row(id, text, version, place, version)
        state[id] = plan.rows[id] = row
    plan.head = Head(version, horizon, tombstones)
