"""What waits in the queue of a collection: updates and reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from sharedstate_core.effects import C
from sharedstate_core.patches.patch import at, need_time
from sharedstate_core.storage import Outcome, Rejected, Write
from sharedstate_core.views.definition import Definition
from sharedstate_core.views.view import View
from sharedstate_core.wire.decode import Places

from .author import Author
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
    """

    author: Author[C]
    write: Write
    size: int
    permit: Permit | None = None
    places: Places | None = None
    checked: Write | None = None
    tries: int = 0
    resolves: bool = False

    @property
    def looks(self) -> bool:
        """Whether it cannot be checked without knowing what is stored."""
        permit = self.permit
        if permit is None or self.resolves:
            return self.resolves
        return permit.looks or (permit.looks_at_new and bool(self.write.update.patch))

    def was_checked_in_vain(self, outcome: Outcome) -> bool:
        """Return whether storage has rejected it, perhaps because what the check has looked at has changed."""
        if not (self.looks and isinstance(outcome, Rejected) and outcome.code == "conflict"):
            return False
        self.tries += 1
        return True

    @property
    def stored(self) -> Write:
        """What storage is asked for."""
        return self.checked or self.write


class Get(Struct, Generic[C], eq=False):
    """A waiting read.

    Attributes:
        author: who asks for it.
        definition: returns what the author is shown, at any moment; None for the whole collection.
        view: what shows that, once it has been looked into: if the read is put off, that was not in vain.
        let_by: how many long reads had begun when it let go first what others had asked for; -1 if it has not.
    """

    author: Author[C]
    definition: Callable[[], Definition | None] = nothing_else
    view: View | None = None
    let_by: int = -1

    @property
    def looks(self) -> bool:
        """Whether it cannot be checked without knowing what is stored."""
        return False

    @property
    def size(self) -> int:
        """Approximate memory it takes, in bytes."""
        return self.author.size + (0 if self.definition is nothing_else else SHOWN_BYTES)


QueuedRequest: TypeAlias = Put[C] | Get[C]
