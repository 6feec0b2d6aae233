"""Ingest into MariaDB, beside "one insert, one commit" through the bare driver in the same run.

It starts a MariaDB of its own in a temporary folder. Times are those of the wall, since most of them is waiting for
the disk; each case runs `ROUNDS` times in turn with the others, and its best round counts. Beside those of a whole
server stands its processor time, and the database's.
"""

from __future__ import annotations

import asyncio
import itertools
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import asyncmy

from benchmarks.ingest import WHOLE_SECONDS
from benchmarks.measure import Result
from benchmarks.writers import PIPELINED, WRITERS, Cost, processor_seconds, through_server
from sharedstate_backends.items_service import get_service
from sharedstate_core.paths import CollectionPath
from sharedstate_core.storage import Write
from sharedstate_core.updates import Update
from tests.support.services.mariadb import MariaDb, make_template, started

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS: Final = 3
CASES: Final = ((1, 1), (1, 64), (16, 8), (64, 1), (64, 64))
"""Collections written to at once, and updates in each commit."""

TEXT: Final = b'{"id":"item","value":1,"text":"some words which somebody has written"}'


_numbers = itertools.count()
"""Of the bare driver's rows: one that is there already would not be written, and so not wait for the disk."""


def run() -> list[Result]:
    """Return the cost of one update: through the bare driver, then through the store on both loops."""
    with tempfile.TemporaryDirectory() as folder:
        template = make_template(Path(folder))
        home = Path(folder) / "home"
        home.mkdir()
        with started(template, home) as database:
            database.sql(
                "CREATE DATABASE sharedstate; CREATE TABLE sharedstate.bare (app VARCHAR(128), "
                "chnl VARCHAR(128), id VARCHAR(128), data TEXT, PRIMARY KEY (app, chnl, id))"
            )
            return _run(database)


def _run(database: MariaDb) -> list[Result]:
    bare = "MariaDB: one insert, one commit, bare driver"
    measures: dict[str, Callable[[], Cost]] = {bare: lambda: asyncio.run(_bare(database))}
    for loop in ("asyncio", "trio"):
        for collections, batch in CASES:
            name = f"MariaDB, {loop}: {collections} collections, {batch} updates a commit"
            measures[name] = _store(database, loop, collections, batch)
        for collections in (1, WRITERS):
            name = f"MariaDB, {loop}: server, {WRITERS} x {PIPELINED}, {collections} collections"
            measures[name] = _server(database, loop, collections)
    best: dict[str, Cost] = {}
    for _ in range(ROUNDS):
        for name, measure in measures.items():
            best[name] = min(measure(), best.get(name, Cost(float("inf"))))
    yardsticks = _results(bare, best[bare])
    results = [*yardsticks]
    for name in list(measures)[1:]:
        ours = _results(name, best[name])
        results += [result.against(each) for result, each in zip(ours, yardsticks, strict=False)]
    return results


def _results(name: str, cost: Cost) -> list[Result]:
    cases = (name, "  processor, this side of the database", "  processor, the database")
    return [
        Result(case, seconds * 1e6, "update")
        for case, seconds in zip(cases, (cost.wall, *cost.processor), strict=False)
    ]


async def _bare(database: MariaDb, count: int = 400) -> Cost:
    connection = await asyncmy.connect(
        host="127.0.0.1", port=database.port, user="root", database="sharedstate", autocommit=True
    )

    def figures() -> tuple[float, ...]:
        return time.perf_counter(), time.process_time(), processor_seconds(database.pid)

    async with connection.cursor() as cursor:
        before = figures()
        for _ in range(count):
            values = ("app", "collection", f"id {next(_numbers)}", TEXT.decode())
            await cursor.execute("INSERT INTO bare VALUES (%s, %s, %s, %s)", values)
        wall, *processor = (
            (now - then) / count for now, then in zip(figures(), before, strict=True)
        )
    await connection.ensure_closed()
    return Cost(wall, tuple(processor))


def _server(database: MariaDb, loop: str, collections: int) -> Callable[[], Cost]:
    config = database.config(db_table=f"served_{loop}_{collections}")
    return lambda: through_server(config, loop, collections, WHOLE_SECONDS, database.pid)


def _store(database: MariaDb, loop: str, collections: int, batch: int) -> Callable[[], Cost]:
    config = database.config(db_table=f"items_{loop}_{collections}_{batch}")
    commits = max(4, min(200, 4000 // (collections * batch)))
    return lambda: anyio.run(_ingest, config, collections, batch, commits, backend=loop)


async def _ingest(config: dict[str, Any], collections: int, batch: int, commits: int) -> Cost:
    backend = get_service(config)
    await backend.open()

    async def work(name: str) -> None:
        path = CollectionPath("app", "items", name)
        for number in range(commits):
            ids = (f"id {number * batch + place}" for place in range(batch))
            await backend.commit(path, [Write(Update(insert={id: TEXT})) for id in ids])

    start = time.perf_counter()
    async with anyio.create_task_group() as tasks:
        for number in range(collections):
            tasks.start_soon(work, f"collection {number}")
    seconds = time.perf_counter() - start
    await backend.close()
    return Cost(seconds / (collections * batch * commits))
