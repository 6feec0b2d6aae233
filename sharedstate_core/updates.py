"""The algebra of updates: pure functions on states, with no protocol or storage.

A *state* is a dict from id to the item's JSON text, in order of insertion. An `Update` acts on states.
Updates form a monoid (`compose`, with the empty update as unit), so that
`apply(apply(s, u), v) == apply(s, compose(u, v))`; group commit and conflation rely on this.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from msgspec import Struct
from msgspec.structs import force_setattr

State: TypeAlias = "Mapping[str, bytes]"
"""Item texts by id, in order of insertion."""


class Update(Struct, frozen=True):
    """One atomic batch: `remove` first, then `insert`; `reset` removes everything instead.

    Attributes:
        remove: ids, in the order given, without repetition; empty if `reset`.
        insert: JSON text of each item (UTF-8, one object holding that id) by id, in the order in which they are set;
            an item listed twice has its first place and its last text.
        reset: whether to remove every item first.
    """

    remove: tuple[str, ...] = ()
    insert: Mapping[str, bytes] = {}
    reset: bool = False

    def __post_init__(self) -> None:
        if self.reset and self.remove:
            force_setattr(self, "remove", ())

    @property
    def is_noop(self) -> bool:
        """Whether the update touches nothing in any state: `{}` on the wire."""
        return not (self.reset or self.remove or self.insert)

    @property
    def listed(self) -> int:
        """Number of ids that it lists, one that is removed and inserted twice: it costs that much."""
        return len(self.insert) + len(self.remove)

    @property
    def touched(self) -> int:
        """Number of ids the update names, as given in the reply to it."""
        touched = len(self.insert)
        if self.remove:
            touched += sum(id not in self.insert for id in self.remove)
        return touched


class Diff(NamedTuple):
    """What happened to one id; `old` is None for an insert, `new` for a delete."""

    id: str
    new: bytes | None
    old: bytes | None


def apply(state: State, update: Update) -> dict[str, bytes]:
    """Return the state after `update`; a replaced item keeps its place."""
    if update.reset:
        return dict(update.insert)
    after = dict(state)
    for id in update.remove:
        after.pop(id, None)
    after.update(update.insert)
    return after


def compose(first: Update, second: Update) -> Update:
    """Return the single update that does what `first` and then `second` do, on any state."""
    if second.reset:
        return second
    insert = dict(first.insert)
    for id in second.remove:
        insert.pop(id, None)
    insert.update(second.insert)
    if first.reset:
        return Update(insert=insert, reset=True)
    remove = tuple(dict.fromkeys((*first.remove, *second.remove)))
    return Update(remove, insert)


def diff(old: State, new: State) -> list[Diff]:
    """Return the net change: one `Diff` for each id whose text differs or whose item has moved.

    An item has moved if it used to be ahead of one that is now ahead of it. Removed ids come first, in their old order,
    then the others in their new order.
    """
    found = [Diff(id, None, text) for id, text in old.items() if id not in new]
    places = {id: place for place, id in enumerate(old)}
    last = 0
    for id, text in new.items():
        place = places.get(id, last)
        if old.get(id) != text or place < last:
            found.append(Diff(id, text, old.get(id)))
        last = max(last, place)
    return found
