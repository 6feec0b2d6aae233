"""Breaches in what a store tells: loads, order, epochs."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, ClassVar, cast

from msgspec.structs import replace

from sharedstate_core.storage import Cursor, Row
from tests.backends.conformance.journal_backend import Entry, JournalBackend

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sharedstate_backends.plan import Plan
    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import CommitResult, Loaded, Write


class Telling(JournalBackend):
    """Tells something else than what it holds."""

    async def load(self, path: CollectionPath, since: Cursor | None) -> Loaded:
        return self.told(path, since, await super().load(path, since))

    def told(self, path: CollectionPath, since: Cursor | None, loaded: Loaded) -> Loaded:
        return loaded


class TheHorizonIsTooLate(Telling):
    def told(self, path: CollectionPath, since: Cursor | None, loaded: Loaded) -> Loaded:
        if since is None or loaded.base is None or since.version > loaded.horizon:
            return loaded
        rows = list(self.collection(path)[1].values())
        return replace(loaded, base=None, rows=rows)


class TheFutureIsKnown(Telling):
    def told(self, path: CollectionPath, since: Cursor | None, loaded: Loaded) -> Loaded:
        if since and since.epoch == self.epoch and since.version > loaded.version:
            return replace(loaded, base=since.version, rows=[])
        return loaded


class EpochsWithoutCase(JournalBackend):
    async def load(self, path: CollectionPath, since: Cursor | None) -> Loaded:
        if since and since.epoch.casefold() == self.epoch.casefold():
            since = Cursor(self.epoch, since.version)
        return await super().load(path, since)


class RemovalsAreNotTold(Telling):
    def told(self, path: CollectionPath, since: Cursor | None, loaded: Loaded) -> Loaded:
        rows = [row for row in loaded.rows if row.text is not None]
        return replace(loaded, rows=rows) if loaded.base is not None else loaded


class TombstonesAreNotLoaded(Telling):
    def told(self, path: CollectionPath, since: Cursor | None, loaded: Loaded) -> Loaded:
        rows = [row for row in loaded.rows if row.text is not None]
        return replace(loaded, rows=rows) if loaded.base is None else loaded


class TooManyRows(Telling):
    """Those of the version asked for, too."""

    def told(self, path: CollectionPath, since: Cursor | None, loaded: Loaded) -> Loaded:
        if loaded.base is None:
            return loaded
        rows = [row for row in self.collection(path)[1].values() if row.version >= loaded.base]
        return replace(loaded, rows=rows)


class AllRowsWithABase(Telling):
    def told(self, path: CollectionPath, since: Cursor | None, loaded: Loaded) -> Loaded:
        return replace(loaded, rows=list(self.collection(path)[1].values()))


class HorizonOfNothing(Telling):
    """A reset throws the tombstones away, and the horizon says that all are there."""

    def told(self, path: CollectionPath, since: Cursor | None, loaded: Loaded) -> Loaded:
        return replace(loaded, horizon=0)


class HorizonAhead(Telling):
    def told(self, path: CollectionPath, since: Cursor | None, loaded: Loaded) -> Loaded:
        return replace(loaded, horizon=loaded.version + 1)


class TwoRowsAnId(Telling):
    def told(self, path: CollectionPath, since: Cursor | None, loaded: Loaded) -> Loaded:
        return replace(loaded, rows=[*loaded.rows, *loaded.rows[:1]])


class TombstonesHaveAPlace(Telling):
    def told(self, path: CollectionPath, since: Cursor | None, loaded: Loaded) -> Loaded:
        rows = [row if row.text else replace(row, created=row.version) for row in loaded.rows]
        return replace(loaded, rows=rows)


class VersionOfCreation(JournalBackend):
    """A row that is replaced keeps its version."""

    def entry(self, path: CollectionPath, planned: Plan) -> Entry:
        entry = super().entry(path, planned)
        rows = [replace(row, version=row.created or row.version) for row in entry.rows]
        return entry._replace(rows=rows)


class ForgetsWithoutHorizon(JournalBackend):
    def apply(self, entry: Entry) -> None:
        super().apply(entry)
        collection = self.stored[entry.app, entry.name]
        if not entry.reset:
            collection.head = collection.head._replace(horizon=0)


class LiveRows(Telling):
    def told(self, path: CollectionPath, since: Cursor | None, loaded: Loaded) -> Loaded:
        if loaded.base is not None:
            return loaded
        return replace(loaded, rows=cast("Sequence[Row]", self.collection(path)[1].values()))


# Order of insertion


class Placing(JournalBackend):
    """Has ideas of its own of where an item stands."""

    def entry(self, path: CollectionPath, planned: Plan) -> Entry:
        entry = super().entry(path, planned)
        before = self.collection(path)[1]
        rows = [row if row.text is None else self.placed(row, before) for row in entry.rows]
        return entry._replace(rows=rows)

    def placed(self, row: Row, before: Mapping[str, Row]) -> Row:
        return row


class ReplacedItemsMove(Placing):
    def placed(self, row: Row, before: Mapping[str, Row]) -> Row:
        return replace(row, created=row.version)


class ReturningItemsStay(Placing):
    """Where they were before they were removed."""

    places: ClassVar[dict[str, int]] = {}

    def placed(self, row: Row, before: Mapping[str, Row]) -> Row:
        created = min(row.created, self.places.get(row.id, row.created))
        self.places[row.id] = created
        return replace(row, created=created)


class PlacesByName(Placing):
    def placed(self, row: Row, before: Mapping[str, Row]) -> Row:
        return replace(row, place=int.from_bytes(row.id[:4].encode()))


class PlacesOfOneByte(Placing):
    def placed(self, row: Row, before: Mapping[str, Row]) -> Row:
        return replace(row, place=row.place % 256)


class NoPlaces(Placing):
    def placed(self, row: Row, before: Mapping[str, Row]) -> Row:
        return replace(row, place=0)


# Epochs


class OneEpoch(JournalBackend):
    def draw_epoch(self) -> str:
        return "epoch"


class EpochOfTheFile(JournalBackend):
    """The same for a file of that name, whatever became of the one before."""

    def draw_epoch(self) -> str:
        return hashlib.sha256(bytes(self.file)).hexdigest()[:12]


class EpochOfTheCollection(Telling):
    def told(self, path: CollectionPath, since: Cursor | None, loaded: Loaded) -> Loaded:
        return replace(loaded, epoch=f"{self.epoch} {path.collection}")


class CommitsNameAnother(JournalBackend):
    async def store(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        result = await super().store(path, writes)
        return replace(result, epoch=self.epoch[::-1] + "x")


class NoEpoch(JournalBackend):
    def draw_epoch(self) -> str:
        return ""


class CountsAnewWhenEmpty(JournalBackend):
    def apply(self, entry: Entry) -> None:
        super().apply(entry)
        if all(row.text is None for row in self.stored[entry.app, entry.name].rows.values()):
            del self.stored[entry.app, entry.name]
