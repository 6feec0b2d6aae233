"""Breaches in what is there after `close`, and of several backends on one file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
from msgspec.structs import replace

from tests.backends.conformance.journal_backend import Entry, JournalBackend

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import CommitResult, Cursor, Loaded, Write


class OnlyInMemory(JournalBackend):
    async def append(self, entry: Entry) -> None: ...


class OneLineBehind(JournalBackend):
    """Writes a line when the next one comes."""

    last: Entry | None = None

    async def append(self, entry: Entry) -> None:
        if self.last is not None:
            await super().append(self.last)
        self.last = entry


class Reading(JournalBackend):
    """Changes what was kept when it is opened."""

    async def open(self) -> None:
        await super().open()
        for key in list(self.stored):
            self.read(key)

    def read(self, key: tuple[str, str]) -> None: ...


class TombstonesAreNotKept(Reading):
    def read(self, key: tuple[str, str]) -> None:
        rows = self.stored[key].rows
        self.stored[key].rows = {id: row for id, row in rows.items() if row.text is not None}


class SortedWhenOpened(Reading):
    def read(self, key: tuple[str, str]) -> None:
        rows = self.stored[key].rows
        for place, id in enumerate(sorted(rows)):
            if rows[id].text is not None:
                rows[id] = replace(rows[id], place=place)


class CreatedWhenTouched(Reading):
    def read(self, key: tuple[str, str]) -> None:
        rows = self.stored[key].rows
        for id, row in rows.items():
            if row.text is not None:
                rows[id] = replace(row, created=row.version)


class EmptiedAreForgotten(Reading):
    def read(self, key: tuple[str, str]) -> None:
        if all(row.text is None for row in self.stored[key].rows.values()):
            del self.stored[key]


class RowsComeBack(JournalBackend):
    """A reset is not on the disk."""

    async def append(self, entry: Entry) -> None:
        await super().append(entry._replace(reset=False))


# Several backends, and one that forgets


class DoesNotNotice(JournalBackend):
    def notice(self) -> None: ...


class ReadsWhenOpened(JournalBackend):
    """Two of them on one file know nothing of each other."""


class LocksNothing(JournalBackend):
    """Each reads the file before it does anything, but nothing keeps the other from doing so at the same time."""

    async def refresh(self) -> None:
        self._read_lines()

    async def commit(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        await self.refresh()
        await anyio.lowlevel.checkpoint()
        return await super().commit(path, writes)

    async def load(self, path: CollectionPath, since: Cursor | None) -> Loaded:
        await self.refresh()
        return await super().load(path, since)

    async def heads(self, paths: Sequence[CollectionPath]) -> Mapping[CollectionPath, Cursor]:
        await self.refresh()
        return await super().heads(paths)

    async def collections(self, app: str) -> Sequence[str]:
        await self.refresh()
        return await super().collections(app)
