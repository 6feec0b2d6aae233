"""What the author of an update may do to a collection, checked on what is in memory before storage is asked.

The rules:

1. Every id is checked: what becomes of it, beside what is stored. If one may not be changed, nothing is.
2. There is no gap between the check and the commit: storage applies the write only if nothing that was looked at has
   changed since. Otherwise it is checked again, on what is there then.
3. Within one commit nothing is looked at that an earlier update of it changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic

from sharedstate_core.effects import C
from sharedstate_core.errors import RequestError
from sharedstate_core.storage import Condition, Write, condition_holds
from sharedstate_core.updates import Update

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

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
) -> Generator[None, None, Write]:
    """Check an update by portions of about `CHECKED_AT_ONCE` ids, and return what storage is asked for.

    Args:
        permit: what the author may do.
        write: what the author wants.
        places: of its ids in the author's message; None if they stand there in this order.
        replica: what is stored, unless the permit does not depend on it; it does not change meanwhile.
        now: seconds, monotonic.

    Raises:
        RequestError: the author may not do it, with the place, or the author's own condition does not hold.
    """
    update, insert, done = write.update, {}, 0
    condition = write.condition
    if permit.looks:
        assert replica is not None  # noqa: S101  (the collection has seen to it)
        condition = _unchanged(write, replica)
    gone = frozenset(update.remove)
    removed: int | None = None
    work = 0
    try:
        for id, old in _removed(update, replica if permit.looks else None):
            permit.remove(id, old, now)
            done += 1
            work += _work(old or b"")
            if work >= CHECKED_AT_ONCE:
                work = 0
                yield
        removed = done
        for id, new in update.insert.items():
            stored = None if replica is None or update.reset or id in gone else replica.text(id)
            if stored is None or not permit.looks:
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
            error.place = _place(update, places, done, removed)
        raise
    return Write(Update(update.remove, insert, update.reset), condition)


def check_put(put: Put[C], replica: Replica | None, now: float) -> Generator[None, None, None]:
    """Check an update by portions, for storage to be asked then."""
    assert put.permit is not None  # noqa: S101  (otherwise there is nothing to check)
    put.checked = yield from check(put.permit, put.write, put.places, replica, now)


def _place(update: Update, places: Places | None, done: int, removed: int | None) -> str:
    """Return the place of what is checked after `done` others, in the author's message."""
    if removed is not None:
        index = done - removed
        return f"insert[{index if places is None else places.insert[index]}]"
    if update.reset:
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
    ids: set[str] | None = None if update.reset else {*update.remove, *update.insert}
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
        now: seconds, monotonic.
        puts: those taken so far.
    """

    def __init__(self, replica: Replica | None, now: float, puts: Iterable[Put[C]]) -> None:
        self._replica = replica
        self._now = now
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
            self._touched.update(update.remove, update.insert)

    def admit(self, put: Put[C]) -> bool:
        """Check an update unless that has been done; return whether it may be taken for the same commit.

        It may not if it depends on those before it, or has to be checked by turns.

        Raises:
            RequestError: its author may not do it.
        """
        if put.permit is None:
            return True
        if put.permit.looks and self._concerns(put.write):
            return False
        if put.checked is None:
            if (work := cost(put, self._replica)) > self._left:
                return False
            self._left -= work
            for _ in check_put(put, self._replica, self._now):
                pass
        return True

    def _concerns(self, write: Write) -> bool:
        update, touched = write.update, self._touched
        if not touched:
            return touched is None
        if update.reset or (write.condition is not None and write.condition.ids is None):
            return True
        return not (touched.isdisjoint(update.remove) and touched.isdisjoint(update.insert))


def cost(put: Put[C], replica: Replica | None) -> int:
    """Return what there is to check, in ids; beyond `CHECKED_AT_ONCE`, at least that much."""
    update = put.write.update
    work = update.listed + put.size // TEXT_BYTES
    if replica is None or not put.looks:
        return work
    if update.reset:
        return work + len(replica) + replica.bytes // TEXT_BYTES
    if work <= CHECKED_AT_ONCE:
        work += sum(map(replica.size, (*update.remove, *update.insert))) // TEXT_BYTES
    return work


def _work(*texts: bytes) -> int:
    """Return what it takes to check one id, with the texts that are looked at, in ids."""
    return 1 + sum(map(len, texts)) // TEXT_BYTES
