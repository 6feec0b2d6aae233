"""For how long a dataset of the Python client is held, and hearing of its changes meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest
from msgspec import ValidationError
from msgspec.json import Decoder

from sharedstate_anyio.client import (
    Client,
    ClosedError,
    Diff,
    ReleasedError,
    RequestError,
    connect,
)
from tests.support.services.servers import running, until

if TYPE_CHECKING:
    from collections.abc import Callable

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


async def subscriptions(client: Client) -> list[str]:
    """Ask the server."""
    return [path for path, _ in await client.get("/subs")]


async def test_held_for_a_block() -> None:
    async with running() as server, connect(server.url) as client:
        async with client.acquired(C) as ds, client.acquired("/app//items/c") as same:
            assert same is ds
            assert await subscriptions(client) == [C]
            await ds.update(insert=[{"id": "a"}])
        assert await subscriptions(client) == []
        assert list(ds) == ["a"]
        with pytest.raises(ReleasedError):
            await ds.update(reset=True)
        for path, code in ((C[1:7], "bad_path"), ("/app/nope/c", "no_service")):
            with pytest.raises(RequestError) as refused:
                async with client.acquired(path):
                    pytest.fail("it was entered")
            assert refused.value.code == code
        assert await subscriptions(client) == []


async def test_a_block_that_is_cut_short_holds_nothing() -> None:
    async with running() as server, connect(server.url) as client:
        with anyio.CancelScope() as scope:
            async with client.acquired(C) as ds:
                scope.deadline = anyio.current_time()
                await anext(ds.changes())
        assert scope.cancelled_caught
        with pytest.raises(ZeroDivisionError):
            async with client.acquired(C):
                raise ZeroDivisionError
        async with client.acquired(C) as other:
            pass
        assert other is not ds
        assert await subscriptions(client) == []
        assert not client._held
        assert not client._hub._replicas


async def test_an_acquisition_may_be_cancelled_at_any_moment() -> None:
    """Whatever has been done by then is undone; a dataset that others hold stays."""
    async with running() as server, connect(server.url) as client, connect(server.url) as other:
        held = await other.acquire(C)
        for who in (client, other):
            for turns in range(12):

                async def hold(who: Client = who) -> None:
                    async with who.acquired(C):
                        await anyio.sleep_forever()

                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(hold)
                    for _ in range(turns):
                        await anyio.lowlevel.checkpoint()
                    tasks.cancel_scope.cancel()
                assert await subscriptions(who) == ([] if who is client else [C])
        await other.update(C, insert=[{"id": "a"}])
        assert list(held) == ["a"]


async def test_a_dataset_for_each_way_to_read_items() -> None:
    """They share one subscription, and each is released by itself."""
    number = Decoder(int)
    async with running() as server, connect(server.url) as client:
        ds = await client.acquire(C)
        texts = await client.acquire(C, loads=bytes)
        assert await client.acquire(C, loads=bytes) is texts
        assert len({id(texts), id(ds)}) == 2
        assert await subscriptions(client) == [C]
        changes = texts.changes()
        await ds.update(insert=[b'{"id":"a","n":1.10}'])
        assert (ds["a"], texts["a"]) == ({"id": "a", "n": 1.1}, b'{"id":"a","n":1.10}')
        assert await anext(changes) == [Diff("a", b'{"id":"a","n":1.10}', None)]
        client.release(ds)
        with pytest.raises(ReleasedError):
            await ds.update(reset=True)
        await texts.update(insert=[b'{"id":"b"}'])
        assert (list(ds), list(texts)) == (["a"], ["a", "b"])
        client.release(texts)
        client.release(ds)  # once too often: no effect on others
        assert await subscriptions(client) == [C]
        async with client.acquired(C, loads=number.decode) as numbers:
            assert list(numbers) == ["a", "b"], "in sync already"
            following = numbers.changes()
            with pytest.raises(ValidationError) as caught:
                _ = numbers["a"]
            assert caught.value.__notes__ == [f"this was the item 'a' of {C}"]
            for read in (numbers.get_items, numbers.values, numbers.items):
                with pytest.raises(ValidationError) as caught:
                    read()
                assert caught.value.__notes__ == [f"this was the item 'a' of {C}"]
            await texts.update(remove=["a"])
            with pytest.raises(ValidationError) as caught:
                await anext(following)
            assert caught.value.__notes__ == [f"this was the item 'a' of {C}"]
            await texts.update(reset=True)
            with pytest.raises(ValidationError):
                await anext(following)
        client.release(texts)
        assert await subscriptions(client) == []


async def test_a_refusal_is_for_all_ways_to_read_items() -> None:
    async with running() as server, connect(server.url) as client:
        for loads in (bytes, str):
            with pytest.raises(RequestError):
                await client.acquire("/app/nope/c", loads=loads)
        async with anyio.create_task_group() as tasks:
            for loads in (bytes, str):

                async def refused(loads: Callable[[bytes], object] = loads) -> None:
                    with pytest.raises(RequestError):
                        await client.acquire("/app/nope/c", loads=loads)

                tasks.start_soon(refused)
        assert not client._hub._replicas


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
