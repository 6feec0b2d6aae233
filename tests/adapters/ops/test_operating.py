"""A whole server as its operators see it, with real faults: a database that is away, a disk that is full."""

from __future__ import annotations

import itertools
from contextlib import ExitStack
from typing import TYPE_CHECKING

import anyio
import pytest

from tests.support.asking import ask, numbers
from tests.support.faults.disk import NoDiskError, disk, fill
from tests.support.peer import SECONDS, open_client
from tests.support.services.command import started, without_root
from tests.support.services.servers import document, running, sqlite, write_config

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.services.mariadb import MariaDb
    from tests.support.services.servers import Service

C = "/app/items/c"
PASSWORD = "t0p-secret-word"
_tables = itertools.count()


@pytest.fixture
def service(shared_mariadb: MariaDb) -> Service:
    config = shared_mariadb.config(db_table=f"operated_{next(_tables)}", db_timeout=1)
    return {"name": "items", "module": "items_service", "config": config}


def errors(service: str) -> str:
    return f"storage_errors_total{{heads,{service}}}"


async def answers(port: int, status: int) -> str:
    """Ask until the server is as ready as it should be; return what it says."""
    with anyio.fail_after(SECONDS):
        while (found := await ask(port, "/readyz"))[0] != status:
            await anyio.sleep(0.05)
    return found[2]


async def test_a_database_that_stands_still(
    service: Service, shared_mariadb: MariaDb, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(service, sqlite("mitems")) as server, open_client(server.port) as client:
        await client.subscribe(C)  # so that the server looks for others' commits
        await client.put(C, {"insert": [{"id": "a"}]})
        assert await answers(server.port, 200) == "ready\n"
        shared_mariadb.pause()
        try:
            problem = 'not ready: no updates can be stored in "items"\n'
            assert await answers(server.port, 503) == problem
            assert (await ask(server.port, "/healthz"))[0] == 200
            with anyio.fail_after(SECONDS):
                while not (found := await numbers(server.port))[errors("items")]:
                    await anyio.sleep(0.05)
            assert found[errors("mitems")] == 0
        finally:
            shared_mariadb.resume()
        assert await answers(server.port, 200) == "ready\n"
        client.peer.shut()
    assert len(caplog.records) < 10
    caplog.clear()


def test_check_with_a_database(service: Service, shared_mariadb: MariaDb, tmp_path: Path) -> None:
    config = service["config"]
    assert isinstance(config, dict)
    denied = {**config, "db_table": "other", "db_password": PASSWORD}
    wrong: Service = {**service, "name": "wrong", "config": denied}
    with started(
        "check", write_config(tmp_path, document(service, wrong)), folder=tmp_path
    ) as command:
        assert command.finish() == 1
    assert "ok: services[0]: items: MySQL or MariaDB; database sharedstate at " in command.output
    assert "not there yet: a start creates " in command.output
    (line,) = command.errors.splitlines()
    assert line.startswith("sharedstate-anyio: services[1]: ")
    assert "ccess denied" in line
    assert PASSWORD not in line


async def test_a_full_disk_does_not_flood_the_log(tmp_path: Path, anyio_backend_name: str) -> None:
    log = tmp_path / "log"
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(disk(tmp_path / "disk"))
        except NoDiskError as error:
            pytest.skip(str(error))
        file = write_config(tmp_path, document(sqlite("items", folder / "items.db")))
        options = (file, "--loop", anyio_backend_name, "--log-format", "text")
        with started(*options, folder=tmp_path, log=log) as command:
            async with open_client(command.port) as client:
                await client.put(C, {"insert": [{"id": "a"}]})
                fill(folder / "filler")
                refused = 0
                while refused < 300:
                    insert = [{"id": str(refused), "text": "x" * 10_000}]
                    refused += not (await client.ask("PUT", C, {"insert": insert}))["ok"]
                assert len(log.read_text().splitlines()) < 20
                found = await numbers(command.port)
                assert found["storage_errors_total{commit,items}"] == refused
                (folder / "filler").unlink()
                await client.put(C, {"insert": [{"id": "b"}]})
                client.peer.shut()
    lines = without_root(log.read_text()).splitlines()
    assert " ERROR commit to /app/items/c failed" in lines[0]
    assert "the disk is full" in lines[0]
    assert all(line.isprintable() for line in lines)
