"""Breaches in what becomes of patches."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from msgspec.structs import replace

from sharedstate_core.errors import MismatchError
from sharedstate_core.storage import CommitResult, Rejected, Write
from sharedstate_core.updates import resolve
from tests.backends.conformance.journal_backend import JournalBackend

from .writing import Rewriting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_backends.plan import Plan
    from sharedstate_core.paths import CollectionPath


class PatchesSeeTheStart(Rewriting):
    """What an earlier write of the commit has left is not seen."""

    def rewritten(self, path: CollectionPath, write: Write) -> Write:
        _, rows = self.collection(path)
        try:
            update = resolve(write.update, lambda id: rows[id].text if id in rows else None)
        except MismatchError:
            return write
        return Write(update, write.condition)


class MisfitsAreLeftOut(Rewriting):
    """An update whose patches do not fit is stored without them."""

    def rewritten(self, path: CollectionPath, write: Write) -> Write:
        outcome = JournalBackend.plan(self, path, [write]).outcomes[0]
        if isinstance(outcome, Rejected) and outcome.code == "mismatch":
            return Write(replace(write.update, patch=()), write.condition)
        return write


class MisfitsWithoutPlace(JournalBackend):
    async def store(self, path: CollectionPath, writes: Sequence[Write]) -> CommitResult:
        result = await super().store(path, writes)
        outcomes = [
            replace(each, place=None) if isinstance(each, Rejected) else each
            for each in result.outcomes
        ]
        return replace(result, outcomes=outcomes)


class PatchedItemsAreWrittenAnew(JournalBackend):
    """Numbers lose their digits."""

    def plan(self, path: CollectionPath, writes: Sequence[Write]) -> Plan:
        planned = super().plan(path, writes)
        patched = {patch.id for write in writes for patch in write.update.patch}
        for id in patched & planned.rows.keys():
            text = planned.rows[id].text or b"{}"
            item = {name: value for name, value in json.loads(text).items() if value != 1e400}
            planned.rows[id] = replace(planned.rows[id], text=json.dumps(item).encode())
        return planned
