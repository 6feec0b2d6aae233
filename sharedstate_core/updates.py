"""The algebra of updates: pure functions on states, with no protocol or storage.

A *state* is a dict from id to the item's JSON text, in order of insertion. An `Update` acts on states.
Updates form a monoid (`compose`, with the empty update as unit), so that
`apply(apply(s, u), v) == apply(s, compose(u, v))`; group commit and conflation rely on this. Patches may not fit a
state: the law holds where the left side has a value.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import NamedTuple, TypeAlias

from msgspec import Struct
from msgspec.structs import force_setattr, replace

from .errors import MismatchError
from .patches.patch import Patch
from .patches.patching import Misfit, patched

State: TypeAlias = "Mapping[str, bytes]"
"""Item texts by id, in order of insertion."""


class Update(Struct, frozen=True):
    """One atomic batch: `remove` first, then `insert`, then `patch`; `reset` removes everything instead.

    Attributes:
        remove: ids, in the order given, without repetition; empty if `reset`.
        insert: JSON text of each item (UTF-8, one object holding that id) by id, in the order in which they are set;
            an item listed twice has its first place and its last text.
        reset: whether to remove every item first.
        patch: changes of single members, in order; if one does not fit, nothing of the update is done.
    """

    remove: tuple[str, ...] = ()
    insert: Mapping[str, bytes] = {}
    reset: bool = False
    patch: tuple[Patch, ...] = ()

    def __post_init__(self) -> None:
        if self.reset and self.remove:
            force_setattr(self, "remove", ())

    @property
    def is_noop(self) -> bool:
        """Whether the update touches nothing in any state: `{}` on the wire."""
        return not (self.reset or self.remove or self.insert or self.patch)

    @property
    def patched(self) -> tuple[str, ...]:
        """The ids of its patches, each once."""
        return tuple(dict.fromkeys([patch.id for patch in self.patch])) if self.patch else ()

    @property
    def listed(self) -> int:
        """Number of ids that it lists, one that is removed and inserted twice: it costs that much."""
        return len(self.insert) + len(self.remove) + len(self.patch)

    @property
    def touched(self) -> int:
        """Number of ids the update names, as given in the reply to it."""
        if self.patch:
            return len({*self.insert, *self.remove, *self.patched})
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
    """Return the state after `update`; a replaced item keeps its place.

    Raises:
        MismatchError: a patch does not fit.
    """
    update = resolve(update, state.get)
    if update.reset:
        return dict(update.insert)
    after = dict(state)
    for id in update.remove:
        after.pop(id, None)
    after.update(update.insert)
    return after


def resolve(update: Update, text_of: Callable[[str], bytes | None]) -> Update:
    """Return the update without patches that does the same to the items that there are: it inserts what they lead to.

    A store calls this within its transaction, and then has to do with ids and texts only.

    Args:
        update: what to do; no member of a patch may still be one that becomes the time of the commit.
        text_of: returns the text of an item as it is before the update; None if there is none.

    Raises:
        MismatchError: a patch does not fit; nothing of the update is to be done.
    """
    if not update.patch:
        return update
    work = resolving(update, text_of)
    while True:
        try:
            next(work)
        except StopIteration as end:
            resolved: Update = end.value
            return resolved


def resolving(
    update: Update, text_of: Callable[[str], bytes | None]
) -> Generator[int, None, Update]:
    """Do what `resolve` does patch by patch; yield the length of each item that was made.

    Raises:
        MismatchError: a patch does not fit.
    """
    gone = frozenset(update.remove)
    insert = dict(update.insert)
    for index, patch in enumerate(update.patch):
        text = insert.get(patch.id)
        if text is None and not update.reset and patch.id not in gone:
            text = text_of(patch.id)
        try:
            insert[patch.id] = text = patched(text, patch)
        except Misfit as misfit:
            place, problem = f"patch[{index}]{misfit.place}", misfit.problem
            raise MismatchError(misfit.code, problem, place, patch.id) from None
        yield len(text)
    return Update(update.remove, insert, update.reset)


def compose(first: Update, second: Update) -> Update:
    """Return the single update that does what `first` and then `second` do, on any state where both can be done."""
    if second.reset:
        return second
    insert = dict(first.insert)
    for id in second.remove:
        insert.pop(id, None)
    patches: tuple[Patch, ...] = ()
    if first.patch or second.patch:
        patches = _compose_patches(first, second, insert)
    else:
        insert.update(second.insert)
    if first.reset:
        return Update(insert=insert, reset=True, patch=patches)
    remove = tuple(dict.fromkeys((*first.remove, *second.remove)))
    return Update(remove, insert, patch=patches)


def _compose_patches(first: Update, second: Update, insert: dict[str, bytes]) -> tuple[Patch, ...]:
    """Return the patches of two updates, and complete what they insert.

    An item that may come behind one that a patch of `first` makes cannot be inserted, since that is done before: it
    becomes a patch that puts the whole of it there.
    """
    gone = frozenset(second.remove)
    patches = [patch for patch in first.patch if patch.id not in gone]
    for id, text in second.insert.items():
        of = [index for index, patch in enumerate(patches) if patch.id == id]
        makes_it = any(patches[index].upsert or patches[index].whole for index in of)
        if id in insert or (of and not makes_it):  # it is there before anything that a patch makes
            insert[id] = text
            patches = [patch for patch in patches if patch.id != id]
        elif of:
            patches[of[0]] = Patch(id, whole=text)
            patches = [patch for at, patch in enumerate(patches) if at not in of[1:]]
        elif any(patch.upsert or patch.whole for patch in patches):
            patches.append(Patch(id, whole=text))
        else:
            insert[id] = text
    for patch in second.patch:
        if not _fold(patch, insert, patches):
            patches.append(patch)
    return tuple(patches)


def _fold(patch: Patch, insert: dict[str, bytes], patches: list[Patch]) -> bool:
    """Change the item that a patch is about, if that is known; return whether it is."""
    if patch.now:
        return False
    earlier = [index for index, other in enumerate(patches) if other.id == patch.id]
    try:
        if not earlier and patch.id in insert:
            insert[patch.id] = patched(insert[patch.id], patch)
        elif earlier and patches[earlier[-1]].is_only_whole:
            whole = patched(patches[earlier[-1]].whole, patch)
            patches[earlier[-1]] = replace(patches[earlier[-1]], whole=whole)
        else:
            return False
    except Misfit:
        return False  # it will not fit then, either
    return True


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
