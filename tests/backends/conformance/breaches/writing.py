"""Breaches in what a commit does: writes and their order, names, texts."""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING

from msgspec.structs import replace

from sharedstate_core.storage import (
    CommitResult,
    Committed,
    Write,
)
from sharedstate_core.updates import Update, compose
from tests.backends.conformance.journal_backend import JournalBackend

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sharedstate_backends.plan import Plan
    from sharedstate_core.paths import CollectionPath


class Rewriting(JournalBackend):
    """Stores something else than what was written."""

    def rewritten(self, path: CollectionPath, write: Write) -> Write:
        return write

    def plan(self, path: CollectionPath, writes: Sequence[Write]) -> Plan:
        return super().plan(path, [self.rewritten(path, write) for write in writes])


class LastFirst(JournalBackend):
    async def store(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        result = await super().store(path, writes[::-1])
        return replace(result, outcomes=result.outcomes[::-1])


class OneVersionACommit(JournalBackend):
    async def store(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        update = Update()
        for write in writes:
            update = compose(update, write.update)
        result = await super().store(path, [Write(update)])
        return replace(result, outcomes=[*result.outcomes] * len(writes))


class NoopsCount(Rewriting):
    def rewritten(self, path: CollectionPath, write: Write) -> Write:
        return Write(Update(remove=("",)), write.condition) if write.update.is_noop else write


class AVersionForEachItem(JournalBackend):
    async def store(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        result = await super().store(path, writes)
        more = sum(max(0, len(write.update.insert) - 1) for write in writes)
        await super().store(path, [Write(Update(remove=("",)))] * more)
        return result


class ResetsCountAnew(JournalBackend):
    def plan(self, path: CollectionPath, writes: Sequence[Write]) -> Plan:
        planned = super().plan(path, writes)
        if planned.reset:
            planned.head = planned.head._replace(version=1, horizon=1)
            planned.outcomes[-1] = Committed(1)
            planned.rows = {
                id: replace(row, created=1, version=1) for id, row in planned.rows.items()
            }
        return planned


class RemovesLast(Rewriting):
    def rewritten(self, path: CollectionPath, write: Write) -> Write:
        kept = {
            id: text for id, text in write.update.insert.items() if id not in write.update.remove
        }
        return Write(Update(write.update.remove, kept, write.update.reset), write.condition)


class RemovingNothingIsNothing(Rewriting):
    def rewritten(self, path: CollectionPath, write: Write) -> Write:
        rows = self.collection(path)[1]
        update, condition = write.update, write.condition
        if update.insert or any(id in rows for id in update.remove):
            return write
        return Write(Update(reset=update.reset), condition)


class OnlyTheFirstHundred(JournalBackend):
    async def store(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        result = await super().store(path, writes[:100])
        last = result.outcomes[-1].version if result.outcomes else 0
        rest = [Committed(last + number) for number in range(1, len(writes) - 99)]
        return replace(result, outcomes=[*result.outcomes, *rest])


class ResetsKeepTheRest(Rewriting):
    def rewritten(self, path: CollectionPath, write: Write) -> Write:
        return Write(Update((), write.update.insert), write.condition)


# Names and texts


def keyed(change: Callable[[str], str]) -> type[JournalBackend]:
    """Return a store that keeps names of apps and collections changed like that, and lists them as they were."""

    class Keyed(JournalBackend):
        def key(self, path: CollectionPath) -> tuple[str, str]:
            return change(path.app), change(path.collection)

    return Keyed


class KeyOfBoth(JournalBackend):
    def key(self, path: CollectionPath) -> tuple[str, str]:
        return "", f"{path.app}-{path.collection}"


class AppIsIgnored(JournalBackend):
    def key(self, path: CollectionPath) -> tuple[str, str]:
        return "app", path.collection


class ServiceCounts(JournalBackend):
    def key(self, path: CollectionPath) -> tuple[str, str]:
        app = path.app if path.service == "service" else f"{path.service}/{path.app}"
        return app, path.collection


def ids(change: Callable[[str], str]) -> type[JournalBackend]:
    """Return a store that keeps ids changed like that."""

    class Ids(Rewriting):
        def rewritten(self, path: CollectionPath, write: Write) -> Write:
            update = write.update
            remove = tuple(dict.fromkeys(map(change, update.remove)))
            insert = {change(id): text for id, text in update.insert.items()}
            return Write(Update(remove, insert, update.reset), write.condition)

    return Ids


def texts(change: Callable[[bytes], bytes]) -> type[JournalBackend]:
    """Return a store that keeps texts changed like that."""

    class Texts(Rewriting):
        def rewritten(self, path: CollectionPath, write: Write) -> Write:
            update = write.update
            insert = {id: change(text) for id, text in update.insert.items()}
            return Write(Update(update.remove, insert, update.reset), write.condition)

    return Texts


def composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def without_marks(text: str) -> str:
    return text.replace("\ufeff", "").replace("\u200b", "").replace("\ufe0f", "")


def parsed(text: bytes) -> bytes:
    return json.dumps(json.loads(text)).encode()


def unescaped(text: bytes) -> bytes:
    return text.replace(b"\\u00e9", "é".encode())
