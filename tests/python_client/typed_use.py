"""How programs use the client, as type checkers see it: run by nobody, checked by mypy and pyright.

Lines with an `ignore` must not type-check: both checkers are told to complain of one that is not needed.
"""

from __future__ import annotations

from collections.abc import ItemsView
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, assert_type

import msgspec

from sharedstate_anyio.client import (
    Changes,
    Client,
    Dataset,
    Diff,
    Page,
    Place,
    Transaction,
    Where,
    connect,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

URL = "ws://127.0.0.1:9000"
C = "/app/items/c"


class Todo(msgspec.Struct):
    """An item of a program."""

    id: str
    done: bool = False


todo = msgspec.json.Decoder(Todo)


async def plain() -> None:
    """Items are dictionaries, unless somebody says otherwise; annotations need no parameter."""
    async with connect(URL) as client:
        assert_type(client, Client)
        assert_type(client, Client[dict[str, Any]])
        ds = await client.acquire(C)
        assert_type(ds, Dataset)
        assert_type(ds["a"], dict[str, Any])
        assert_type(ds.get_item("a"), dict[str, Any] | None)
        assert_type(ds.get("a", {}), dict[str, Any])
        assert_type(ds.items(), ItemsView[str, dict[str, Any]])
        async for diffs in ds.changes():
            assert_type(diffs, list[Diff])
            for id, new, old in diffs:
                assert_type(id, str)
                assert_type(new, dict[str, Any] | None)
                assert_type(old, dict[str, Any] | None)
        assert_type(await ds.update(insert=[{"id": "a"}, b'{"id":"b"}', ds["c"] | {"n": 1}]), int)
        await ds.update(insert=["a"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
        await ds.update(insert={"id": "a"})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
        await ds.update([{"id": "a"}])  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
        await ds.update(insert=[], reset=1, if_="x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        _ = ds["a"].done  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
        _ = ds.get_item("a")["n"]  # type: ignore[index]  # pyright: ignore[reportOptionalSubscript]
        ds["a"] = {}  # type: ignore[index]  # pyright: ignore[reportIndexIssue]
        client.release("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def typed_client() -> None:
    """What `loads` makes is what items are."""
    assert_type(connect(URL, loads=todo.decode), AbstractAsyncContextManager[Client[Todo]])
    async with connect(URL, wait=False, max_queue=10, loads=todo.decode) as client:
        assert_type(client, Client[Todo])
        assert_type(await client.page(C), Page[Todo])
        async with client.acquired(C) as ds:
            assert_type(ds, Dataset[Todo])
            assert_type(ds["a"].done, bool)
            assert_type(list(ds.values()), list[Todo])
            changes = ds.changes()
            assert_type(changes, Changes[Todo])
            (diff,) = await anext(changes)
            assert_type(diff, Diff[Todo])
            assert_type(diff.new, Todo | None)
            _ = diff.new.done  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]
            _ = ds["a"]["done"]  # type: ignore[index]  # pyright: ignore[reportIndexIssue]
            _ = ds["a"].dome  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    connect(URL, loads=str.upper)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def typed_datasets(client: Client) -> None:
    """Each collection may have a type of its own; only what may be replaced by another may be passed for it."""
    todos = await client.acquire(C, loads=todo.decode)
    assert_type(todos, Dataset[Todo])
    async with client.acquired(C, loads=bytes) as texts:
        assert_type(texts, Dataset[bytes])
    show(todos)
    show(texts)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    count(todos)
    client.release(todos)
    assert_type(await client.get(C, loads=msgspec.json.Decoder(list[Todo]).decode), list[Todo])
    assert_type(await client.get("/"), list[str])
    assert_type(await client.get("/clock"), float)
    assert_type(await client.get(C), Any)
    part: Where = {"room": "r3", "n": {"gt": 1}, "or": [{"done": True}, {"not": {"n": 3}}]}
    few = await client.acquire(C, where=part, last=5, fields=["done"])
    assert_type(few, Dataset)
    assert_type(await client.acquire(C, where={"n": 1}, loads=todo.decode), Dataset[Todo])
    assert_type(few.where, dict[str, Any] | None)
    assert_type(few.before, Place | None)
    page = await client.page(C, last=5, before=few.before)
    assert_type(page, Page)
    assert_type(page.items, list[dict[str, Any]])
    async with client.acquired(C, last=1) as newest:
        assert_type(newest, Dataset)
    await client.acquire(C, where="room")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    await client.page(C, before=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await client.acquire(C, todo.decode)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]


def show(ds: Mapping[str, Todo]) -> None:
    """Take a dataset as the mapping that it is."""
    print(ds)


def count(ds: Dataset[object]) -> int:
    """Take a dataset of whatever items."""
    return len(ds)


async def transactions(ds: Dataset[Todo]) -> None:
    """One name for both ways."""

    def finish(t: Transaction[Todo]) -> bool:
        t.update(insert=[msgspec.json.encode(Todo("a", done=True))], remove=["b"])
        return t["a"].done

    def other(t: Transaction) -> None:
        t["a"]["done"]

    assert_type(await ds.transaction(finish), bool)
    assert_type(await ds.transact(finish), bool)
    assert_type(await ds.transaction(lambda t: t["a"].id), str)
    async with ds.transaction() as t:
        assert_type(t, Transaction[Todo])
        assert_type(t.get_item("a"), Todo | None)
    await ds.transaction(other)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await ds.transaction()  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    t.update(if_=ds.cursor)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
