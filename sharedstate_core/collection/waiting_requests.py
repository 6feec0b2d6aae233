"""What waits in the queue of a collection: updates and reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from sharedstate_core.effects import C, Effect
from sharedstate_core.errors import RequestError
from sharedstate_core.patches.patch import at, need_time
from sharedstate_core.storage import Committed, Cursor, Outcome, Rejected, Write
from sharedstate_core.views.definition import Definition
from sharedstate_core.views.view import View
from sharedstate_core.wire.decode import Places

from .author import Author
from .numbers import Numbered
from .permit import Permit

REQUEST_BYTES: Final = 500
"""Approximate memory that a request takes in addition to its text."""

ID_BYTES: Final = 130
"""Approximate memory that each id named by an update, and each member of a patch, takes in addition to its text."""


def put_size(write: Write, text: int) -> int:
    """Return the approximate memory, in bytes, of an update that came as `text` bytes of text."""
    update, condition = write.update, write.condition
    ids = len(update.insert) + len(update.remove)
    if update.patch:
        ids += len(update.patch) + sum(patch.size for patch in update.patch)
    if condition is not None and condition.ids:
        ids += len(condition.ids)
    return REQUEST_BYTES + text + ID_BYTES * ids


SHOWN_BYTES: Final = 3_000
"""Approximate memory that it takes to know what of a collection is to be read."""


def nothing_else() -> None:
    """Return what a read of the whole collection shows."""


def write_at(write: Write, time: float | None) -> Write:
    """Return a write in which members that become the time of the commit have that value."""
    patches = write.update.patch
    if not patches or not need_time(patches):
        return write
    assert time is not None  # noqa: S101  (otherwise it was refused)
    return replace(write, update=replace(write.update, patch=at(patches, time)))


def as_rejected(error: RequestError) -> Rejected:
    """Return an error as what storage is to answer; `retry_after` and the like are left out."""
    return Rejected(error.code, error.message, 0, error.place, error.ids)


class Put(Struct, Generic[C], eq=False):
    """A waiting update.

    Attributes:
        author: who asks for it.
        write: what the author wants.
        size: its `put_size`.
        permit: what the author may do; None for everything.
        places: of its ids in the author's message; None if they stand there in this order, each once.
        checked: what storage is asked for, once it has been checked; the same as `write` without a permit.
        tries: how often it has been checked in vain.
        resolves: whether it is to be known what its patches lead to, whatever the permit.
        numbered: what it has beside its number; None if it has none, like its `write`.
        refusal: what it is to be refused with, unless it was stored before.
    """

    author: Author[C]
    write: Write
    size: int
    permit: Permit | None = None
    places: Places | None = None
    checked: Write | None = None
    tries: int = 0
    resolves: bool = False
    numbered: Numbered | None = None
    refusal: Rejected | None = None

    @property
    def looks(self) -> bool:
        """Whether it cannot be checked without knowing what is stored."""
        permit = self.permit
        if self.refusal is not None:
            return False
        if permit is None or self.resolves:
            return self.resolves
        return permit.looks or (permit.looks_at_new and bool(self.write.update.patch))

    def was_checked_in_vain(self, outcome: Outcome) -> bool:
        """Return whether storage has rejected it, perhaps because what the check has looked at has changed."""
        if not (self.looks and isinstance(outcome, Rejected) and outcome.code == "conflict"):
            return False
        if outcome.by_receipt:
            return False
        self.tries += 1
        return True

    @property
    def stored(self) -> Write:
        """What storage is asked for."""
        if self.refusal is not None:
            return replace(self.write, refusal=self.refusal)
        return self.checked or self.write

    @property
    def again(self) -> bool:
        """Whether it may have been stored before."""
        return self.numbered is not None and self.numbered.again

    def stored_at(self, time: float | None) -> Write:
        """Return what storage is asked for at this time, with what was refused before it."""
        write = write_at(self.stored, time)
        op, numbered = write.op, self.numbered
        if op is None or numbered is None:
            return write
        refused = numbered.refusals.before(numbered.path, op)
        return replace(write, op=replace(op, time=int(time or 0), refused=refused))

    def refuse(self, error: RequestError) -> bool:
        """Leave it to storage to refuse it, if it may have been stored before; return whether that is so."""
        if self.again:
            self.refusal = as_rejected(error)
        return self.again

    def settled(self, outcome: Outcome) -> None:
        """Take note of what storage has answered."""
        op, numbered = self.write.op, self.numbered
        if op is None or numbered is None:
            return
        if isinstance(outcome, Committed):
            numbered.refusals.stored(numbered.path, op)
        elif not outcome.by_receipt:
            numbered.refusals.note(numbered.path, op, outcome.code)

    def fail(
        self,
        error: RequestError,
        out: list[Effect[C]],
        cursor: Cursor | None = None,
        *,
        outcome_unknown: bool = False,
    ) -> None:
        """Tell the author that it was not stored, as far as that is known: storage has not answered."""
        op, numbered = self.write.op, self.numbered
        if op is not None and numbered is not None:
            if numbered.again and not outcome_unknown:
                error, outcome_unknown = RequestError("unavailable", error.message), True
            if not outcome_unknown:
                numbered.refusals.note(numbered.path, op, error.code)
        self.author.fail(error, out, cursor, outcome_unknown=outcome_unknown)


class Get(Struct, Generic[C], eq=False):
    """A waiting read.

    Attributes:
        author: who asks for it.
        definition: returns what the author is shown, at any moment; None for the whole collection.
        view: what shows that, once it has been looked into: if the read is put off, that was not in vain.
    """

    author: Author[C]
    definition: Callable[[], Definition | None] = nothing_else
    view: View | None = None

    @property
    def looks(self) -> bool:
        """Whether it cannot be checked without knowing what is stored."""
        return False

    @property
    def size(self) -> int:
        """Approximate memory it takes, in bytes."""
        return self.author.size + (0 if self.definition is nothing_else else SHOWN_BYTES)


QueuedRequest: TypeAlias = Put[C] | Get[C]
