"""Breaches in `heads`, in `collections` and in pages of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio.lowlevel

from sharedstate_core.storage import Cursor
from tests.backends.conformance.journal_backend import Collection, Entry, JournalBackend

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sharedstate_core.paths import CollectionPath


class HeadsLag(JournalBackend):
    async def heads(self, paths: Sequence[CollectionPath]) -> Mapping[CollectionPath, Cursor]:
        heads = await super().heads(paths)
        return {path: Cursor(e, max(0, version - 1)) for path, (e, version) in heads.items()}


class HeadsOfAMoment(JournalBackend):
    """Remembers what it told first."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.remembered: dict[CollectionPath, Cursor] = {}

    async def heads(self, paths: Sequence[CollectionPath]) -> Mapping[CollectionPath, Cursor]:
        heads = await super().heads(paths)
        return {path: self.remembered.setdefault(path, head) for path, head in heads.items()}


class HeadsOfTheWritten(JournalBackend):
    async def heads(self, paths: Sequence[CollectionPath]) -> Mapping[CollectionPath, Cursor]:
        return {path: head for path, head in (await super().heads(paths)).items() if head.version}


class HeadsOfSome(JournalBackend):
    async def heads(self, paths: Sequence[CollectionPath]) -> Mapping[CollectionPath, Cursor]:
        return await super().heads(paths[:500])


class HeadsOfHalfACommit(JournalBackend):
    """Tells of each write of a commit as it comes by."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.ahead: dict[tuple[str, str], int] = {}

    async def append(self, entry: Entry) -> None:
        key = (entry.app, entry.name)
        for version in range(self.stored.get(key, Collection()).head.version, entry.head.version):
            self.ahead[key] = version
            await anyio.lowlevel.checkpoint()
        await super().append(entry)
        self.ahead.clear()

    async def heads(self, paths: Sequence[CollectionPath]) -> Mapping[CollectionPath, Cursor]:
        heads = await super().heads(paths)
        return {
            path: Cursor(epoch, self.ahead.get(self.key(path), version))
            for path, (epoch, version) in heads.items()
        }


class Listing(JournalBackend):
    async def collections(self, app: str) -> Sequence[str]:
        return self.listed(app, await super().collections(app))

    def listed(self, app: str, names: Sequence[str]) -> Sequence[str]:
        return names


class ListedAsMade(Listing):
    def listed(self, app: str, names: Sequence[str]) -> Sequence[str]:
        return [name for owner, name in self.stored if owner == app and name in names]


class ListedWithoutCase(Listing):
    def listed(self, app: str, names: Sequence[str]) -> Sequence[str]:
        return sorted(names, key=str.casefold)


class ListedAsUtf16(Listing):
    def listed(self, app: str, names: Sequence[str]) -> Sequence[str]:
        return sorted(names, key=lambda name: name.encode("utf-16-be"))


class ListedOfAllApps(Listing):
    def listed(self, app: str, names: Sequence[str]) -> Sequence[str]:
        return sorted({name for _, name in self.stored})


class EmptiedAreListed(Listing):
    def listed(self, app: str, names: Sequence[str]) -> Sequence[str]:
        return sorted(name for owner, name in self.stored if owner == app)


class PagesFromTheName(JournalBackend):
    """A page begins with the name that it should follow."""

    async def collections_page(self, app: str, after: str, limit: int) -> Sequence[str]:
        return [name for name in await self.collections(app) if name >= after][:limit]


class PagesOfTheFirst(JournalBackend):
    """The limit counts before the rest is left out."""

    async def collections_page(self, app: str, after: str, limit: int) -> Sequence[str]:
        return [name for name in (await self.collections(app))[:limit] if name > after]


class PagesAfterNamesThatAreThere(JournalBackend):
    """A name that is not listed has none that follow."""

    async def apps_page(self, after: str, limit: int) -> Sequence[str]:
        apps = await self.apps()
        if after and after not in apps:
            return []
        return await super().apps_page(after, limit)


class PagesWithoutLimit(JournalBackend):
    async def apps_page(self, after: str, limit: int) -> Sequence[str]:
        return await super().apps_page(after, limit + 1)


class PagesAsUtf16(JournalBackend):
    """What follows is not told by code point."""

    async def collections_page(self, app: str, after: str, limit: int) -> Sequence[str]:
        names, first = await self.collections(app), after.encode("utf-16-be")
        return [name for name in names if name.encode("utf-16-be") > first][:limit]
