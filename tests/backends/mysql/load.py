"""Writers who never stop, and who know afterwards what must be in the database, what may be, and what must not.

Each writer has a collection of its own. Its update number n sets the items `a`, `b` and `n` to n: whatever is
stored of it is stored whole if these agree.
"""

from __future__ import annotations

import json
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from sharedstate_backends import OutcomeUnknownError, StorageError
from sharedstate_backends.conformance.model import path, state_of
from sharedstate_core.storage import Committed, Write
from sharedstate_core.updates import Update

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sharedstate_backends import Backend

SECONDS = 60.0


@dataclass
class Writer:
    """One writer and what it was told of each of its updates.

    Attributes:
        acknowledged: versions by number.
        unknown: numbers whose outcome nobody knew.
        refused: numbers of which nothing was stored.
    """

    name: str
    acknowledged: dict[int, int] = field(default_factory=dict)
    unknown: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)
    number: int = 0

    async def write(self, backend: Backend) -> None:
        """Write one update."""
        self.number += 1
        number = self.number
        insert = {id: text(id, number) for id in ("a", "b", str(number))}
        try:
            result = await backend.commit(path(self.name), [Write(Update(insert=insert))])
        except StorageError:
            self.refused.add(number)
        except OutcomeUnknownError:
            self.unknown.add(number)
        else:
            (outcome,) = result.outcomes
            assert isinstance(outcome, Committed)
            self.acknowledged[number] = outcome.version

    async def check(self, backend: Backend) -> None:
        """Check that the collection is the replay of what was acknowledged and of some that are unknown."""
        loaded = await backend.load(path(self.name), None)
        state = state_of(loaded)
        versions = {row.id: row.version for row in loaded.rows}
        stored = [int(id) for id in state if id not in {"a", "b"}]
        lost = self.acknowledged.keys() - set(stored)
        assert not lost, f"{self.name}: acknowledged and lost: {lost}"
        assert set(stored) <= self.acknowledged.keys() | self.unknown, "a refused one is stored"
        assert stored == sorted(stored), "not in order"
        assert loaded.version == len(stored), "a version that nobody has"
        replay: dict[str, bytes] = {}
        for version, number in enumerate(stored, 1):
            assert self.acknowledged.get(number, version) == version
            assert versions[str(number)] == version
            replay.update({id: text(id, number) for id in ("a", "b", str(number))})
        assert state == replay, "half an update"


def text(id: str, number: int) -> bytes:
    """Return the text that update `number` gives an item."""
    return json.dumps({"id": id, "value": number, "text": "🗝️" * 10}, ensure_ascii=False).encode()


@dataclass
class Load:
    """All writers, under way."""

    backend: Backend
    writers: list[Writer]

    @property
    def acknowledged(self) -> int:
        """Number of updates acknowledged so far."""
        return sum(len(writer.acknowledged) for writer in self.writers)

    async def progress(self, updates: int = 3) -> float:
        """Wait until each writer has had this many more acknowledged; return the seconds it took."""
        start = time.monotonic()
        wanted = [len(writer.acknowledged) + updates for writer in self.writers]
        with anyio.fail_after(SECONDS):
            while any(
                len(writer.acknowledged) < count
                for writer, count in zip(self.writers, wanted, strict=True)
            ):
                await anyio.sleep(0.002)
        return time.monotonic() - start


@asynccontextmanager
async def loaded(backend: Backend, writers: int = 6) -> AsyncIterator[Load]:
    """Keep writers busy meanwhile; at the end check what the store holds."""
    load = Load(backend, [Writer(f"writer {number}") for number in range(writers)])
    ending = False

    async def work(writer: Writer) -> None:
        while not ending:
            await writer.write(backend)
            if writer.number in writer.refused:
                await anyio.sleep(0.01)

    async with anyio.create_task_group() as tasks:
        for writer in load.writers:
            tasks.start_soon(work, writer)
        await load.progress()
        yield load
        ending = True
    for writer in load.writers:
        await writer.check(backend)
