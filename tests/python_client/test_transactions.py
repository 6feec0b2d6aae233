"""Conditional updates and transactions of the Python client, with a real server."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack
from typing import Any

import anyio
import pytest

from sharedstate_anyio.client import (
    Client,
    Condition,
    Dataset,
    RequestError,
    Transaction,
    connect,
)
from sharedstate_anyio.client import dataset as dataset_module
from sharedstate_anyio.client.contention import ContentionBackoff
from tests.support.faults.relay import relay
from tests.support.services.servers import running

C = "/app/items/c"


async def test_conditional_updates() -> None:
    async with running() as server, connect(server.url) as client:
        ds = await client.acquire(C)
        await ds.update(insert=[{"id": "a"}, {"id": "b"}])
        seen = ds.cursor
        assert seen is not None
        await ds.update(insert=[{"id": "b", "n": 1}])
        assert await ds.update(insert=[{"id": "a", "n": 1}], if_=Condition(seen, ("a",))) == 1
        for condition in (seen, Condition(seen), Condition(seen, ("x", "b"))):
            with pytest.raises(RequestError) as refused:
                await ds.update(reset=True, if_=condition)
            assert refused.value.code == "conflict"
        assert await client.update(C, remove=["a"], if_=ds.cursor) == 1


async def test_a_transaction_reads_its_own_writes_and_sends_one_update() -> None:
    async with running() as server, connect(server.url) as client:
        ds = await client.acquire(C)
        await ds.update(insert=[{"id": "a", "n": 1}, {"id": "b"}])
        changes = ds.changes()
        async with ds.transaction() as t:
            t.update(insert=[{"id": "a", "n": t["a"]["n"] + 1}, {"id": "c"}])
            t.update(remove=["b"])
            assert t.get_item("a") == {"id": "a", "n": 2}
            assert list(t) == ["a", "c"]
            assert t.get_items() == list(t.values())
            assert ("b" in t, len(t), t.get_item("b")) == (False, 2, None)
            assert ds["a"]["n"] == 1, "not sent yet"
        assert dict(ds) == {"a": {"id": "a", "n": 2}, "c": {"id": "c"}}
        assert len(await anext(changes)) == 3
        async with ds.transaction() as t:
            t.update(reset=True)
            assert list(t) == []
        assert len(ds) == 0


async def test_a_transaction_that_fails_or_writes_nothing_sends_nothing() -> None:
    async with running() as server, connect(server.url) as client:
        ds = await client.acquire(C)
        before = ds.cursor
        async with ds.transaction() as t:
            assert len(t) == 0

        async def fail(item: object) -> None:
            async with ds.transaction() as t:
                t.update(insert=[{"id": "a"}])
                t.update(insert=[{"id": item}])
                t["nowhere"]

        with pytest.raises(KeyError):
            await fail("b")
        with pytest.raises(RequestError):
            await fail(7)
        await client.acquire(C)
        assert (await client.get(C), ds.cursor) == ([], before)


async def test_what_a_transaction_refuses_is_no_part_of_it() -> None:
    async with running() as server, connect(server.url) as client:
        ds = await client.acquire(C)
        await ds.update(insert=[{"id": id} for id in "milk"])
        wrong: Any = [{"reset": "false"}, {"reset": 1}, {"reset": None}, {"remove": "milk"}]
        async with ds.transaction() as t:
            for update in wrong:
                with pytest.raises(TypeError):
                    t.update(**update)
            assert len(t) == 4
            t.update(insert=[{"id": "a"}])
        assert list(ds) == [*"milka"]


async def test_nothing_can_be_added_to_a_transaction_that_is_over() -> None:
    async with running() as server, connect(server.url) as client:
        ds = await client.acquire(C)
        kept: list[Transaction] = []
        await ds.transaction(kept.append)
        async with ds.transaction() as t:
            kept.append(t)

        def fail(t: Transaction) -> None:
            kept.append(t)
            raise KeyError

        async def fail_in_a_block() -> None:
            async with ds.transaction() as t:
                fail(t)

        for failing in (ds.transaction(fail), fail_in_a_block()):
            with pytest.raises(KeyError):
                await failing
        assert len(kept) == 4
        for t in kept:
            with pytest.raises(RequestError, match="over") as refused:
                t.update(insert=[{"id": "a"}])
            assert refused.value.code == "bad_update"
            assert t.get_items() == []


@pytest.mark.parametrize(
    ("read", "conflicts"),
    [
        (lambda t: t["a"], True),
        (lambda t: t.get_item("a"), True),
        (lambda t: "a" in t, True),
        (len, True),
        (list, True),
        (lambda t: t.get_items(), True),
        (lambda t: t["b"], False),
        (type, False),
    ],
)
async def test_what_was_read_must_not_have_changed(read: Any, conflicts: bool) -> None:
    async with running() as server, connect(server.url) as client:
        ds = await client.acquire(C)
        await ds.update(insert=[{"id": "a"}, {"id": "b"}])
        codes = []
        try:
            async with ds.transaction() as t:
                read(t)
                t.update(insert=[{"id": "mine"}])
                await ds.update(insert=[{"id": "a", "n": 1}])
        except RequestError as error:
            codes.append(error.code)
        assert codes == ["conflict"] * conflicts
        assert ("mine" in ds) is not conflicts


async def test_transactions_of_one_dataset_do_not_fight_one_another() -> None:
    runs: list[int] = []

    def add(t: Transaction) -> None:
        runs.append(t["a"]["n"])
        t.update(insert=[{"id": "a", "n": t["a"]["n"] + 1}])

    async with running() as server, connect(server.url) as client:
        ds = await client.acquire(C)
        await ds.update(insert=[{"id": "a", "n": 0}])
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(ds.transaction, add)
        assert runs == list(range(10)), "each ran once"
        with anyio.CancelScope() as scope:
            scope.cancel()
            await ds.transaction(add)
        await ds.transaction(add)
        assert ds["a"]["n"] == 11


async def test_a_transaction_shows_what_was_there_when_it_began() -> None:
    async with running() as server, connect(server.url) as client:
        ds = await client.acquire(C)
        await ds.update(insert=[{"id": "a"}])
        async with ds.transaction() as t:
            await ds.update(insert=[{"id": "a", "n": 1}, {"id": "b"}])
            assert dict(t) == {"a": {"id": "a"}}


async def test_a_counter_that_everybody_raises() -> None:
    attempts = 0

    def raise_it(t: Transaction) -> int:
        nonlocal attempts
        attempts += 1
        count: int = t.get("counter", {"count": 0})["count"] + 1
        t.update(insert=[{"id": "counter", "count": count}])
        return count

    async def work(client: Client) -> None:
        ds = await client.acquire(C)
        seen.extend([await ds.transaction(raise_it) for _ in range(10)])

    seen: list[int] = []
    async with running() as server, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connect(server.url)) for _ in range(10)]
        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                for client in clients:
                    tasks.start_soon(work, client)
        assert sorted(seen) == list(range(1, 101)), "each count once"
        assert await clients[0].get(C) == [{"id": "counter", "count": 100}]
        # Whoever loses sees what it lost to before it tries again, so no count costs another more than one attempt.
        assert attempts <= 100 * len(clients)


async def test_who_loses_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses are random, up to a bound that doubles with each conflict and halves with each transaction after them."""
    paused: list[float] = []

    async def sleep(seconds: float) -> None:
        paused.append(seconds)

    monkeypatch.setattr(anyio, "sleep", sleep)
    monkeypatch.setattr(random, "random", lambda: 0.5)
    backoff = ContentionBackoff()
    await backoff.begin()
    assert paused == [], "nobody is there"
    for _ in range(7):
        await backoff.conflict(0.01)
    for _ in range(8):
        await backoff.begin()
    assert [seconds / 0.005 for seconds in paused] == [
        *(2, 4, 8, 16, 32, 64, 64),
        *(64, 32, 16, 8, 4, 2),
    ]
    await backoff.conflict(60)
    assert paused[-1] == 0.5, "half of a second, the longest"


async def test_a_coroutine_function_cannot_be_run_again() -> None:
    """Its body would not run at all, and nothing would be written."""

    async def raise_it(t: Transaction) -> None:
        t.update(insert=[{"id": "counter", "count": 1}])

    async with running() as server, connect(server.url) as client:
        ds = await client.acquire(C)
        with pytest.raises(TypeError, match="a plain function"):
            _ = await ds.transaction(raise_it)
        assert len(ds) == 0


async def test_who_is_far_away_may_lose_each_time_and_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While what far away was read is on its way, others who are near have changed it."""
    monkeypatch.setattr(dataset_module, "ATTEMPTS", 3)
    begun, hurried, runs = anyio.Event(), True, 0

    def raise_it(t: Transaction) -> int:
        nonlocal runs
        runs += 1
        if hurried:
            wire.hold()
            begun.set()
        count: int = t.get("counter", {"count": 0})["count"] + 1
        t.update(insert=[{"id": "counter", "count": count}])
        return count

    async def hurry() -> None:
        nonlocal begun
        while True:
            await begun.wait()
            begun = anyio.Event()
            await near.update(C, insert=[{"id": "counter", "count": 10 * runs}])
            wire.let_pass()

    async with (
        running() as server,
        relay(server.port) as wire,
        connect(server.url) as near,
        connect(f"ws://127.0.0.1:{wire.port}") as far,
    ):
        ds = await far.acquire(C)
        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(hurry)
                with pytest.raises(RequestError) as caught:
                    await ds.transaction(raise_it)
                assert (caught.value.code, runs) == ("conflict", 3)
                hurried = False
                assert await ds.transact(raise_it) == 31, "nothing of it was applied"
                tasks.cancel_scope.cancel()


async def test_a_transaction_needs_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of level 1 tells none."""
    async with running() as server, connect(server.url) as client:
        ds = await client.acquire(C)
        monkeypatch.setattr(Dataset, "cursor", None)
        with pytest.raises(RequestError, match="conditional"):
            async with ds.transaction():
                pass
