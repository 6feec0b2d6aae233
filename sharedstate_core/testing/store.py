"""A store in memory that does exactly what a store must, and remembers every state it ever held.

The rules:

1. A commit applies its writes in order; one whose condition does not hold, or whose patch does not fit, is rejected
   alone; every other one raises the version by one, unless it is a no-op.
2. A row keeps `created` and `place` when its item is replaced; removing an item leaves a tombstone.
3. Beyond `tombstones` of them, the oldest are forgotten and `horizon` moves to the newest one forgotten. A reset
   forgets them all.
4. `start_anew` empties everything under a new epoch, like a store recreated from nothing.
5. `forget` drops an empty collection. A collection that is not there is empty at the highest version ever dropped, and
   continues from there: no version comes twice.
6. Receipts are kept with each collection, and answer for updates with a number.

States are computed by `updates.apply`, independently of the rows, so a test can compare the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from sharedstate_core.arguments import check_number, expect
from sharedstate_core.errors import MismatchError
from sharedstate_core.receipts import Receipt, Receipts
from sharedstate_core.storage import (
    CommitResult,
    Committed,
    Cursor,
    Loaded,
    Outcome,
    Rejected,
    Row,
    Write,
    condition_holds,
)
from sharedstate_core.updates import Update, apply, resolve

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from sharedstate_core.paths import CollectionPath


class Version(NamedTuple):
    """One step of a collection's history: the update that led to it (None at the start), and the state."""

    update: Update | None
    state: Mapping[str, bytes]


class _Table:
    """A store's data of one collection."""

    def __init__(self, floor: int = 0) -> None:
        self.version = floor
        self.horizon = floor
        self.rows: dict[str, Row] = {}
        self.receipts: dict[str, Receipt] = {}

    def text(self, id: str) -> bytes | None:
        row = self.rows.get(id)
        return None if row is None else row.text

    def write(self, update: Update, tombstones: int) -> None:
        self.version += 1
        if update.reset:
            self.rows.clear()
            self.horizon = self.version
        for id in update.remove:
            row = self.rows.get(id)
            if row is not None and row.text is not None:
                self.rows[id] = Row(id, None, 0, 0, self.version)
        for place, (id, text) in enumerate(update.insert.items()):
            row = self.rows.get(id)
            if row is None or row.text is None:
                self.rows[id] = Row(id, text, self.version, place, self.version)
            else:
                self.rows[id] = replace(row, text=text, version=self.version)
        dead = sorted((row.version, row.id) for row in self.rows.values() if row.text is None)
        for version, id in dead[: max(0, len(dead) - tombstones)]:
            del self.rows[id]
            self.horizon = version


class MemoryStore:
    """All collections of a server, in memory.

    Args:
        epoch: the first epoch.
        tombstones: number of removed ids that it remembers for each collection.
    """

    def __init__(self, epoch: str = "epoch-1", *, tombstones: int = 10_000) -> None:
        expect("epoch", epoch, str)
        check_number("tombstones", tombstones, 0)
        self.epoch = epoch
        self._tombstones = tombstones
        self._floor = 0
        self._tables: dict[CollectionPath, _Table] = {}
        self._history: dict[tuple[CollectionPath, str], list[Version]] = {}

    def commit(
        self, path: CollectionPath, writes: Sequence[Write], *, reject: Collection[int] = ()
    ) -> CommitResult:
        """Carry out a `Commit`; reject the writes at the positions in `reject` as `forbidden`."""
        history = self.history(path)
        table = self._tables.setdefault(path, _Table(self._floor))
        outcomes: list[Outcome] = []
        receipts = Receipts(table.receipts)
        for place, write in enumerate(writes):
            outcome = receipts.answer(write, table.version)
            if outcome is None:
                outcome = self._decide(table, history, write, is_refused=place in reject)
                receipts.note(write, outcome)
            outcomes.append(outcome)
        table.receipts.update(receipts.changed)
        return CommitResult(self.epoch, outcomes)

    def _decide(
        self, table: _Table, history: list[Version], write: Write, *, is_refused: bool
    ) -> Outcome:
        condition = write.condition
        ids = () if condition is None else condition.ids or ()
        if is_refused:
            return Rejected("forbidden", "the store refuses this", table.version)
        if not condition_holds(
            condition,
            epoch=self.epoch,
            version=table.version,
            horizon=table.horizon,
            versions=[table.rows[id].version for id in ids if id in table.rows],
        ):
            return Rejected("conflict", "it has changed meanwhile", table.version)
        return self._write(table, history, write.update)

    def _write(self, table: _Table, history: list[Version], update: Update) -> Outcome:
        """Apply an update; the rows and the history each find out by themselves what its patches lead to."""
        try:
            resolved = resolve(update, table.text)
        except MismatchError as error:
            return Rejected.misfit(error, table.version)
        if not update.is_noop:
            table.write(resolved, self._tombstones)
            history.append(Version(update, apply(history[-1].state, update)))
        return Committed(table.version)

    def load(self, path: CollectionPath, since: Cursor | None) -> Loaded:
        """Carry out a `Load`: return what changed after `since` if that is known, else everything."""
        table = self._tables.get(path) or _Table(self._floor)
        if (
            since is None
            or since.epoch != self.epoch
            or not table.horizon <= since.version <= table.version
        ):
            rows = list(table.rows.values())
            return Loaded(self.epoch, table.version, table.horizon, rows)
        rows = [row for row in table.rows.values() if row.version > since.version]
        return Loaded(self.epoch, table.version, table.horizon, rows, since.version)

    def collections(
        self, service: str, app: str, after: str = "", limit: int | None = None
    ) -> list[str]:
        """Carry out a `ListCollections`: return the names of collections that hold an item, sorted."""
        names = sorted(
            path.collection
            for path, table in self._tables.items()
            if (path.service, path.app) == (service, app)
            and path.collection > after
            and any(row.text is not None for row in table.rows.values())
        )
        return names[:limit]

    def apps(self, service: str, after: str = "", limit: int | None = None) -> list[str]:
        """Carry out a `ListApps`: return the names of apps with collections that hold an item, sorted."""
        apps = {path.app for path in self._tables if path.service == service and path.app > after}
        return sorted(app for app in apps if self.collections(service, app))[:limit]

    def forget_receipts(self, before: int, most: int) -> None:
        """Forget receipts of a time before this one, and of each collection the oldest beyond so many."""
        for table in self._tables.values():
            latest = sorted(table.receipts.items(), key=lambda each: each[1].time)
            kept = latest[max(0, len(latest) - most) :]
            table.receipts = {session: each for session, each in kept if each.time >= before}

    def start_anew(self, epoch: str) -> None:
        """Lose everything; versions start again from 0 under another epoch."""
        self.epoch = epoch
        self._floor = 0
        self._tables.clear()

    def forget(self, path: CollectionPath) -> bool:
        """Drop a collection if it holds no items; return whether it was dropped."""
        table = self._tables.get(path)
        if table is None or any(row.text is not None for row in table.rows.values()):
            return False
        del self._tables[path]
        self._floor = max(self._floor, table.version)
        return True

    # --- for checks -------------------------------------------------------------------------------

    def head(self, path: CollectionPath) -> Cursor:
        """Return the cursor of a collection's current state."""
        return Cursor(self.epoch, len(self.history(path)) - 1)

    def state(self, path: CollectionPath) -> Mapping[str, bytes]:
        """Return a collection's current state: item texts by id, in order of insertion."""
        return self.history(path)[-1].state

    def history(self, path: CollectionPath, epoch: str | None = None) -> list[Version]:
        """Return every version of a collection in an epoch, by number; version 0 is the empty start.

        Versions that were skipped because it, or another collection, was forgotten have an empty state.
        """
        history = self._history.setdefault((path, epoch or self.epoch), [Version(None, {})])
        if path not in self._tables and epoch in {None, self.epoch}:
            history += [Version(None, {})] * (self._floor + 1 - len(history))
        return history

    def histories(self) -> Iterator[tuple[tuple[CollectionPath, str], list[Version]]]:
        """Yield ((collection, epoch), every version) for everything there ever was."""
        yield from list(self._history.items())

    def state_at(self, path: CollectionPath, cursor: Cursor) -> Mapping[str, bytes] | None:
        """Return the state that a cursor names; None if the collection was never in that state."""
        history = self.history(path, cursor.epoch)
        return history[cursor.version].state if 0 <= cursor.version < len(history) else None
