"""Breaches in `apps` and `prune`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.backends.conformance.journal_backend import Collection, JournalBackend

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from sharedstate_core.paths import CollectionPath


class AppsAsMade(JournalBackend):
    async def apps(self) -> Sequence[str]:
        known = await super().apps()
        return list(dict.fromkeys(app for app, _ in self.stored if app in known))


class AppsThatWere(JournalBackend):
    async def apps(self) -> Sequence[str]:
        return sorted({app for app, _ in self.stored})


class CountsAnew(JournalBackend):
    def forget(self, app: str, name: str) -> None:
        del self.stored[app, name]


class GoesOnAfterTheLastOne(JournalBackend):
    """Raises the floor no further than to what went last."""

    def forget(self, app: str, name: str) -> None:
        self.floor = self.stored.pop((app, name)).head.version


class ForgetsWhatItKnew(JournalBackend):
    """Says that every removal is known of a collection of which nothing is."""

    def collection_of(self, key: tuple[str, str]) -> Collection:
        found = super().collection_of(key)
        if key not in self.stored:
            found.head = found.head._replace(horizon=0)
        return found


class ForgetsWhatHoldsLittle(JournalBackend):
    def is_empty(self, collection: Collection) -> bool:
        return sum(row.text is not None for row in collection.rows.values()) < 2


class ForgetsWhatIsUsed(JournalBackend):
    async def prune(self, service: str, used: Container[CollectionPath]) -> bool:
        return await super().prune(service, ())


class IsNeverDone(JournalBackend):
    async def prune(self, service: str, used: Container[CollectionPath]) -> bool:
        await super().prune(service, used)
        return True


class ForgetsInMemoryOnly(JournalBackend):
    def read_line(self, told: object) -> None:
        super().read_line(told)
        self.floor = 0
