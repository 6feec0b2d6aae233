"""How fast updates are stored, beside one insert and one commit at a time through the bare driver.

By the clock on the wall, since most of it is waiting for a disk; the best of several rounds, each with the yardstick.
Alone: the backend, called as the server calls it. Whole: a server in a process of its own, 16 writers from this
one, 8 updates of one item on their way from each, every one acknowledged when it is durable.
"""

from __future__ import annotations

import json
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import aiosqlite
import anyio

from benchmarks.measure import Result
from benchmarks.writers import PIPELINED, WRITERS, through_server
from sharedstate_backends.items_service import get_service
from sharedstate_core import CollectionPath, Update, Write

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

ROUNDS: Final = 5
ROUND_SECONDS: Final = 0.4
WHOLE_SECONDS: Final = 1.0
LOOPS: Final = ("asyncio", "trio")
MANY: Final = 64
"""Collections that are written to at once, in the case of many."""


class Durability(NamedTuple):
    """Where items go: `memory`, or a file, with this `db_synchronous`."""

    name: str
    synchronous: str | None

    def config(self, folder: Path) -> dict[str, object]:
        """Return the configuration of a service."""
        if self.synchronous is None:
            return {"db_type": "sqlite"}
        file = str(folder / "ours.db")
        return {"db_type": "sqlite", "db_name": file, "db_synchronous": self.synchronous}


DURABILITIES: Final = (
    Durability("memory", None),
    Durability("file, FULL", "FULL"),
    Durability("file, NORMAL", "NORMAL"),
)


def run() -> Iterator[Result]:
    """Yield every figure of SQLite."""
    for durability in DURABILITIES:
        cases = {**dict(_alone(durability)), **dict(_whole(durability))}
        bare, ours = 0.0, dict.fromkeys(cases, 0.0)
        for _ in range(ROUNDS):
            with tempfile.TemporaryDirectory() as folder:
                bare = max(bare, anyio.run(_bare_for_a_while, durability, Path(folder)))
            for case, rate in cases.items():
                ours[case] = max(ours[case], rate())
        yardstick = Result(f"{durability.name}: bare aiosqlite", 1e6 / bare, "item")
        yield yardstick
        for case, best in ours.items():
            yield Result(f"{durability.name}: {case}", 1e6 / best, "item").against(yardstick)


def _item(number: int) -> bytes:
    return json.dumps({"id": f"item{number}", "x": number, "text": "y" * 100}).encode()


def _alone(durability: Durability) -> Iterator[tuple[str, Callable[[], float]]]:
    """Yield each case of the backend by its name: returns items a second."""
    for collections, name in ((1, "one collection"), (MANY, f"{MANY} collections")):
        for batch in (1, 64):
            for loop in LOOPS:
                rate = partial(_commit_for_a_while, durability, collections, batch, loop)
                yield f"{name}, batch {batch}, {loop}", rate


def _whole(durability: Durability) -> Iterator[tuple[str, Callable[[], float]]]:
    """Yield each case of the server by its name: returns acknowledged updates of one item a second."""
    for collections, name in ((1, "one collection"), (WRITERS, f"{WRITERS} collections")):
        for loop in LOOPS:
            rate = partial(_write_for_a_while, durability, collections, loop)
            yield f"server, {WRITERS} x {PIPELINED}, {name}, {loop}", rate


def _write_for_a_while(durability: Durability, collections: int, loop: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        config = durability.config(Path(folder))
        return 1 / through_server(config, loop, collections, WHOLE_SECONDS).wall


async def _rate(step: Callable[[int], Awaitable[None]], items: int) -> float:
    """Return items a second of a step that stores `items` of them and is told its number."""
    await step(0)
    number, start = 1, time.perf_counter()
    while (spent := time.perf_counter() - start) < ROUND_SECONDS:
        await step(number)
        number += 1
    return (number - 1) * items / spent


async def _bare_for_a_while(durability: Durability, folder: Path) -> float:
    """One insert, one commit; with the same journal and the same durability as ours."""
    file = ":memory:" if durability.synchronous is None else folder / "bare.db"
    async with aiosqlite.connect(file) as database:
        if durability.synchronous is not None:
            await database.execute_fetchall("PRAGMA journal_mode = WAL")
            await database.execute_fetchall(f"PRAGMA synchronous = {durability.synchronous}")
        await database.execute_fetchall("CREATE TABLE items (id TEXT PRIMARY KEY, data BLOB)")

        async def step(number: int) -> None:
            row = (f"item{number}", _item(number))
            async with database.execute("INSERT INTO items VALUES (?, ?)", row):
                pass
            await database.commit()

        return await _rate(step, 1)


def _commit_for_a_while(durability: Durability, collections: int, batch: int, loop: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        config = durability.config(Path(folder))
        return anyio.run(_commit_through, config, collections, batch, backend=loop)


async def _commit_through(config: dict[str, object], collections: int, batch: int) -> float:
    """Commit to each collection, one commit after the other, all collections at once."""
    backend = get_service(config)
    await backend.open()
    paths = [CollectionPath("app", "items", f"c{number}") for number in range(collections)]

    async def commit(path: CollectionPath, number: int) -> None:
        ids = range(number * batch, (number + 1) * batch)
        update = Update(insert={f"item{id}": _item(id) for id in ids})
        await backend.commit(path, [Write(update)])

    async def step(number: int) -> None:
        async with anyio.create_task_group() as tasks:
            for path in paths:
                tasks.start_soon(commit, path, number)

    try:
        return await _rate(step, collections * batch)
    finally:
        await backend.close()
