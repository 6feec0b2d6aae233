"""A whole server on MariaDB, whose faults its clients live through: nothing acknowledged is lost, all converge."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from tests.support.faults.kinds import MARIADB_RUNS
from tests.support.faults.stage import ROOT
from tests.support.nightly import one_loop_by_day
from tests.support.peer import SECONDS, Client, open_client, open_clients
from tests.support.replica import Copy
from tests.support.services.servers import Service, running, sqlite

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.services.mariadb import MariaDb

C = "/app/items/c"
WRITERS = 4
_tables = itertools.count()


class Author:
    """A client who writes without end, and knows what was acknowledged.

    Attributes:
        acknowledged: versions by the id of the item that came with the update.
        codes: error codes of the others.
    """

    def __init__(self, name: str, client: Client) -> None:
        self.acknowledged: dict[str, int] = {}
        self.codes: set[str] = set()
        self._name = name
        self._client = client

    async def write(self, number: int) -> None:
        """Set `a` and `b`, and insert an item of this update's own."""
        id = f"{self._name} {number}"
        items = [{"id": each, "by": id} for each in ("a", "b", id)]
        reply = await self._client.ask("PUT", C, {"insert": items})
        if reply["ok"]:
            self.acknowledged[id] = reply["version"]
        else:
            self.codes.add(reply["error"]["code"])
            await anyio.sleep(0.02)


async def kill(database: MariaDb) -> None:
    database.kill()
    await anyio.sleep(0.3)
    await anyio.to_thread.run_sync(database.start)


async def stand_still(database: MariaDb) -> None:
    database.pause()
    try:
        await anyio.sleep(1.5)
    finally:
        database.resume()


async def cut(database: MariaDb) -> None:
    for _ in range(5):
        await anyio.to_thread.run_sync(database.kill_connections)


@pytest.mark.parametrize("fault", [kill, stand_still, cut])
async def test_a_fault_under_load(  # noqa: C901 (one function for each who takes part)
    fault: Any, own_mariadb: MariaDb, caplog: pytest.LogCaptureFixture
) -> None:
    config = own_mariadb.config(db_table=f"served_{next(_tables)}", db_timeout=1)
    service: Service = {"name": "items", "module": "items_service", "config": config}
    async with (
        running(service, sqlite("mitems")) as server,
        open_clients(server.port, WRITERS) as clients,
        open_client(server.port) as watcher,
        open_client(server.port) as bystander,
    ):
        authors = [Author(f"author {number}", client) for number, client in enumerate(clients)]
        copy = Copy()
        await watcher.subscribe(C)
        copy.take(await watcher.notification())
        ending = False
        others = 0

        async def write(author: Author) -> None:
            for number in itertools.count():
                await author.write(number)
                if ending:
                    return

        async def watch() -> None:
            while "last" not in copy.items:
                copy.take(await watcher.notification())

        async def stand_by(done: anyio.Event) -> None:
            nonlocal others
            while not done.is_set():
                await bystander.put("/app/mitems/c", {"insert": [{"id": "x", "n": others}]})
                others += 1

        async def progress() -> None:
            counts = [len(author.acknowledged) for author in authors]
            with anyio.fail_after(SECONDS):
                while any(
                    len(author.acknowledged) < count + 3
                    for author, count in zip(authors, counts, strict=True)
                ):
                    await anyio.sleep(0.01)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            async with anyio.create_task_group() as writing:
                for author in authors:
                    writing.start_soon(write, author)
                await progress()
                repaired = anyio.Event()
                async with anyio.create_task_group() as waiting:
                    waiting.start_soon(stand_by, repaired)
                    await fault(own_mariadb)
                    repaired.set()
                await progress()
                ending = True
            assert await clients[0].put("/app/items/c", {"insert": [{"id": "last"}]})
        assert others > 20, "another service was held up"
        assert await bystander.get(C) == copy.state
        check(copy, authors)
    records = [record for record in caplog.records if record.name == "sharedstate"]
    told = [record.getMessage() for record in records]
    if fault is kill:  # what stands still or is cut may be gone before anybody is told
        assert any("/app/items/c failed" in line for line in told)
    assert not any("\n" in line for line in told)
    assert not any(record.exc_info for record in records), "one line is enough"
    caplog.clear()


@pytest.mark.parametrize("name", MARIADB_RUNS)
async def test_the_server_dies_within_a_commit(
    name: str,
    own_mariadb: MariaDb,
    tmp_path: Path,
    anyio_backend_name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is lost, nothing is there in part, no lock is left, and writes flow again."""
    one_loop_by_day(list(MARIADB_RUNS).index(name), anyio_backend_name)
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    store = own_mariadb.config(db_table=f"dying_{next(_tables)}")
    await MARIADB_RUNS[name](tmp_path, anyio_backend_name, store)


def check(copy: Copy, authors: list[Author]) -> None:
    """Check what is stored against what was acknowledged: in order, whole, and nothing else but the unknown."""
    own = [item["id"] for item in copy.state if item["id"].startswith("author")]
    acknowledged = {id: v for author in authors for id, v in author.acknowledged.items()}
    assert acknowledged.keys() <= set(own), "acknowledged and lost"
    assert copy.version == len(own) + 1
    for id, version in acknowledged.items():
        assert own[version - 1] == id
    assert copy.items["a"]["by"] == copy.items["b"]["by"] == own[-1]
    assert {code for author in authors for code in author.codes} <= {"unavailable"}
    for state in copy.seen.values():
        items = {item["id"]: item for item in state}
        assert items.get("a", {}).get("by") == items.get("b", {}).get("by"), (
            "half an update was shown"
        )
