"""What the author of an update may do to a collection, checked on what is in memory before storage is asked.

The rules:

1. Every id is checked: what becomes of it, beside what is stored. If one may not be changed, nothing is.
2. There is no gap between the check and the commit: storage applies the write only if nothing that was looked at has
   changed since. Otherwise it is checked again, on what is there then.
3. Within one commit nothing is looked at that an earlier update of it changes.
4. Where it matters to the author's rights what patches lead to, that is checked, and inserted. Otherwise storage
   carries them out, and nothing need be in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic

from sharedstate_core.effects import C
from sharedstate_core.errors import MismatchError, RequestError
from sharedstate_core.storage import Condition, Write, condition_holds
from sharedstate_core.updates import Update, resolving

from .waiting_requests import write_at

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from sharedstate_core.effects import Effects
    from sharedstate_core.items.replica import Replica
    from sharedstate_core.wire.decode import Places

    from .permit import Permit
    from .waiting_requests import Put

CHECKED_AT_ONCE: Final = 100
"""Ids that are checked in one turn, about: an expression takes some microseconds for each of them."""

TEXT_BYTES: Final = 2_000
"""Bytes of items, stored and new, that count as another id: all of them are decoded."""

TRIES: Final = 3
"""How often an update is checked, while others keep changing what it depends on."""


def check(
    permit: Permit,
    write: Write,
    places: Places | None,
    replica: Replica | None,
    now: float,
    *,
    looks: bool,
) -> Generator[None, None, Write]:
    """Check an update by portions of about `CHECKED_AT_ONCE` ids, and return what storage is asked for.

    Args:
        permit: what the author may do.
        write: what the author wants.
        places: of its ids in the author's message; None if they stand there in this order.
        replica: what is stored, unless the check does not depend on it; it does not change meanwhile.
        now: seconds, monotonic.
        looks: whether the check depends on what is stored: see `Put.looks`. If it does, the patches have no times to
            resolve, and what they lead to is inserted.

    Raises:
        RequestError: the author may not do it, with the place, or the author's own condition does not hold, or a patch
            does not fit.
    """
    update, insert, done = write.update, {}, 0
    condition = write.condition
    if looks:
        assert replica is not None  # noqa: S101  (the collection has seen to it)
        condition = _unchanged(write, replica)
        if update.patch:
            update = yield from _resolved(update, permit, replica, now)
    gone = frozenset(update.remove)
    removed: int | None = None
    work = 0
    try:
        for id, old in _removed(update, replica if looks else None):
            permit.remove(id, old, now)
            done += 1
            work += _work(old or b"")
            if work >= CHECKED_AT_ONCE:
                work = 0
                yield
        removed = done
        for id, new in update.insert.items():
            stored = None if replica is None or update.reset or id in gone else replica.text(id)
            if stored is None or not looks:
                insert[id] = permit.insert(id, new, now)
            else:
                insert[id] = permit.update(id, stored, new, now)
            done += 1
            work += _work(new, stored or b"")
            if work >= CHECKED_AT_ONCE:
                work = 0
                yield
    except RequestError as error:
        if error.code != "unavailable":  # else it is not about the item
            error.place = _place(write.update, update, places, done, removed)
        raise
    return Write(Update(update.remove, insert, update.reset, update.patch), condition, write.op)


def check_put(put: Put[C], replica: Replica | None, out: Effects[C]) -> Generator[None, None, None]:
    """Check an update by portions, or find out what its patches lead to, for storage to be asked then."""
    write, looks = put.write, put.looks
    if looks:
        write = write_at(write, out.time)
    if put.permit is None:
        assert replica is not None  # noqa: S101  (the collection has seen to it)
        unchanged = _unchanged(write, replica)
        update = yield from _resolved(write.update, None, replica, out.now)
        put.checked = Write(update, unchanged, write.op)
        return
    put.checked = yield from check(put.permit, write, put.places, replica, out.now, looks=looks)


def _resolved(
    update: Update, permit: Permit | None, replica: Replica, now: float
) -> Generator[None, None, Update]:
    """Return by portions the update without patches that does the same to what is stored.

    Raises:
        RequestError: a patch does not fit; of an item that the author may not change nothing else is told.
    """
    work = resolving(update, replica.text)
    done = 0
    while True:
        try:
            length = next(work)
        except StopIteration as end:
            plain: Update = end.value
            return plain
        except MismatchError as error:
            stored = None if permit is None else replica.text(error.id)
            if permit is not None and stored is not None:
                try:
                    permit.update(error.id, stored, stored, now)
                except RequestError as denied:
                    denied.place = error.place.partition("]")[0] + "]"
                    raise
            raise RequestError(
                error.code, error.message, place=error.place, ids=(error.id,)
            ) from None
        done += 1 + length // TEXT_BYTES
        if done >= CHECKED_AT_ONCE:
            done = 0
            yield


def _place(
    asked: Update, update: Update, places: Places | None, done: int, removed: int | None
) -> str:
    """Return the place of what is checked after `done` others, in the author's message.

    Args:
        asked: what the author wants.
        update: the same without patches.
        places: of its ids.
        done: how many have been checked.
        removed: how many of them are removed; None if those are still being checked.
    """
    if removed is not None:
        index = done - removed
        if asked.patch and asked is not update:
            id = list(update.insert)[index]
            patches = [at for at, patch in enumerate(asked.patch) if patch.id == id]
            if patches:
                return f"patch[{patches[-1]}]"
        return f"insert[{index if places is None else places.insert[index]}]"
    if asked.reset:
        return "reset"
    return f"remove[{done if places is None else places.remove[done]}]"


def _removed(update: Update, replica: Replica | None) -> Iterable[tuple[str, bytes | None]]:
    """Yield the ids that an update removes, with what is stored; empty for those that its author has not named."""
    if not update.reset:
        for id in update.remove:
            yield id, None if replica is None else replica.text(id)
    elif replica is None:
        yield "", None
    else:
        for text in replica.each_text():
            yield "", text


def _unchanged(write: Write, replica: Replica) -> Condition:
    """Return the condition that nothing has changed that the check looks at, nor the author's own condition.

    Raises:
        RequestError: `conflict`: the author's own condition does not hold.
    """
    update, own = write.update, write.condition
    ids: set[str] | None = None
    if not update.reset:
        ids = {*update.remove, *update.insert, *update.patched}
    if own is not None:
        versions = [replica.version_of(id) for id in own.ids or ()]
        if not condition_holds(
            own,
            epoch=replica.epoch,
            version=replica.version,
            horizon=replica.horizon,
            versions=versions,
        ):
            raise RequestError("conflict", "the condition does not hold any more")
        ids = None if own.ids is None or ids is None else ids.union(own.ids)
    return Condition(replica.cursor, None if ids is None else tuple(ids))


class Checks(Generic[C]):
    """The updates that have been taken for one commit, as far as a check has to know them.

    Args:
        replica: what is stored, if that is known.
        out: tells the time.
        puts: those taken so far.
    """

    def __init__(self, replica: Replica | None, out: Effects[C], puts: Iterable[Put[C]]) -> None:
        self._replica = replica
        self._out = out
        self._left = CHECKED_AT_ONCE
        self._touched: set[str] | None = set()  # None after a reset: everything
        for put in puts:
            self.add(put)

    def add(self, put: Put[C]) -> None:
        """Take an update for the commit."""
        update = put.write.update
        if update.reset:
            self._touched = None
        elif self._touched is not None:
            self._touched.update(update.remove, update.insert, update.patched)

    def admit(self, put: Put[C]) -> bool:
        """Check an update unless that has been done; return whether it may be taken for the same commit.

        It may not if it depends on those before it, or has to be checked by turns.

        Raises:
            RequestError: its author may not do it.
        """
        if put.permit is None or put.refusal is not None:
            return True
        if put.looks and self._concerns(put.write):
            return False
        if put.checked is None:
            if (work := cost(put, self._replica)) > self._left:
                return False
            self._left -= work
            for _ in check_put(put, self._replica, self._out):
                pass
        return True

    def _concerns(self, write: Write) -> bool:
        update, touched = write.update, self._touched
        if not touched:
            return touched is None
        if update.reset or (write.condition is not None and write.condition.ids is None):
            return True
        named = update.remove, update.insert, update.patched
        return not all(map(touched.isdisjoint, named))


def cost(put: Put[C], replica: Replica | None) -> int:
    """Return what there is to check, in ids; beyond `CHECKED_AT_ONCE`, at least that much."""
    update = put.write.update
    work = update.listed + put.size // TEXT_BYTES
    if replica is None or not put.looks:
        return work
    if update.reset:
        return work + len(replica) + replica.bytes // TEXT_BYTES
    if work <= CHECKED_AT_ONCE:
        ids = (*update.remove, *update.insert, *update.patched)
        work += sum(map(replica.size, ids)) // TEXT_BYTES
    return work


def _work(*texts: bytes) -> int:
    """Return what it takes to check one id, with the texts that are looked at, in ids."""
    return 1 + sum(map(len, texts)) // TEXT_BYTES
