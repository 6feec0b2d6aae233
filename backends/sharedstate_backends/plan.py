"""What a commit does to one collection, computed before anything is written: pure functions, no I/O.

A store reads the collection's head, calls `plan`, and writes just what must change, however many writes there were:
each id once, and the head. It reads only the rows of ids on which a condition depends, and of those that are patched
(`names`): for any other id the statement that writes it handles whatever it finds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from sharedstate_core.errors import MismatchError
from sharedstate_core.receipts import Receipts
from sharedstate_core.storage import (
    Committed,
    Outcome,
    Rejected,
    Row,
    condition_holds,
)
from sharedstate_core.updates import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sharedstate_core.receipts import Receipt
    from sharedstate_core.storage import Condition, Write
    from sharedstate_core.updates import Update


MAX_TOMBSTONES: Final = 10_000
"""Default number of removed ids that a store remembers per collection, about 100 bytes each: a client that missed fewer
removals can resume."""


class Head(NamedTuple):
    """The head of a collection: all zero before the first write, if the store has no floor.

    Attributes:
        version: the version of its last update.
        horizon: tombstones up to this version may be missing.
        tombstones: an upper bound of their number. A removed id counts even if it did not exist, and one that is
            inserted again is not subtracted, since nobody has checked.
    """

    version: int = 0
    horizon: int = 0
    tombstones: int = 0

    @classmethod
    def absent(cls, floor: int) -> Head:
        """Return the head of a collection that has no row, and may have been pruned (see `history`)."""
        return cls(floor, floor)


class Known(NamedTuple):
    """What a plan needs to know of an id's row; `created` is 0 in a tombstone, and `text` is for patches."""

    created: int
    place: int
    version: int
    text: bytes | None = None


_UNKNOWN: Final = Known(-1, -1, -1)
"""The state of an id that was not looked up."""

_State: TypeAlias = "dict[str, Known | Row | None]"
"""What is known of ids: a row or tombstone, or None for neither. Others are unknown, or, after a reset, absent."""


@dataclass(slots=True)
class Plan:
    """What a store must write.

    Attributes:
        head: the head after it.
        outcomes: one for each write, in order.
        reset: whether to delete every existing row first.
        rows: rows to write over whatever exists.
        upserts: rows to write too, except that an existing item keeps its `created` and `place`.
        removals: ids, with a version, whose items become tombstones of that version.
        receipts: receipts to write, by session.
    """

    head: Head
    outcomes: list[Outcome] = field(default_factory=list)
    reset: bool = False
    rows: dict[str, Row] = field(default_factory=dict)
    upserts: dict[str, Row] = field(default_factory=dict)
    removals: dict[str, int] = field(default_factory=dict)
    receipts: dict[str, Receipt] = field(default_factory=dict)


def must_prune(head: Head, max_tombstones: int) -> bool:
    """Return whether this commit counts the tombstones, and deletes the oldest if there are more than `max_tombstones`.

    Up to a tenth more are tolerated before it is worthwhile. It is not a background task: it raises the horizon, so it
    needs the lock that commits need, and they would wait for it anyway. Each tombstone is deleted once, so on average a
    commit deletes as many as it makes.
    """
    return head.tombstones > max_tombstones + max_tombstones // 10


def names(writes: Sequence[Write]) -> list[str]:
    """Return the distinct ids whose rows must be known for these writes: those of conditions, and of patches."""
    ids = dict.fromkeys(patched_ids(writes))
    for write in writes:
        condition = write.condition
        if condition is not None and condition.ids is not None:
            ids |= dict.fromkeys(condition.ids)
    return list(ids)


def patched_ids(writes: Sequence[Write]) -> dict[str, None]:
    """Return the distinct ids that patches are about: of their rows the texts must be known, too."""
    ids: dict[str, None] = {}
    for write in writes:
        if write.update.patch:
            ids |= dict.fromkeys(write.update.patched)
    return ids


def plan(
    epoch: str,
    head: Head,
    known: Mapping[str, Known | None],
    writes: Sequence[Write],
    *,
    max_text: int | None = None,
    receipts: Mapping[str, Receipt | None] | None = None,
) -> Plan:
    """Return what the writes do to a collection.

    Args:
        epoch: the store's epoch.
        head: the collection's head.
        known: what is known of each of `names(writes)`; None: it has no row, not even a tombstone. With its text for
            `patched_ids(writes)`.
        writes: in order.
        max_text: longest text that the store accepts, in bytes; a write with a longer one is rejected.
        receipts: those of `receipts.sessions(writes)`; None, or missing: there is none.
    """
    result = Plan(head)
    state: _State = {**known}
    kept = Receipts(receipts or {})
    for write in writes:
        outcome = None if write.op is None else kept.answer(write, result.head.version)
        if outcome is None:
            outcome = _decide(result, state, epoch, write, max_text)
            kept.note(write, outcome)
        result.outcomes.append(outcome)
    result.receipts = kept.changed
    return result


def _decide(plan: Plan, state: _State, epoch: str, write: Write, max_text: int | None) -> Outcome:
    """Return the outcome of a write, and apply it if it is to be stored."""
    update, condition = write.update, write.condition
    if condition is not None and not _holds(condition, epoch, plan.head, state):
        message = "the collection has changed in the meantime"
        return Rejected("conflict", message, plan.head.version)
    if update.patch:
        try:
            update = resolve(update, partial(_text, plan, state))
        except MismatchError as error:
            return Rejected.misfit(error, plan.head.version)
    if max_text is not None and (problem := _too_large(update, max_text)):
        return Rejected("too_large", problem, plan.head.version)
    if not update.is_noop:
        _apply(plan, state, update)
    return Committed(plan.head.version)


def _holds(condition: Condition, epoch: str, head: Head, state: _State) -> bool:
    rows = (state.get(id) for id in condition.ids or ())
    versions = [row.version for row in rows if row is not None]
    return condition_holds(
        condition, epoch=epoch, version=head.version, horizon=head.horizon, versions=versions
    )


def _text(plan: Plan, state: _State, id: str) -> bytes | None:
    """Return the text of a patched item; None if there is none."""
    row = state.get(id) if plan.reset else state[id]
    return None if row is None else row.text


def _too_large(update: Update, max_text: int) -> str | None:
    for id, text in update.insert.items():
        if len(text) > max_text:
            return (
                f"item {id[:100]!r} has {len(text)} bytes, the database takes {max_text}; "
                "raise its max_allowed_packet"
            )
    return None


def _apply(plan: Plan, state: _State, update: Update) -> None:
    version, horizon, tombstones = plan.head
    version += 1
    if update.reset:
        horizon, tombstones = version, 0
        plan.reset = True
        for rows in (plan.rows, plan.upserts, plan.removals, state):
            rows.clear()
    nobody_knows = None if plan.reset else _UNKNOWN
    for id in update.remove:
        before = state.get(id, nobody_knows)
        if before is _UNKNOWN:
            tombstones += 1
            state[id] = Known(0, 0, version)
            plan.removals[id] = version
        elif before is not None and before.created:
            tombstones += 1
            plan.upserts.pop(id, None)
            state[id] = plan.rows[id] = Row(id, None, 0, 0, version)
    for place, (id, text) in enumerate(update.insert.items()):
        before = state.get(id, nobody_knows)
        if before is _UNKNOWN:
            state[id] = plan.upserts[id] = Row(id, text, version, place, version)
        elif before is not None and before.created:
            rows = plan.upserts if id in plan.upserts else plan.rows
            state[id] = rows[id] = Row(id, text, before.created, before.place, version)
        else:
            tombstones -= before is not None
            plan.removals.pop(id, None)
            state[id] = plan.rows[id] = Row(id, text, version, place, version)
    plan.head = Head(version, horizon, tombstones)
