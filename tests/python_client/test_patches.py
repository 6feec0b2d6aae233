"""The Python client with a real server: changes of single members."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from sharedstate_anyio.client import Condition, RequestError, connect
from tests.support.faults import faulty_service
from tests.support.peer import open_client
from tests.support.services.servers import running

C = "/app/items/c"


async def test_each_kind_of_change() -> None:
    async with running() as server, connect(server.url) as client:
        ds = await client.acquire(C)
        await ds.update(insert=[b'{"id":"milk","price":1.10,"n":1,"tags":["a"],"old":1}'])
        await ds.patch(
            "milk",
            set={"done": True, "/by/last": None},
            unset=["old"],
            inc={"n": 2},
            now=["at"],
            add={"tags": ["a", "b"]},
        )
        milk = ds["milk"]
        assert abs(milk.pop("at") - await client.get("/clock")) < 60
        assert milk == {
            "id": "milk",
            "price": 1.1,
            "n": 3,
            "tags": ["a", "b"],
            "done": True,
            "by": {"last": None},
        }
        await ds.patch("milk", pull={"tags": ["a"]}, unset=["at", "by", "done", "price"])
        assert ds["milk"] == {"id": "milk", "n": 3, "tags": ["b"]}
        await ds.patch("tea", inc={"n": 1}, upsert=True)
        assert ds["tea"] == {"id": "tea", "n": 1}


async def test_numbers_keep_their_digits() -> None:
    async with running() as server, connect(server.url, loads=bytes) as client:
        await client.update(C, insert=[b'{"id":"a","p":1.10,"big":9007199254740993}'])
        texts: list[Any] = [b'{"id":"a","set":{"q":2.50}}', {"id": "a", "inc": {"big": 1}}]
        assert await client.update(C, patch=texts) == 1
        assert await client.get(C) == [b'{"id":"a","p":1.10,"big":9007199254740994,"q":2.50}']


async def test_increments_of_many_clients_all_count() -> None:
    async with running() as server, connect(server.url) as client:
        ds = await client.acquire(C)

        async def count() -> None:
            async with connect(server.url) as another, anyio.create_task_group() as tasks:
                for _ in range(20):
                    tasks.start_soon(increment, another)

        async def increment(another: Any) -> None:
            await another.update(C, patch=[{"id": "n", "inc": {"n": 1}, "upsert": True}])

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(count)
        await ds.patch("n", inc={"n": 1})
        assert ds["n"]["n"] == 101


async def test_why_it_was_refused() -> None:
    async with running() as server, connect(server.url) as client:
        ds = await client.acquire(C)
        await ds.update(insert=[{"id": "a", "n": "x"}])
        with pytest.raises(RequestError) as info:
            await ds.patch("a", inc={"n": 1})
        told = info.value.code, info.value.place, info.value.ids
        assert told == ("mismatch", "patch[0].inc.n", ("a",))
        with pytest.raises(RequestError, match="no such item"):
            await ds.patch("b", set={"n": 1})
        cursor = ds.cursor
        assert cursor is not None
        await ds.patch("a", set={"n": 1}, if_=Condition(cursor, ("a",)))
        with pytest.raises(RequestError) as conflict:
            await ds.patch("a", set={"n": 2}, if_=Condition(cursor, ("a",)))
        assert conflict.value.code == "conflict"


async def test_a_dataset_of_some_members_can_be_patched() -> None:
    async with running() as server, connect(server.url) as client:
        await client.update(C, insert=[{"id": "a", "n": 1, "m": 2}])
        ds = await client.acquire(C, fields=["n"])
        await ds.patch("a", inc={"n": 1, "m": 1})
        assert ds["a"] == {"id": "a", "n": 2}
        assert await client.get(C) == [{"id": "a", "n": 2, "m": 3}]


async def test_a_server_whose_storage_takes_none_is_sent_none() -> None:
    async with running(faulty_service.SERVICE) as server, connect(server.url) as client:
        with pytest.raises(RequestError, match="the server knows no patches") as info:
            await client.update(C, patch=[{"id": "a", "upsert": True}])
        code: str = info.value.code
        assert code == "failed"
        assert await client.get(C) == []
    async with running(faulty_service.SERVICE) as server, open_client(server.port) as peer:
        reply = await peer.ask("PUT", C, {"patch": [{"id": "a", "upsert": True}]})
        assert (reply["error"]["code"], reply["error"]["place"]) == ("bad_update", "patch")


@pytest.mark.parametrize(
    ("patch", "place"),
    [
        (7, "patch[0]"),
        ({}, "patch[0].id"),
        ({"id": 7}, "patch[0].id"),
        ({"id": "\ud800"}, "patch[0].id"),
        ({"id": "a", "increment": {}}, "patch[0]"),
        ({"id": "a", "set": [1]}, "patch[0].set"),
        ({"id": "a", "set": {"n": {1}}}, "patch[0].set.n"),
        ({"id": "a", "set": {"n": float("nan")}}, "patch[0].set.n"),
        ({"id": "a", "set": {7: 1}}, "patch[0].set"),
        ({"id": "a", "set": {"id": "b"}}, "patch[0].set.id"),
        ({"id": "a", "inc": {"n": True}}, "patch[0].inc.n"),
        ({"id": "a", "inc": {"n": "1"}}, "patch[0].inc.n"),
        ({"id": "a", "now": "at"}, "patch[0].now"),
        ({"id": "a", "now": [7]}, "patch[0].now[0]"),
        ({"id": "a", "add": {"l": "x"}}, "patch[0].add.l"),
        ({"id": "a", "upsert": 1}, "patch[0].upsert"),
        (b"{", "patch[0]"),
        (b'{"id":"a","inc":{"n":"1"}}', "patch[0].inc.n"),
        (b'{"id":"a","pull":{"l":1}}', "patch[0].pull.l"),
        (b'{"id":"a","unset":[1]}', "patch[0].unset[0]"),
    ],
)
async def test_what_is_no_patch(patch: Any, place: str) -> None:
    async with running() as server, connect(server.url) as client:
        with pytest.raises(RequestError) as info:
            await client.update(C, patch=[patch])
        assert (info.value.code, info.value.place) == ("bad_update", place)
        with pytest.raises(TypeError, match="patch: expected a list"):
            await client.update(C, patch={"id": "a"})  # type: ignore[dict-item]
