"""Stores on the three nodes of a Galera cluster: what one of them acknowledged is there at all of them.

The long form, with nodes that are killed, stand still and are cut off, is `python -m tests.support.faults.galera_runs`.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from sharedstate_backends import StorageError
from sharedstate_backends.conformance.model import path, put, write_all
from sharedstate_backends.items_service import get_service
from sharedstate_backends.mysql.commit import commits
from sharedstate_backends.mysql.commit.locking import lock
from sharedstate_backends.mysql.wire import connection as mysql_connection
from sharedstate_backends.mysql.wire.connection import Connection
from tests.backends.opening import opened
from tests.backends.rooms import come_and_go, prune
from tests.support.faults.contention import Tally, contend
from tests.support.faults.galera_runs import run
from tests.support.services.galera import cluster, settled
from tests.support.services.mariadb import version

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from sharedstate_backends import Backend
    from sharedstate_backends.mysql.commit.locking import Locked
    from sharedstate_backends.mysql.wire.compound import Rows
    from tests.support.services.galera import Node

UPDATES = 2_000


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Node]]:
    if version()[0] != "mariadb":
        pytest.skip("Galera comes with MariaDB")
    with cluster(tmp_path_factory.mktemp("galera")) as nodes:
        yield nodes


@asynccontextmanager
async def stores(nodes: Sequence[Node], table: str) -> AsyncIterator[list[Backend]]:
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(opened(get_service(node.config(db_table=table))))
            for node in nodes
        ]


async def test_nothing_is_lost(nodes: list[Node]) -> None:
    """Nor is a version acknowledged twice, with writers on all nodes; and nobody is refused under contention."""
    tally = await run(nodes, [], UPDATES)
    assert len(tally.acknowledged) >= UPDATES
    assert not tally.refused
    assert not tally.unknown


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_several_statements_in_a_packet_would_lose_updates(
    nodes: list[Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the compound statements, and what sessions set, are for. (The latter alone makes it rare.)"""

    async def in_one_packet(connection: Connection, statements: Sequence[str]) -> list[Rows]:
        return await connection.run("; ".join(statements))

    monkeypatch.setattr(Connection, "run_together", in_one_packet)
    monkeypatch.setattr(mysql_connection, "_GALERA_SESSION", "DO 0")
    tally = Tally()
    async with stores(nodes, "plain") as backends:
        while not tally.doubled:
            assert len(tally.acknowledged) < 10_000
            await contend(tally, backends, 250)


async def test_rooms_come_and_go(nodes: list[Node]) -> None:
    async with stores(nodes, "rooms") as backends:
        await come_and_go(backends, 100)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("remains", ["of the beginning", "of a backup that had no floor"])
async def test_a_room_that_came_and_went_at_another_node_meanwhile(
    nodes: list[Node], monkeypatch: pytest.MonkeyPatch, remains: str
) -> None:
    """A commit that has found nothing goes on from what another node has forgotten since."""
    table = f"meanwhile_{len(remains)}"
    waiting = True

    async def find_and_wait(*args: Any) -> Locked:
        nonlocal waiting
        found = await lock(*args)
        if waiting and path() in found.heads:
            waiting = False
            for update in (put("a"), put(remove=["a"])):
                await write_all(there, path(), update)
            await prune(there)
            await here.heads([path("elsewhere")])  # this node has applied it
        return found

    monkeypatch.setattr(commits, "lock", find_and_wait)
    async with stores(nodes, table) as (here, there, _):
        if remains == "of a backup that had no floor":
            nodes[0].sql(
                f"DELETE FROM {table}_meta WHERE name IN ('floor', 'starts')", "sharedstate"
            )
            await write_all(here, path("elsewhere"), put("a"))
        assert await write_all(here, path(), put("b")) > 2
        assert not waiting


async def test_what_one_node_acknowledged_the_others_tell(nodes: list[Node]) -> None:
    async with stores(nodes, "told") as backends:
        for number in range(60):
            written = await write_all(backends[number % 3], path(), put("a", value=number))
            other = backends[(number + 1) % 3]
            assert (await other.heads([path()]))[path()].version == written
            assert (await other.load(path(), None)).version == written


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_node_without_its_cluster(nodes: list[Node]) -> None:
    """What it is asked is certainly not done, and it says why."""
    node = nodes[0]
    async with opened(get_service(node.config(db_table="alone", db_timeout=2))) as backend:
        assert await write_all(backend, path(), put("a")) == 1
        node.isolate()
        try:
            await anyio.to_thread.run_sync(settled, nodes[1:])
            await anyio.to_thread.run_sync(node.wait_alone)
            with pytest.raises(StorageError, match="not in step with a majority"):
                await write_all(backend, path(), put("b"))
            with pytest.raises(StorageError, match="not in step with a majority"):
                await backend.load(path(), None)
        finally:
            node.rejoin()
        await anyio.to_thread.run_sync(settled, nodes)
        assert await write_all(backend, path(), put("c")) == 2
