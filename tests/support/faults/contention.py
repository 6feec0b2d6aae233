"""Writers at several stores who all write to the same few collections, and what is there in the end.

Each update inserts one item that no other ever touches, its marker, and replaces items that all of them replace. A
marker's version tells when its update was applied, so that each answer can be held against what is there.
"""

from __future__ import annotations

import itertools
import random
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import anyio

from sharedstate_backends import OutcomeUnknownError, StorageError
from sharedstate_backends.conformance.model import path, put
from sharedstate_core.storage import Committed, Cursor, Write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_backends import Backend
    from sharedstate_core import CollectionPath, Loaded

COLLECTIONS: Final = tuple(path(f"contended {number}") for number in range(3))

PAUSE: Final = 0.01
"""Seconds that a writer waits who was refused."""


@dataclass
class Tally:
    """What the writers were told.

    Attributes:
        acknowledged: markers by collection and version.
        doubled: markers whose version was acknowledged to somebody else, too.
        refused, unknown: the other markers.
    """

    acknowledged: dict[tuple[CollectionPath, int], str] = field(default_factory=dict)
    doubled: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    _newest: dict[CollectionPath, Cursor] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    async def write(self, backend: Backend) -> None:
        """Write one update and take down the answer."""
        marker, collection = f"update {next(self._numbers)}", random.choice(COLLECTIONS)
        update = put(marker, "left", "right", value=marker)
        try:
            result = await backend.commit(collection, [Write(update)])
            (outcome,) = result.outcomes
        except StorageError:
            self.refused.add(marker)
            await anyio.sleep(PAUSE)
        except OutcomeUnknownError:
            self.unknown.add(marker)
            with suppress(StorageError):  # the server looks, too
                await backend.load(collection, self._newest.get(collection))
        else:
            assert isinstance(outcome, Committed)
            self._newest[collection] = Cursor(result.epoch, outcome.version)
            place = collection, outcome.version
            if place in self.acknowledged:
                self.doubled |= {marker, self.acknowledged[place]}
            self.acknowledged[place] = marker

    def lost(self, collection: CollectionPath, loaded: Loaded) -> set[str]:
        """Return the markers that were acknowledged and are not there as they were; check all the rest."""
        applied = {row.id: row.version for row in loaded.rows if row.id.startswith("update ")}
        assert not self.refused & applied.keys(), "a refused update was applied"
        told = {m: at[1] for at, m in self.acknowledged.items() if at[0] == collection}
        lost = {marker for marker, version in told.items() if applied.get(marker) != version}
        if not lost | self.doubled:
            assert sorted(applied.values()) == list(range(1, loaded.version + 1))
            assert applied.keys() <= told.keys() | self.unknown
            newest = max(applied, key=lambda marker: applied[marker], default="")
            texts = [row.text for row in loaded.rows if row.id in {"left", "right"}]
            assert all(f'"{newest}"'.encode() in (text or b"") for text in texts), "half an update"
        return lost


async def contend(
    tally: Tally, backends: Sequence[Backend], count: int, writers: int = 4, seconds: float = 600
) -> None:
    """Let so many writers at each store write until so many updates more are acknowledged."""
    enough = len(tally.acknowledged) + count

    async def work(backend: Backend) -> None:
        while len(tally.acknowledged) < enough:
            await tally.write(backend)

    with anyio.fail_after(seconds):
        async with anyio.create_task_group() as tasks:
            for backend in backends:
                for _ in range(writers):
                    tasks.start_soon(work, backend)


async def lost(tally: Tally, backends: Sequence[Backend]) -> set[str]:
    """Return what is lost; whatever is there, each store has the same."""
    result: set[str] = set()
    for collection in COLLECTIONS:
        loads = [await backend.load(collection, None) for backend in backends]
        contents = [sorted(loaded.rows, key=lambda row: row.id) for loaded in loads]
        assert all(content == contents[0] for content in contents), "the stores differ"
        result |= tally.lost(collection, loads[0])
    return result
