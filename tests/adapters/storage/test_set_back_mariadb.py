"""A MariaDB that is set back under one server or two, while clients write."""

from __future__ import annotations

import itertools
import shutil
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

import anyio
import pytest

from sharedstate_backends.history import vectors
from tests.support.faults.proxy import open_proxy
from tests.support.faults.set_back import check
from tests.support.nightly import IS_NIGHTLY
from tests.support.services.mariadb import SYNCHRONOUS, MariaDb
from tests.support.services.servers import Service, running

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.faults.proxy import Proxy

TIMES: Final = 20 if IS_NIGHTLY else 1
"""In the nightly profile as often as we promise that it was tried."""

_copies = itertools.count()


class Database:
    """A MariaDB behind a proxy, of which a backup is restored in one moment, as it should be under running servers."""

    options: tuple[str, ...] = ()

    def __init__(self, template: Path, folder: Path) -> None:
        self._folder = folder
        self._running = [self._start(template, "first")]
        self._kept = ""

    @property
    def database(self) -> MariaDb:
        return self._running[-1]

    def _start(self, data: Path, name: str) -> MariaDb:
        home = self._folder / name
        home.mkdir()
        database = MariaDb(data, home, *self.options)
        database.start()
        return database

    def close(self) -> None:
        for database in self._running:
            database.kill()

    def back_up(self) -> None:
        self._kept = self.database.dump("items", "items_collections", "items_meta")

    async def set_back(self) -> None:
        await anyio.to_thread.run_sync(self._restore)

    def _restore(self) -> None:
        self.database.sql("CREATE DATABASE old; CREATE DATABASE restored")
        self.database.sql(self._kept, "restored")
        names = ("items", "items_collections", "items_meta")
        moves = [f"sharedstate.{name} TO old.{name}" for name in names]
        moves += [f"restored.{name} TO sharedstate.{name}" for name in names]
        self.database.sql(f"RENAME TABLE {', '.join(moves)}; DROP DATABASE old")

    def items(self, path: str) -> list[str]:
        rows = self.database.sql(
            "SELECT data FROM items JOIN items_collections AS head ON head.key = collection "
            f"WHERE created > 0 AND name = '{path.rpartition('/')[2]}' ORDER BY created, place",
            "sharedstate",
        )
        return [text for (text,) in rows]

    async def use(self, proxy: Proxy) -> None:
        """Hear of the proxy before it."""
        self._proxy = proxy


class LostPower(Database):
    """It does not wait for the disk: after a crash it has what had reached it."""

    options: tuple[str, ...] = ("--innodb-flush-log-at-trx-commit=0", SYNCHRONOUS)

    def back_up(self) -> None:
        self._copy = self._folder / f"copy {next(_copies)}"
        self.database.snapshot(self._copy)

    async def set_back(self) -> None:
        await anyio.to_thread.run_sync(self._crash)

    def _crash(self) -> None:
        self.database.kill()
        shutil.rmtree(self.database.data)
        self._copy.rename(self.database.data)
        self.database.start()


class LaggingReplica(LostPower):
    """Another server, with less in it, takes its place."""

    options = (SYNCHRONOUS,)

    async def set_back(self) -> None:
        replica = await anyio.to_thread.run_sync(
            self._start, self._copy, f"replica {next(_copies)}"
        )
        self._proxy.target = replica.port
        self.database.kill()
        self._running.append(replica)
        await self._proxy.cut_all()


async def set_back(storage: Database, servers: int, seed: int) -> None:
    try:
        async with open_proxy(storage.database.port) as proxy, AsyncExitStack() as stack:
            await storage.use(proxy)
            config = storage.database.config(db_port=proxy.port, db_timeout=5)
            service: Service = {
                "name": "items",
                "module": "items_service",
                "config": config,
                "poll_seconds": 0.05,
            }
            each = [await stack.enter_async_context(running(service)) for _ in range(servers)]
            await check([server.port for server in each], storage, seed)
    finally:
        storage.close()


@pytest.mark.parametrize("seed", range(TIMES))
@pytest.mark.parametrize("servers", [1, 2])
@pytest.mark.parametrize("kind", [Database, LostPower, LaggingReplica])
async def test_everybody_is_told_what_is_there(
    kind: type[Database],
    servers: int,
    seed: int,
    mariadb_template: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await set_back(kind(mariadb_template, tmp_path), servers, seed)
    lines = [each.getMessage() for each in caplog.records]
    assert any("new epoch was drawn" in line for line in lines), lines
    caplog.clear()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_without_the_guard_somebody_is_left_behind(
    mariadb_template: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The planted bug: the test above can fail."""
    monkeypatch.setattr("tests.support.faults.set_back.SECONDS", 2.0)
    monkeypatch.setattr(vectors, "goes_on", lambda *_: True)
    failures = 0
    for seed in range(5):
        if failures:
            break
        (folder := tmp_path / f"{seed}").mkdir()
        try:
            await set_back(Database(mariadb_template, folder), 2, seed)
        except* (AssertionError, TimeoutError):
            failures += 1
    assert failures
    caplog.clear()
