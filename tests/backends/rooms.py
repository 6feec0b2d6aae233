"""Rooms that come and go: few collections, written to and emptied by several stores, which forget them meanwhile."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, cast

import anyio

from sharedstate_backends.conformance.model import item_text, path, put
from sharedstate_core.storage import Committed, Write
from sharedstate_core.updates import Update

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from sharedstate_backends import Backend, Pruning
    from sharedstate_core.paths import CollectionPath

ROOMS = [path(f"room {number}") for number in range(3)]


async def prune(backend: Backend, used: Container[CollectionPath] = ()) -> int:
    """Go through the store once; return in how many steps."""
    steps = 1
    while await cast("Pruning", backend).prune("service", used):
        steps += 1
    return steps


async def come_and_go(stores: Sequence[Backend], updates: int) -> None:
    """Let each store write so many updates; each acknowledged version is one update's, and the last one is there."""
    acknowledged: dict[tuple[CollectionPath, int], bytes | None] = {}
    epochs: set[str] = set()

    async def write(backend: Backend, seed: int) -> None:
        choice = random.Random(seed)
        for number in range(updates):
            room, text = choice.choice(ROOMS), item_text("a", [seed, number])
            update = put(remove=["a"]) if choice.random() < 0.5 else Update((), {"a": text})
            result = await backend.commit(room, [Write(update)])
            (outcome,) = result.outcomes
            assert isinstance(outcome, Committed)
            place = (room, outcome.version)
            assert place not in acknowledged, "this version is another update's, too"
            acknowledged[place] = update.insert.get("a")
            epochs.add(result.epoch)

    async def forget(backend: Backend) -> None:
        while True:
            await prune(backend)
            await anyio.sleep(0.001)

    async with anyio.create_task_group() as forgetting:
        for backend in stores:
            forgetting.start_soon(forget, backend)
        async with anyio.create_task_group() as writing:
            for seed, backend in enumerate(stores):
                writing.start_soon(write, backend, seed)
        forgetting.cancel_scope.cancel()
    for room in ROOMS:
        last = max(version for collection, version in acknowledged if collection == room)
        for backend in stores:
            loaded = await backend.load(room, None)
            texts = [row.text for row in loaded.rows if row.text is not None]
            assert texts == [text for text in [acknowledged[room, last]] if text is not None]
            assert loaded.version >= last
            epochs.add(loaded.epoch)
    assert len(epochs) == 1
