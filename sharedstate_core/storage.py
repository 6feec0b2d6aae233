"""The types exchanged between the core and a store: what is written, the outcome, and what is read.

A store keeps a version for every collection, and one `Row` per id. Removed ids stay as tombstones until they are
pruned; `horizon` is the version of the newest one pruned, so "what changed since N" is known for every N from the
horizon on. A store's `epoch` names one run of its version counts: it changes when they start again, so that
(epoch, version) names one state for ever.

All of these types but `Cursor` may gain members, with defaults, at the end: read them by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from msgspec import Struct

from .errors import ErrorCode, MismatchError
from .updates import Update


class Cursor(NamedTuple):
    """A state of a collection. Version 0 is the empty collection before its first update."""

    epoch: str
    version: int


class Condition(Struct, frozen=True):
    """Apply only if nothing of interest has changed after `cursor` (the `if` of an update).

    Attributes:
        cursor: the state that the author has seen.
        ids: only these ids matter; None for the whole collection.
    """

    cursor: Cursor
    ids: tuple[str, ...] | None = None


class Operation(Struct, frozen=True):
    """Which of its session's updates a write is: see `receipts`.

    Attributes:
        session: the public name of its author's session.
        number: its number among that session's updates, from 1.
        time: when it is stored, in whole seconds since the Unix epoch.
        refused: numbers and codes of updates of the session that have been refused since its last one was stored.
    """

    session: str
    number: int
    time: int = 0
    refused: tuple[tuple[int, ErrorCode], ...] = ()


class Write(Struct, frozen=True):
    """One update to commit, with its condition.

    Attributes:
        update: the update.
        condition: when to apply it; None for always.
        op: which of its session's updates it is; only stores that keep receipts get it.
        refusal: what the update is refused with, unless its receipt says something else: it is not to be applied in any
            case. Its `version` means nothing. Only with `op`.
    """

    update: Update
    condition: Condition | None = None
    op: Operation | None = None
    refusal: Rejected | None = None


class Committed(Struct, frozen=True):
    """The write is stored, and this is the collection's version after it.

    A write raises the version by one, except that a no-op, or a duplicate, leaves it unchanged.

    Attributes:
        version: the collection's version.
        duplicate: whether it was stored before, according to its receipt, so that nothing was done now.
    """

    version: int
    duplicate: bool = False


class Rejected(Struct, frozen=True):
    """The write was refused and changed nothing; other writes are not affected.

    Attributes:
        code: `conflict` for a condition that does not hold, otherwise the code that fits best.
        message: one readable sentence for the author.
        version: the collection's version at that point.
        place: where in the update the fault is, such as `patch[2].inc.votes`; None if it is in no single place.
        ids: the items that a patch does not fit; None if that is not why.
        by_receipt: whether its receipt has decided it: the write was not looked at.
        is_unknown: whether it is not known any more if the write was stored before.
    """

    code: ErrorCode
    message: str
    version: int
    place: str | None = None
    ids: tuple[str, ...] | None = None
    by_receipt: bool = False
    is_unknown: bool = False

    @classmethod
    def misfit(cls, error: MismatchError, version: int) -> Rejected:
        """Return the outcome of a write whose patch does not fit, which `updates.resolve` has raised."""
        return cls(error.code, error.message, version, error.place, (error.id,))


Outcome: TypeAlias = Committed | Rejected


def raises_version(write: Write, outcome: Outcome) -> bool:
    """Return whether a write with this outcome has changed the collection."""
    return isinstance(outcome, Committed) and not (outcome.duplicate or write.update.is_noop)


class CommitResult(Struct, frozen=True):
    """The result of a commit: one outcome for each write, in order."""

    epoch: str
    outcomes: Sequence[Outcome]


class Row(Struct, frozen=True, gc=False):
    """One id of a collection.

    Attributes:
        id: the item's id.
        text: the item's JSON text in UTF-8; None marks a tombstone, an id that was removed.
        created: version of the update that inserted the item; a replacement keeps it, an item that was removed and
            comes back gets a new one. Items are in order of (created, place). In a tombstone, 0.
        place: its place among the items that update inserted, from 0. In a tombstone, 0.
        version: version of the update that last touched the id.
    """

    id: str
    text: bytes | None
    created: int
    place: int
    version: int


class Loaded(Struct, frozen=True):
    """A store's data of a collection, read at one moment.

    Attributes:
        epoch: the store's epoch.
        version: the collection's version; 0 if nothing was ever written.
        horizon: tombstones up to this version may be missing; 0 in a store that keeps all of them.
        rows: the rows, including tombstones, in any order: with `base`, those whose version is greater than `base`;
            without it, all of them. Very many come best in `Portions`.
        base: the version asked for, if the rows are only what has changed since; None for everything.
    """

    epoch: str
    version: int
    horizon: int
    rows: Sequence[Row]
    base: int | None = None


def condition_holds(
    condition: Condition | None,
    *,
    epoch: str,
    version: int,
    horizon: int,
    versions: Sequence[int] = (),
) -> bool:
    """Return whether a conditional write may be applied to a collection in its current state.

    Args:
        condition: the write's condition; None always holds.
        epoch: the store's epoch.
        version: the collection's version.
        horizon: the collection's horizon.
        versions: the row versions (including tombstones) of those of the condition's ids that have a row.
    """
    if condition is None:
        return True
    if condition.cursor.epoch != epoch or condition.cursor.version > version:
        return False
    if condition.ids is None:
        return condition.cursor.version == version
    if condition.cursor.version < horizon:
        return False  # a tombstone that matters may be gone
    return all(row_version <= condition.cursor.version for row_version in versions)
