"""A client that is used in another event loop or another thread says so, at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest

from sharedstate_anyio.client import Client, ClosedError, Dataset, connect
from tests.support.services.servers import running

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PATH = "/a/items/c"


async def in_block(ds: Dataset) -> None:
    async with ds.transaction() as transaction:
        transaction.update(insert=[{"id": "x"}])


USES: list[Callable[[Client, Dataset], Awaitable[object]]] = [
    lambda client, _: client.acquire(PATH),
    lambda client, _: client.acquired(PATH).__aenter__(),
    lambda client, _: client.get(PATH),
    lambda client, _: client.update(PATH, insert=[{"id": "x"}]),
    lambda client, _: client.clock.synced(),
    lambda client, _: client.status_changes().__anext__(),
    lambda _, ds: ds.update(insert=[{"id": "x"}]),
    lambda _, ds: ds.transaction(lambda t: t.update(insert=[{"id": "x"}])),
    lambda _, ds: in_block(ds),
    lambda _, ds: ds.changes().__anext__(),
]


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("other", ["asyncio", "trio"])
async def test_another_loop(
    use: Callable[[Client, Dataset], Awaitable[object]], other: str
) -> None:
    async with running() as server, connect(server.url) as client:
        ds = await client.acquire(PATH)

        async def elsewhere() -> None:
            with anyio.fail_after(5):
                await use(client, ds)

        def run() -> None:
            with pytest.raises(RuntimeError, match="this client belongs to another event loop"):
                anyio.run(elsewhere, backend=other)

        await anyio.to_thread.run_sync(run)
        await ds.update(insert=[{"id": "y"}])
        assert list(ds) == ["y"]


async def test_another_thread() -> None:
    async with running() as server, connect(server.url) as client:
        ds = await client.acquire(PATH)

        def run() -> None:
            with pytest.raises(RuntimeError, match="this client belongs to another thread"):
                client.release(ds)

        await anyio.to_thread.run_sync(run)
        client.release(ds)


def test_a_loop_that_is_not_running() -> None:
    """A fixture in the loop of the session, and a test in one of its own: the mistake of pytest-asyncio."""
    session = asyncio.new_event_loop()
    block: Any = None

    async def enter() -> Client:
        nonlocal block
        server = running()
        served = await server.__aenter__()
        block = connect(served.url)
        client: Client = await block.__aenter__()
        block = (block, server)
        return client

    async def leave() -> None:
        for each in block:
            await each.__aexit__(None, None, None)

    client = session.run_until_complete(enter())
    try:
        with pytest.raises(RuntimeError, match="loop_scope"):
            asyncio.run(asyncio.wait_for(client.get(PATH), 5))
    finally:
        session.run_until_complete(leave())
        session.close()
    with pytest.raises(ClosedError):
        asyncio.run(client.get(PATH))
