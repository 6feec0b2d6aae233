"""The Python client with a real server: reading and updating a dataset."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from sharedstate_anyio.client import (
    Diff,
    RequestError,
    connect,
)
from sharedstate_core import Limits
from sharedstate_core.server import dispatch
from tests.support.peer import open_client
from tests.support.services.servers import running

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


async def test_another_order_of_the_same_items_is_told() -> None:
    async with running() as server, connect(server.url) as client:
        ds = await client.acquire(C)
        await ds.update(insert=[{"id": id} for id in "abc"])
        changes = ds.changes()
        await ds.update(reset=True, insert=[{"id": id} for id in "cab"])
        assert list(ds) == ["c", "a", "b"]
        moved = [{"id": "a"}, {"id": "b"}]
        assert await anext(changes) == [Diff(item["id"], item, item) for item in moved]


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
        ({"insert": [{"id": "a"}, {"id": 7}]}, "insert[1].id: expected a string, found 7"),
        (
            {"insert": [{"id": "a"}, {}, {"id": None}]},
            "insert[2].id: expected a string, found None",
        ),
        ({"insert": [{"id": ["secret"]}]}, "insert[0].id: expected a string, found list"),
        (
            {"insert": [b'{"id":"a"}', b'{"id":7}']},
            "insert[1]: id: expected a string, found a number",
        ),
        ({"insert": [{"id": "a", "n": math.nan}]}, "insert[0]: "),
        ({"insert": [{"id": "a", "n": object()}]}, "insert[0]: "),
        ({"insert": [{"id": "a", "s": "\ud800"}]}, "insert[0]: "),
        ({"insert": [7]}, "insert[0]: expected a mapping, or JSON text as bytes, not int"),
        ({"insert": ["{}"]}, "insert[0]: expected a mapping, or JSON text as bytes, not str"),
        ({"insert": [b'{"id":']}, "insert[0]: "),
        ({"insert": [b'{"id": "a", "n": NaN}']}, "insert[0]: "),
        ({"remove": ["a", 7]}, "remove[1]: expected a string, found 7"),
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
        assert refused.value.place == refused.value.message.split(": ")[0]
        assert await ds.update(insert=[{"id": "ok"}]) == 1
        assert list(ds) == ["ok"]


@pytest.mark.parametrize("name", ["insert", "remove"])
@pytest.mark.parametrize("value", ["text", b"text", {"id": "a"}])
async def test_one_thing_is_no_list(name: str, value: object) -> None:
    async with running() as server, connect(server.url) as client:
        with pytest.raises(TypeError, match=f"{name}: expected a list"):
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
        assert await client.get(C) == ds.get_items()


@pytest.mark.parametrize("knows_pages", [True, False])
async def test_long_lists_come_in_pages(
    monkeypatch: pytest.MonkeyPatch, *, knows_pages: bool
) -> None:
    """A server that knows none gives all of them at once, again and again."""
    if not knows_pages:
        monkeypatch.setattr(dispatch, "decode_paging", lambda *_: None)
    limits = Limits(names=3 if knows_pages else 100)
    async with running(limits=limits) as server, connect(server.url) as client:
        names = ["Z", "a", "b", "c", "\uffee", "\U0001f511"]
        for name in names:
            await client.update(f"/app/items/{name}", insert=[{"id": "x"}])
        pages = [page async for page in client.pages("app/items/")]
        assert pages == ([names[:3], names[3:]] if knows_pages else [names])
        if knows_pages:
            smaller = [page async for page in client.pages("/app/items", limit=2)]
            assert smaller == [names[:2], names[2:4], names[4:]]
            with pytest.raises(RequestError) as refused:
                await client.get("/app/items")
            assert refused.value.code == "too_large"
        assert [page async for page in client.pages("/apps")] == [["app"]]
        assert [page async for page in client.pages("/nobody/items")] == []
        for path, limit in (("/app/items", 0), ("/app/items", "3")):
            with pytest.raises((TypeError, ValueError), match=r"^limit: expected"):
                await anext(client.pages(path, limit=limit))  # type: ignore[arg-type]
        with pytest.raises(RequestError) as refused:
            await anext(client.pages("/clock"))
        assert refused.value.code == "bad_message"


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
