"""Breaches in what becomes of updates that are sent again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from msgspec.structs import replace

from sharedstate_core.storage import CommitResult, Committed, Rejected, Write
from tests.backends.conformance.journal_backend import JournalBackend

from .writing import Rewriting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_backends.plan import Plan
    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.receipts import Receipt


class NumbersAreIgnored(Rewriting):
    def rewritten(self, path: CollectionPath, write: Write) -> Write:
        return Write(write.update, write.condition)


class RefusalsAreIgnored(Rewriting):
    """What the server would refuse is decided as any other."""

    def rewritten(self, path: CollectionPath, write: Write) -> Write:
        return replace(write, refusal=None)


class DuplicatesAreNotTold(JournalBackend):
    async def store(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        result = await super().store(path, writes)
        outcomes = [
            Committed(each.version) if isinstance(each, Committed) else each
            for each in result.outcomes
        ]
        return replace(result, outcomes=outcomes)


class OneReceiptForAllSessions(JournalBackend):
    def plan(self, path: CollectionPath, writes: Sequence[Write]) -> Plan:
        return super().plan(
            path,
            [
                replace(each, op=each.op and replace(each.op, session=each.op.session.casefold()))
                for each in writes
            ],
        )


class OneReceiptForAllCollections(JournalBackend):
    def receipts(self, path: CollectionPath) -> dict[str, Receipt]:
        return {
            session: receipt
            for collection in self.stored.values()
            for session, receipt in collection.receipts.items()
        }


class ReceiptsAreInMemoryOnly(JournalBackend):
    def write_line(self, line: bytes) -> None:
        super().write_line(_without_receipts(line))


class CodesAreForgotten(JournalBackend):
    def receipts(self, path: CollectionPath) -> dict[str, Receipt]:
        return {
            session: replace(each, refused={}) for session, each in super().receipts(path).items()
        }


class OnlyTheLastNumber(JournalBackend):
    """Whatever is not after it counts as stored."""

    def receipts(self, path: CollectionPath) -> dict[str, Receipt]:
        return {
            session: replace(each, stored=2**256 - 1)
            for session, each in super().receipts(path).items()
        }


class ResetsForgetReceipts(JournalBackend):
    def plan(self, path: CollectionPath, writes: Sequence[Write]) -> Plan:
        planned = super().plan(path, writes)
        if planned.reset:
            self.receipts(path).clear()
            planned.receipts.clear()
        return planned


class ConditionsComeFirst(JournalBackend):
    """A duplicate is refused since its condition does not hold any more."""

    async def store(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        result = await super().store(path, writes)
        outcomes = [
            Rejected("conflict", "it has changed", outcome.version)
            if write.condition is not None and isinstance(outcome, Committed) and outcome.duplicate
            else outcome
            for write, outcome in zip(writes, result.outcomes, strict=True)
        ]
        return replace(result, outcomes=outcomes)


class NeverForgets(JournalBackend):
    async def forget_receipts(self, before: int, most: int) -> bool:
        return False


class ForgetsThem(JournalBackend):
    """Empty collections go, with their receipts."""

    def is_over(self, collection: object) -> bool:
        return self.is_empty(collection)  # type: ignore[arg-type]


def _without_receipts(line: bytes) -> bytes:
    told = json.loads(line)
    if isinstance(told, list):
        told[-1] = {}
    return json.dumps(told).encode() + b"\n"
