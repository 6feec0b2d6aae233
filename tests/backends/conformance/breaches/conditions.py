"""Breaches in whether a write is applied, and in what is left by one that is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from sharedstate_core.storage import (
    CommitResult,
    Committed,
    Condition,
    Cursor,
    Rejected,
    Row,
    Write,
    condition_holds,
)
from tests.backends.conformance.journal_backend import Collection, JournalBackend

from .writing import Rewriting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_backends.plan import Plan
    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import Outcome
    from sharedstate_core.updates import Update


class OneRejectsAll(JournalBackend):
    async def store(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        rejected = [
            each for each in self.plan(path, writes).outcomes if not isinstance(each, Committed)
        ]
        if rejected:
            return CommitResult(self.epoch, rejected[:1] * len(writes))
        return await super().store(path, writes)


class OneRejectsTheRest(JournalBackend):
    async def store(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        outcomes = self.plan(path, writes).outcomes
        for number, outcome in enumerate(outcomes):
            if not isinstance(outcome, Committed):
                result = await super().store(path, writes[:number])
                rest = [outcome] * (len(writes) - number)
                return replace(result, outcomes=[*result.outcomes, *rest])
        return await super().store(path, writes)


class AfterRejecting(JournalBackend):
    """Does something for each write that it rejects."""

    async def store(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        result = await super().store(path, writes)
        for write, outcome in zip(writes, result.outcomes, strict=True):
            if isinstance(outcome, Rejected):
                self.rejected(path, write.update)
        return result

    def rejected(self, path: CollectionPath, update: Update) -> None: ...


class RejectedWritesCount(AfterRejecting):
    def rejected(self, path: CollectionPath, update: Update) -> None:
        if (collection := self.stored.get(self.key(path))) is not None:
            collection.head = collection.head._replace(version=collection.head.version + 1)


class RejectedWritesRemove(AfterRejecting):
    def rejected(self, path: CollectionPath, update: Update) -> None:
        for id in update.remove:
            self.collection(path)[1].pop(id, None)


class RejectedWritesInsert(AfterRejecting):
    def rejected(self, path: CollectionPath, update: Update) -> None:
        (version, *_), rows = self.collection(path)
        for id, text in update.insert.items():
            rows.setdefault(id, Row(id, text, version, 9, version))


class RejectedWritesMakeThem(AfterRejecting):
    def rejected(self, path: CollectionPath, update: Update) -> None:
        if self.key(path) not in self.stored:
            rows = {id: Row(id, text, 0, 0, 0) for id, text in update.insert.items()}
            self.stored[self.key(path)] = Collection(rows=rows)


class ConditionsSeeTheStart(JournalBackend):
    """Of the commit, not what its earlier writes have done."""

    def plan(self, path: CollectionPath, writes: Sequence[Write]) -> Plan:
        each = [super(ConditionsSeeTheStart, self).plan(path, [write]) for write in writes]
        held = [isinstance(planned.outcomes[0], Committed) for planned in each]
        free = [replace(write, condition=None) for write in writes]
        planned = super().plan(path, [w for w, holds in zip(free, held, strict=True) if holds])
        outcomes = iter(planned.outcomes)
        version = self.collection(path)[0].version
        rejected: Outcome = Rejected("conflict", "it has changed", version)
        planned.outcomes = [next(outcomes) if holds else rejected for holds in held]
        return planned


class Judging(Rewriting):
    """Has ideas of its own of whether a condition holds."""

    def rewritten(self, path: CollectionPath, write: Write) -> Write:
        if write.condition is None:
            return write
        return Write(write.update, self.judged(path, write.condition))

    def judged(self, path: CollectionPath, condition: Condition) -> Condition | None:
        return None


class IdsAreIgnored(Judging):
    def judged(self, path: CollectionPath, condition: Condition) -> Condition | None:
        return Condition(condition.cursor)


class RemovalsAreNoChange(Judging):
    def judged(self, path: CollectionPath, condition: Condition) -> Condition | None:
        rows = self.collection(path)[1]
        live = [id for id in condition.ids or () if id not in rows or rows[id].text is not None]
        return replace(condition, ids=None if condition.ids is None else tuple(live))


class AnyEpochHolds(Judging):
    def judged(self, path: CollectionPath, condition: Condition) -> Condition | None:
        return replace(condition, cursor=Cursor(self.epoch, condition.cursor.version))


class TheFutureHolds(Judging):
    def judged(self, path: CollectionPath, condition: Condition) -> Condition | None:
        version = min(condition.cursor.version, self.collection(path)[0].version)
        return replace(condition, cursor=Cursor(condition.cursor.epoch, version))


class TheHorizonIsIgnored(Judging):
    """An id that has no row has not changed, it says."""

    def judged(self, path: CollectionPath, condition: Condition) -> Condition | None:
        head, rows = self.collection(path)
        ids = condition.ids
        versions = [rows[id].version for id in ids or () if id in rows]
        holds = condition_holds(
            condition, epoch=self.epoch, version=head.version, horizon=0, versions=versions
        )
        return None if ids is not None and holds else condition


class OnlySomeIds(Judging):
    def judged(self, path: CollectionPath, condition: Condition) -> Condition | None:
        return replace(condition, ids=condition.ids and condition.ids[:500])


class NoopsAreNotAsked(Rewriting):
    def rewritten(self, path: CollectionPath, write: Write) -> Write:
        return Write(write.update) if write.update.is_noop else write


class RejectsWithoutVersion(JournalBackend):
    def plan(self, path: CollectionPath, writes: Sequence[Write]) -> Plan:
        planned = super().plan(path, writes)
        planned.outcomes = [
            replace(each, version=0) if isinstance(each, Rejected) else each
            for each in planned.outcomes
        ]
        return planned
