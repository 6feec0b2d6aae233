"""For how long a dataset of the Python client is held, and hearing of its changes meanwhile."""

from __future__ import annotations

import anyio
import pytest

from sharedstate_anyio.client import (
    ClosedError,
    Diff,
    ReleasedError,
    RequestError,
    connect,
)
from tests.support.servers import running, until

C = "/app/items/c"


# Holding


async def test_the_same_dataset_until_the_last_release() -> None:
    async with running() as server, connect(server.url) as client:
        ds = await client.acquire(C)
        assert await client.acquire("/app//items/c") is ds
        changes = ds.changes()
        client.release(ds)
        await ds.update(insert=[{"id": "a"}])
        client.release(ds)
        client.release(ds)  # once too often: no effect
        await client.update(C, insert=[{"id": "b"}])
        assert list(ds) == ["a"], "readable as it was"
        assert ds.cursor is not None
        with pytest.raises(ReleasedError) as released:
            await ds.update(reset=True)
        assert released.value.code == "released"
        with pytest.raises(ReleasedError):
            async with ds.transaction():
                pass
        assert [len(diffs) async for diffs in changes] == [1]
        assert [diffs async for diffs in ds.changes()] == []
        again = await client.acquire(C)
        assert again is not ds
        assert list(again) == ["a", "b"]
        client.release(ds)  # not its handle
        await again.update(remove=["a"])


async def test_a_refused_path() -> None:
    async with running() as server, connect(server.url) as client:
        for _ in range(2):
            with pytest.raises(RequestError) as refused:
                await client.acquire("/app/nope/c")
            assert refused.value.code == "no_service"
        with pytest.raises(RequestError) as refused:
            await client.acquire("/app/items")
        assert refused.value.code == "bad_path"
        assert await client.get("/subs") == []


async def test_cancelling_an_acquisition_gives_it_back() -> None:
    async with running() as server, connect(server.url) as client:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await client.acquire(C)
        assert scope.cancelled_caught
        ds = await client.acquire(C)
        client.release(ds)
        await until(lambda: client.status == "connected")
        assert await client.get("/subs") == []


async def test_after_the_end() -> None:
    async with running() as server:
        async with connect(server.url) as client:
            ds = await client.acquire(C)
            await ds.update(insert=[{"id": "a"}])
            changes = ds.changes()
        assert client.status == "closed"
        assert ds["a"] == {"id": "a"}
        assert [diffs async for diffs in changes] == []
        for ask in (
            lambda: client.get("/"),
            lambda: client.acquire(C),
            lambda: ds.update(reset=True),
            client.clock.synced,
        ):
            with pytest.raises(ClosedError) as closed:
                await ask()
            assert closed.value.code == "closed"
        client.release(ds)
        assert ds["a"] == {"id": "a"}


# Following


async def test_changes() -> None:
    async with running() as server, connect(server.url) as client, connect(server.url) as other:
        ds = await client.acquire(C)
        await ds.update(insert=[{"id": "a"}, {"id": "b"}])
        changes = ds.changes()
        await other.update(C, insert=[{"id": "a", "n": 1}])
        assert await anext(changes) == [Diff("a", {"id": "a", "n": 1}, {"id": "a"})]
        assert ds["a"] == {"id": "a", "n": 1}
        await other.update(C, remove=["b"], insert=[{"id": "c"}])
        diffs = await anext(changes)
        assert sorted(diffs) == [Diff("b", None, {"id": "b"}), Diff("c", {"id": "c"}, None)]


async def test_who_is_slow_gets_the_net_difference() -> None:
    async with running() as server, connect(server.url) as client:
        ds = await client.acquire(C)
        await ds.update(insert=[{"id": "kept"}, {"id": "gone"}])
        changes = ds.changes()
        for n in range(20):
            await ds.update(insert=[{"id": "kept", "n": n}, {"id": f"passing {n}"}])
            await ds.update(remove=[f"passing {n}"])
        await ds.update(remove=["gone"], insert=[{"id": "new"}])
        with anyio.fail_after(20):
            assert await anext(changes) == [
                Diff("kept", {"id": "kept", "n": 19}, {"id": "kept"}),
                Diff("gone", None, {"id": "gone"}),
                Diff("new", {"id": "new"}, None),
            ]
        await ds.update(insert=[{"id": "x"}])
        await ds.update(remove=["x"])
        with anyio.move_on_after(0.05) as waiting:
            await anext(changes)
        assert waiting.cancelled_caught, "nothing came of it"
        await ds.update(insert=[{"id": "y"}])
        assert await anext(changes) == [Diff("y", {"id": "y"}, None)]


async def test_several_listeners_and_one_that_left() -> None:
    async with running() as server, connect(server.url) as client:
        ds = await client.acquire(C)
        one, two, left = ds.changes(), ds.changes(), ds.changes()
        del left
        await ds.update(insert=[{"id": "a"}])
        assert await anext(one) == await anext(two) == [Diff("a", {"id": "a"}, None)]
