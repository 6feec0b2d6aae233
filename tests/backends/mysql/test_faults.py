"""Faults of a real MariaDB under load: nothing acknowledged is lost, nothing is half, and writes flow again.

With `-s` each test prints a line of figures: fault, times tried, acknowledged updates, unknown outcomes, seconds until
writes flowed again (the longest).
"""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from sharedstate_backends import OutcomeUnknownError, StorageError
from sharedstate_backends.conformance.model import path, put, write_all
from sharedstate_backends.items_service import get_service
from sharedstate_backends.mysql.wire.connection import Connection
from sharedstate_core.storage import Write
from tests.backends.opening import opened
from tests.support.faults.proxy import Cut, open_proxy

from .load import Load, Writer, loaded

if TYPE_CHECKING:
    from sharedstate_backends.mysql.wire.compound import Rows
    from tests.support.services.mariadb import MariaDb

TIMES = 3
_tables = itertools.count()


@pytest.fixture
def service(own_mariadb: MariaDb) -> dict[str, Any]:
    return own_mariadb.config(db_table=f"faulty_{next(_tables)}", db_timeout=2)


def report(fault: str, load: Load, times: int, seconds: list[float]) -> None:
    unknown = sum(len(writer.unknown) for writer in load.writers)
    print(
        f"\n| {fault} | {times} | {load.acknowledged} acknowledged | {unknown} unknown | 0 lost "
        f"| 0 halves | {max(seconds):.2f} s |"
    )


async def test_killed(own_mariadb: MariaDb, service: dict[str, Any]) -> None:
    """SIGKILL under load, then a restart."""
    seconds = []
    async with opened(get_service(service)) as backend, loaded(backend) as load:
        for _ in range(TIMES):
            own_mariadb.kill()
            await anyio.sleep(0.1)
            await anyio.to_thread.run_sync(own_mariadb.start)
            seconds.append(await load.progress())
    assert any(writer.refused for writer in load.writers)
    report("SIGKILL, restart", load, TIMES, seconds)


async def test_stopped_in_order(own_mariadb: MariaDb, service: dict[str, Any]) -> None:
    """SIGTERM under load, then a restart."""
    async with opened(get_service(service)) as backend, loaded(backend) as load:
        await anyio.to_thread.run_sync(own_mariadb.stop)
        await anyio.to_thread.run_sync(own_mariadb.start)
        seconds = [await load.progress()]
    report("SIGTERM, restart", load, 1, seconds)


@pytest.mark.parametrize("pause", [0.3, 1.5])
async def test_standing_still(own_mariadb: MariaDb, service: dict[str, Any], pause: float) -> None:
    """SIGSTOP, for less and for more than the timeout, then SIGCONT."""
    seconds = []
    impatient = service | {"db_timeout": 1}
    async with opened(get_service(impatient)) as backend, loaded(backend) as load:
        own_mariadb.pause()
        try:
            await anyio.sleep(pause)
        finally:
            own_mariadb.resume()
        seconds.append(await load.progress())
    report(f"SIGSTOP for {pause:g} s, SIGCONT", load, 1, seconds)


async def test_connections_killed(own_mariadb: MariaDb, service: dict[str, Any]) -> None:
    """KILL CONNECTION of every connection, again and again."""
    seconds = []
    async with opened(get_service(service)) as backend, loaded(backend) as load:
        for _ in range(4 * TIMES):
            assert await anyio.to_thread.run_sync(own_mariadb.kill_connections)
            seconds.append(await load.progress())
    report("KILL CONNECTION", load, 4 * TIMES, seconds)


async def test_cut(own_mariadb: MariaDb, service: dict[str, Any]) -> None:
    """The network breaks under load, at any moment."""
    seconds = []
    source = random.Random(1)
    async with (
        open_proxy(own_mariadb.port) as proxy,
        opened(get_service(service | {"db_port": proxy.port})) as backend,
        loaded(backend) as load,
    ):
        for _ in range(10 * TIMES):
            await anyio.sleep(source.random() * 0.02)
            await proxy.cut_all()
            seconds.append(await load.progress())
    report("connections cut", load, 10 * TIMES, seconds)


async def test_silence(own_mariadb: MariaDb, service: dict[str, Any]) -> None:
    """The network swallows everything, then works again for new connections."""
    async with (
        open_proxy(own_mariadb.port) as proxy,
        opened(get_service(service | {"db_port": proxy.port, "db_timeout": 1})) as backend,
        loaded(backend) as load,
    ):
        proxy.held = True
        await anyio.sleep(1.5)
        proxy.held = False
        seconds = [await load.progress()]
    report("packets swallowed for 1.5 s", load, 1, seconds)


@pytest.mark.parametrize("cut", Cut)
async def test_cut_at_every_packet(own_mariadb: MariaDb, service: dict[str, Any], cut: Cut) -> None:
    """The wire breaks at the N-th packet of a client, for every N of a life: connect, create, write, load."""
    acknowledged = unknown = 0
    async with open_proxy(own_mariadb.port) as proxy:
        for number in itertools.count(1):
            proxy.packets, proxy.cut_at, proxy.cut = 0, number, cut
            config = service | {"db_port": proxy.port, "db_table": f"cut_{next(_tables)}"}
            writers = [Writer(name) for name in ("one", "two")]
            try:
                async with opened(get_service(config)) as backend:
                    for _ in range(3):
                        async with anyio.create_task_group() as tasks:
                            for writer in writers:
                                tasks.start_soon(writer.write, backend)
                    for writer in writers:
                        with anyio.fail_after(10):
                            while not writer.acknowledged:
                                await writer.write(backend)
                                await anyio.sleep(0.01)
                        await writer.check(backend)
            except StorageError:
                assert not any(writer.number for writer in writers), "only opening may fail"
            acknowledged += sum(len(writer.acknowledged) for writer in writers)
            unknown += sum(len(writer.unknown) for writer in writers)
            if proxy.packets < number:
                break
    assert number > 15
    print(
        f"\n| cut at packet N, {cut.value} | {number - 1} | {acknowledged} acknowledged | "
        f"{unknown} unknown | 0 lost | 0 halves |"
    )


@pytest.mark.parametrize("compound", [False, True])
async def test_every_statement_refused(
    own_mariadb: MariaDb,
    service: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    *,
    compound: bool,
) -> None:
    """The server refuses the N-th statement, for every N; the next update goes through."""
    run = Connection.run
    count = 0
    fail_at = 0
    commits_failed = 0

    async def failing(connection: Connection, statements: str) -> list[Rows]:
        nonlocal count, commits_failed
        connection.is_galera = compound
        begin, end = ("BEGIN NOT ATOMIC ", "; END") if statements.endswith("; END") else ("", "")
        parts = statements.removeprefix(begin).removesuffix(end).split("; ")
        if count < fail_at <= count + len(parts):
            commits_failed += parts[fail_at - count - 1] == "COMMIT"
            parts[fail_at - count - 1] = "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'as told'"
        count += len(parts)
        return await run(connection, begin + "; ".join(parts) + end)

    outcomes: set[type[Exception] | None] = set()
    told: set[bool] = set()
    unknown = 0
    async with opened(get_service(service)) as backend:
        writers = [Writer(name) for name in ("one", "two", "three")]
        monkeypatch.setattr(Connection, "run", failing)
        for number in itertools.count(1):
            count, fail_at = 0, number
            writer = writers[number % 3]
            update = put("a", value=number)
            try:
                await backend.commit(path(f"new {number}"), [Write(update)])
                outcomes.add(None)
            except (StorageError, OutcomeUnknownError) as error:
                told.add("as told" in str(error))
                unknown += isinstance(error, OutcomeUnknownError)
                outcomes.add(type(error))
            await writer.write(backend)
            done = count < fail_at
            fail_at = 0
            for writer in writers:
                await writer.check(backend)
            assert await write_all(backend, path(f"new {number}"), update) in {1, 2}
            if done:
                break
    assert number > 12
    assert None in outcomes
    assert OutcomeUnknownError in outcomes
    assert len(outcomes) == 3
    assert told == {True}
    assert unknown + sum(len(writer.unknown) for writer in writers) == commits_failed == 2
