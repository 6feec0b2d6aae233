# ruff: noqa: S101 (asserts are how a suite of cases speaks)
"""Cases: commits whose callers are cancelled, and commits that somebody looks at meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio
import anyio.lowlevel

from sharedstate_core.storage import Committed, Write
from sharedstate_core.updates import Update

from .model import Model, check_full, path, put

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sharedstate_backends.contract import Backend
    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import Loaded

MOMENTS: Final = 12
"""Moments at which a caller is cancelled, of each of two kinds."""

UPDATES: Final = (
    put("a", "b"),
    put("c", "a", remove=["a"]),
    Update(remove=("b",)),
    put("d", "c", value=4),
)
"""What such a commit writes: each has something that the one before it has not."""

WRITES: Final = [Write(update) for update in UPDATES]


async def seconds_of_a_commit(backend: Backend) -> float:
    """Commit `WRITES` in peace, three times; return how long that takes at least."""
    seconds = []
    for number in range(3):
        began = anyio.current_time()
        result = await backend.commit(path(f"in peace {number}"), WRITES)
        seconds.append(anyio.current_time() - began)
        assert list(result.outcomes) == [Committed(version + 1) for version in range(len(WRITES))]
    return min(seconds)


def moments(seconds: float) -> Iterator[tuple[int, float]]:
    """Yield moments in a commit of so many seconds: turns of the loop and seconds to wait."""
    for number in range(MOMENTS):
        yield number, 0.0
        yield 0, seconds * (number + 1) / MOMENTS


async def cancelled_commit(
    backend: Backend, collection: CollectionPath, turns: int, seconds: float
) -> bool:
    """Commit `WRITES` for a caller who is cancelled then; tell whether it was acknowledged all the same."""
    acknowledged = []

    async def commit() -> None:
        acknowledged.append(await backend.commit(collection, WRITES))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(commit)
        for _ in range(turns):
            await anyio.lowlevel.checkpoint()
        if seconds:
            await anyio.sleep(seconds)
        tasks.cancel_scope.cancel()
    return bool(acknowledged)


def check_whole(loaded: Loaded, least: int = 0) -> int:
    """Check that all of `WRITES` is there or nothing, and at least that version; return the version."""
    assert loaded.version in {0, len(UPDATES)}, f"half a commit is there: version {loaded.version}"
    assert loaded.version >= least, "a commit is lost that was acknowledged, or there already"
    model = Model()
    for update in UPDATES[: loaded.version]:
        model.write(update)
    check_full(loaded, model)
    return loaded.version


class CancelCases:
    """A commit is one, whoever leaves or looks."""

    async def test_cancelled_commits(self, backend: Backend) -> None:
        """Whenever its caller is cancelled: a commit is stored whole or not at all, and stays so."""
        seconds = await seconds_of_a_commit(backend)
        versions: dict[CollectionPath, int] = {}
        for number, moment in enumerate(moments(seconds)):
            collection = path(f"cancelled {number}")
            acknowledged = await cancelled_commit(backend, collection, *moment)
            least = len(UPDATES) if acknowledged else 0
            versions[collection] = check_whole(await backend.load(collection, None), least)
        for collection, version in versions.items():
            check_whole(await backend.load(collection, None), version)

    async def test_looks_during_commits(self, backend: Backend) -> None:
        """`heads` and `collections` may be called at any time, and never tell of half a commit."""
        looks: list[tuple[int, list[str]]] = []
        count = len(UPDATES)

        async def look() -> None:
            while True:
                names = list(await backend.collections("app"))
                looks.append(((await backend.heads([path()]))[path()].version, names))
                await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(look)
            for _ in range(MOMENTS):
                await anyio.lowlevel.checkpoint()
                await backend.commit(path(), WRITES)
            tasks.cancel_scope.cancel()
        versions = [version for version, _ in looks]
        assert versions == sorted(versions)
        assert set(versions) <= set(range(0, count * MOMENTS + 1, count)), "half a commit was told"
        assert all(names in ([], ["collection"]) for _, names in looks)
