"""Saving and restoring under load: a server that goes on serving, whose clients then all see what storage holds."""

from __future__ import annotations

import itertools
import json
import logging
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from sharedstate_anyio.client import RequestError, connect
from sharedstate_anyio.server_command.backup_file import Backup
from sharedstate_backends.items_service import get_service
from sharedstate_core import CollectionPath
from tests.backends.opening import opened
from tests.support.services.command import started
from tests.support.services.servers import document, running, sqlite, write_config

if TYPE_CHECKING:
    from pathlib import Path

    from sharedstate_anyio.client import Client, Dataset
    from tests.support.services.mariadb import MariaDb
    from tests.support.services.servers import Service

SECONDS = 60.0
COLLECTIONS = ("/app/items/a", "/app/items/b")
QUIET = "/app/items/quiet"
"""Nobody writes to it when it is restored: only its epoch tells that it has changed."""
WRITERS = 2
"""For each collection."""
KILLS = 4
_tables = itertools.count()


@pytest.fixture(params=["sqlite", "mysql"])
def service(request: pytest.FixtureRequest, tmp_path: Path, shared_mariadb: MariaDb) -> Service:
    """Return a service that looks often for what others have done, as it does once a second by default."""
    config: dict[str, Any] = {"db_type": "sqlite", "db_name": str(tmp_path / "items.db")}
    if request.param == "mysql":
        config = shared_mariadb.config(db_table=f"busy_{next(_tables)}")
    return {"name": "items", "module": "items_service", "config": config, "poll_seconds": 0.1}


class Author:
    """Writes without end. Each update inserts an item of its own, its marker, and sets two others to the same.

    Attributes:
        acknowledged: markers, in order.
        tried: markers of all updates.
        refused: what the others were answered.
    """

    def __init__(self, client: Client, path: str, name: str) -> None:
        self.acknowledged: list[str] = []
        self.tried: list[str] = []
        self.refused: list[RequestError] = []
        self.path = path
        self.name = name
        self._client = client

    async def write(self) -> None:
        """Write until cancelled."""
        for number in itertools.count():
            marker = f"{self.name} {number}"
            self.tried.append(marker)
            ids = (f"{self.name} left", f"{self.name} right", marker)
            insert = [{"id": id, "by": marker} for id in ids]
            try:
                await self._client.update(
                    self.path, insert=insert, remove=[f"{self.name} {number - 9}"]
                )
            except RequestError as error:
                self.refused.append(error)
            else:
                self.acknowledged.append(marker)

    def check(self, items: dict[str, dict[str, str]], since: int, until: int) -> None:
        """Check that items are those of one moment, between two numbers of acknowledged updates; none is half there."""
        mine = {id: each["by"] for id, each in items.items() if id.startswith(f"{self.name} ")}
        left, right = mine.pop(f"{self.name} left"), mine.pop(f"{self.name} right")
        assert left == right, "half an update"
        assert all(id == by for id, by in mine.items())
        assert left in mine
        numbers = [int(id.rpartition(" ")[2]) for id in mine]
        last = int(left.rpartition(" ")[2])
        assert max(numbers) == last
        expected = [n for n in range(last - 8, last + 1) if f"{self.name} {n}" in self.done]
        assert sorted(numbers) == [n for n in expected if n >= 0]
        position = self.tried.index(left)
        assert position >= (self.tried.index(self.acknowledged[since - 1]) if since else 0)
        assert position <= self.tried.index(self.acknowledged[until - 1]) + 1

    @property
    def done(self) -> set[str]:
        """Markers of updates that may be stored."""
        return {*self.acknowledged, self.tried[-1]}


async def more(authors: list[Author], count: int = 12) -> list[int]:
    """Wait until each has had so many more acknowledged; return how many it has."""
    wanted = [len(author.acknowledged) + count for author in authors]
    with anyio.fail_after(SECONDS):
        while any(
            len(author.acknowledged) < number
            for author, number in zip(authors, wanted, strict=True)
        ):
            await anyio.sleep(0.01)
    return [len(author.acknowledged) for author in authors]


async def stored(service: Service, path: str) -> dict[str, dict[str, str]]:
    """Return what storage holds."""
    config: Any = service["config"]
    async with opened(get_service(config)) as backend:
        app, _, name = path.strip("/").split("/")
        loaded = await backend.load(CollectionPath(app, "items", name), None)
    rows = sorted(loaded.rows, key=lambda row: (row.created, row.place))
    return {row.id: json.loads(row.text) for row in rows if row.text is not None}


async def command(folder: Path, *arguments: str) -> None:
    with started(*arguments, folder=folder) as run:
        status = await run.finished()
        assert (status, run.errors) == (0, "")


def check_restores_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing else is worth a warning, and least of all that a history is lost: it is meant."""
    told = [each.__dict__["fields"] for each in caplog.records if each.levelno >= logging.WARNING]
    assert told
    assert all(fields == {"event": "replaced", "service": "items"} for fields in told)
    caplog.clear()


async def agree(datasets: list[Dataset], expected: dict[str, Any]) -> None:
    """Wait until all of them show this, in this order."""
    with anyio.fail_after(SECONDS):
        while any(list(ds.items()) != list(expected.items()) for ds in datasets):
            await anyio.sleep(0.01)


async def test_under_load_with_connected_clients(
    service: Service, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_config(tmp_path, document(service))
    async with (
        running(service) as server,
        connect(server.url) as writing,
        connect(server.url) as first,
        connect(server.url) as second,
    ):
        datasets = {
            path: [await client.acquire(path) for client in (first, second)]
            for path in (*COLLECTIONS, QUIET)
        }
        await writing.update(QUIET, insert=[{"id": "before"}])
        authors = [
            Author(writing, path, f"{path[-1]}{number}")
            for path in COLLECTIONS
            for number in range(WRITERS)
        ]
        async with anyio.create_task_group() as tasks:
            for author in authors:
                tasks.start_soon(author.write)
            began = await more(authors)
            await command(tmp_path, "backup", "config.json", "saved.gz")
            ended = [len(author.acknowledged) for author in authors]
            await writing.update(QUIET, insert=[{"id": "after"}])
            await more(authors)
            assert not any(author.refused for author in authors), "a backup refuses nobody"
            await command(tmp_path, "restore", "config.json", "saved.gz")
            tried = [len(author.tried) for author in authors]
            await more(authors)
            tasks.cancel_scope.cancel()
        refused = [error for author in authors for error in author.refused]
        assert {error.code for error in refused} <= {"unavailable"}
        with (tmp_path / "saved.gz").open("rb") as stream:
            saved: defaultdict[str, dict[str, dict[str, str]]] = defaultdict(dict)
            for head, rows in Backup(stream, "saved.gz").portions("items"):
                saved[head.name].update(
                    (row.id, json.loads(row.text)) for row in rows if row.text is not None
                )
        for author, since, until in zip(authors, began, ended, strict=True):
            author.check(saved[author.path.rpartition("/")[2]], since, until)
        await agree(datasets[QUIET], {"before": {"id": "before"}})
        for path in COLLECTIONS:
            found = await stored(service, path)
            await agree(datasets[path], found)
            for author, number in zip(authors, tried, strict=True):
                if author.path == path:
                    late = [
                        marker for marker in author.acknowledged if marker in author.tried[number:]
                    ]
                    assert found.keys() >= set(late[-8:])
    check_restores_are_logged(caplog)


async def test_killed_at_any_moment_under_a_server(
    service: Service, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever it has come to: clients see all of the old or all of the new, and what storage holds."""
    write_config(tmp_path, document(service))
    versions = {"old": [{"id": f"{n:05}", "by": "old"} for n in range(3000)]}
    versions["new"] = [{"id": f"{n:05}", "by": "new"} for n in range(4000)]
    path = COLLECTIONS[0]

    async with running(service) as server, connect(server.url) as client:
        ds = await client.acquire(path)
        await client.update(path, insert=versions["new"])
        await command(tmp_path, "backup", "config.json", "saved.gz")
        for number in range(KILLS):
            await client.update(path, insert=versions["old"], reset=True)
            with started("restore", "config.json", "saved.gz", folder=tmp_path) as run:
                # By the clock, since each of its stages is to be hit: it takes about a second to begin.
                await anyio.sleep(0.3 + 2.0 * number / KILLS)
                run.kill()
            found = await stored(service, path)
            kind = found["00000"]["by"]
            assert list(found.values()) == versions[kind]
            await agree([ds], found)
        await command(tmp_path, "restore", "config.json", "saved.gz")
        await agree([ds], {item["id"]: item for item in versions["new"]})
    check_restores_are_logged(caplog)


async def test_a_file_that_was_deleted_under_a_server(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The server goes on with what is restored in its place."""
    service: Service = {**sqlite("items", tmp_path / "items.db"), "poll_seconds": 0.1}
    write_config(tmp_path, document(service))
    async with running(service) as server, connect(server.url) as client:
        ds = await client.acquire(QUIET)
        await client.update(QUIET, insert=[{"id": "before"}])
        await command(tmp_path, "backup", "config.json", "saved.gz")
        await client.update(QUIET, insert=[{"id": "after"}])
        for file in tmp_path.glob("items.db*"):
            file.unlink()
        await command(tmp_path, "restore", "config.json", "saved.gz")
        await agree([ds], {"before": {"id": "before"}})
        await client.update(QUIET, insert=[{"id": "again"}])
        assert (await stored(service, QUIET)).keys() == {"before", "again"}
    caplog.clear()  # that the file is gone, and that its history is lost
