"""The Python client with a real server: reading, writing, following, transactions."""

from __future__ import annotations

import json
import math
from contextlib import AsyncExitStack
from decimal import Decimal
from functools import partial
from typing import Any

import anyio
import pytest

from sharedstate_anyio.client import (
    Client,
    ClosedError,
    Condition,
    Dataset,
    Diff,
    ReleasedError,
    RequestError,
    Transaction,
    connect,
)
from sharedstate_anyio.client import dataset as dataset_module
from tests.support.peer import open_client
from tests.support.relay import relay
from tests.support.servers import running, until

C = "/app/items/c"


async def test_reading() -> None:
    async with running() as server, connect(server.url) as client:
        ds = await client.acquire("app//items/c/")
        assert (ds.path, len(ds), list(ds)) == (C, 0, [])
        assert await ds.update(insert=[{"id": "b", "n": 1}, {"id": "a", "é": [None, 1.5]}]) == 2
        assert len(ds) == 2
        assert list(ds) == list(ds.keys()) == ["b", "a"], "in order of insertion"
        assert "a" in ds
        assert "x" not in ds
        assert ds.get_item("a") == ds["a"] == {"id": "a", "é": [None, 1.5]}
        assert ds.get_item("x") is None
        with pytest.raises(KeyError):
            ds["x"]
        assert ds.get_items() == list(ds.values()) == [{"id": "b", "n": 1}, ds["a"]]
        assert list(ds.items()) == [("b", {"id": "b", "n": 1}), ("a", ds["a"])]
        ds["b"]["n"] = 2
        assert ds["b"]["n"] == 1, "what is handed out is a copy"
        assert ds == {"b": ds["b"], "a": ds["a"]}
        assert repr(ds) == "<Dataset /app/items/c: 2 items>"


async def test_walking_over_it_while_it_changes() -> None:
    async with running() as server, connect(server.url) as client:
        ds = await client.acquire(C)
        await ds.update(insert=[{"id": id} for id in "abc"])
        walks: list[Any] = [iter(ds), iter(ds.keys()), iter(ds.values()), iter(ds.items())]
        seen = [[next(walk)] for walk in walks]
        await ds.update(remove=["b"], insert=[{"id": "d"}])
        for walk, before in zip(walks, seen, strict=True):
            before.extend(walk)
        items = [{"id": id} for id in "abc"]
        assert seen == [list("abc"), list("abc"), items, list(zip("abc", items, strict=True))]
        assert list(ds) == ["a", "c", "d"]


async def test_an_acknowledged_update_shows() -> None:
    async with running() as server, connect(server.url) as client:
        ds = await client.acquire(C)
        for n in range(50):
            assert await ds.update(insert=[{"id": "a", "n": n}]) == 1
            assert ds["a"]["n"] == n


@pytest.mark.parametrize(
    ("update", "expected"),
    [
        ({"insert": [{"id": "a", "n": 1}, {"id": "c"}]}, [{"id": "a", "n": 1}, "b", "c"]),
        ({"remove": ["a", "x"]}, ["b"]),
        ({"remove": ["a"], "insert": [{"id": "a"}]}, ["b", "a"]),
        ({"reset": True}, []),
        ({"reset": True, "insert": [{"id": "z"}]}, ["z"]),
        ({"insert": [b'{"id" : "t", "n": 1.10}']}, ["a", "b", {"id": "t", "n": 1.1}]),
        ({}, ["a", "b"]),
    ],
)
async def test_updates(update: dict[str, Any], expected: list[Any]) -> None:
    async with running() as server, connect(server.url) as client:
        ds = await client.acquire(C)
        await client.update(C, insert=[{"id": "a"}, {"id": "b"}])
        await ds.update(**update)
        whole = [{"id": each} if isinstance(each, str) else each for each in expected]
        assert ds.get_items() == whole == await client.get(C)


async def test_an_item_without_id_gets_one() -> None:
    async with running() as server, connect(server.url) as client:
        ds = await client.acquire(C)
        item = {"n": 1}
        await ds.update(insert=[item, item])
        assert item == {"n": 1}, "what was given is not changed"
        assert [found["n"] for found in ds.values()] == [1, 1]
        assert all(found["id"] == id for id, found in ds.items())


@pytest.mark.parametrize(
    ("update", "place"),
    [
        ({"insert": [{"id": "a"}, {"id": 7}]}, "insert[1].id: expected a string"),
        ({"insert": [{"id": "a", "n": math.nan}]}, "insert[0]: "),
        ({"insert": [{"id": "a", "n": object()}]}, "insert[0]: "),
        ({"insert": [{"id": "a", "s": "\ud800"}]}, "insert[0]: "),
        ({"insert": [7]}, "insert[0]: "),
        ({"insert": [b'{"id":']}, "insert[0]: "),
        ({"insert": [b'{"id": "a", "n": NaN}']}, "insert[0]: "),
        ({"remove": ["a", 7]}, "remove[1]: expected a string"),
        ({"insert": [{"id": ""}]}, "insert[0].id"),
    ],
)
async def test_bad_updates(update: dict[str, Any], place: str) -> None:
    """Told with the place, by the client or by the server; the next one is not affected."""
    async with running() as server, connect(server.url) as client:
        ds = await client.acquire(C)
        with pytest.raises(RequestError) as refused:
            await ds.update(**update)
        assert refused.value.code == "bad_update"
        assert refused.value.message.startswith(place)
        assert await ds.update(insert=[{"id": "ok"}]) == 1
        assert list(ds) == ["ok"]


@pytest.mark.parametrize("name", ["insert", "remove"])
@pytest.mark.parametrize("value", ["text", b"text", {"id": "a"}])
async def test_one_thing_is_no_list(name: str, value: object) -> None:
    async with running() as server, connect(server.url) as client:
        with pytest.raises(TypeError, match=f"{name} is a list"):
            await client.update(C, **{name: value})  # type: ignore[arg-type]


async def test_hostile_ids_and_values() -> None:
    ids = ["__proto__", "a/b", "\u2028", "😀", " ", "'\"\\", "id", "constructor", "\x01"]
    items = [{"id": id, "é\u0000": {"deep": [{"id": 1}]}, "big": 10**30} for id in ids]
    async with running() as server, connect(server.url) as client:
        ds = await client.acquire(C)
        await ds.update(insert=items)
        assert ds.get_items() == items
        assert await client.get(C) == items


async def test_numbers_that_do_not_fit() -> None:
    texts = [b'{"id":"a","n":1e999}', b'{"id":"b","n":' + b"7" * 5000 + b"}"]
    async with running() as server, connect(server.url) as client:
        ds = await client.acquire(C)
        await ds.update(insert=texts)
        assert [item["n"] for item in ds.values()] == [math.inf, math.inf]
    exact = partial(json.loads, parse_float=Decimal)
    async with running() as server, connect(server.url, loads=exact) as client:
        ds = await client.acquire(C)
        await ds.update(insert=[b'{"id":"a","n":1.10}'])
        assert str(ds["a"]["n"]) == "1.10"


async def test_items_as_text() -> None:
    async with running() as server, connect(server.url, loads=bytes) as client:
        ds = await client.acquire(C)
        changes = ds.changes()
        text = b'{"n": 1.10, "id": "a"}'
        assert await ds.update(insert=[text]) == 1
        assert ds["a"] == text
        assert await anext(changes) == [Diff("a", text, None)]
        assert json.loads(await client.get(C)) == [{"n": 1.1, "id": "a"}]


async def test_asking() -> None:
    async with running() as server, connect(server.url) as client:
        assert await client.get("/") == ["items"]
        await client.update("app/items/c", insert=[{"id": "a"}])
        assert await client.get("app/items/") == ["c"]
        assert await client.get("/app/items/c") == [{"id": "a"}]
        with pytest.raises(RequestError) as refused:
            await client.get("/app/nope/c")
        assert refused.value.code == "no_service"
        with pytest.raises(RequestError) as refused:
            await client.update("/app/items", insert=[])
        assert refused.value.code == "bad_path"


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


# Conditions and transactions


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
        seen.extend([await ds.transact(raise_it) for _ in range(10)])

    seen: list[int] = []
    async with running() as server, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connect(server.url)) for _ in range(10)]
        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                for client in clients:
                    tasks.start_soon(work, client)
        assert sorted(seen) == list(range(1, 101)), "each count once"
        assert await clients[0].get(C) == [{"id": "counter", "count": 100}]
        assert attempts < 400, "they give way to each other; without pauses it takes twice as many"


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
                    await ds.transact(raise_it)
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


async def test_with_a_client_of_level_1() -> None:
    async with running() as server, connect(server.url) as client:
        ds = await client.acquire(C)
        changes = ds.changes()
        async with open_client(server.port) as old:
            await old.subscribe(C)
            await old.notification()
            await old.put(C, {"insert": [{"id": "a"}]})
            assert await anext(changes) == [Diff("a", {"id": "a"}, None)]
            assert len(await old.notification()) > 0
            await ds.update(remove=["a"])
            assert (await old.notification())["data"]["remove"] == ["a"]
