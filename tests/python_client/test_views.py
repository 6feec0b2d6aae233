"""Datasets of parts of a collection, and pages, with a real server."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import anyio
import msgspec
import pytest
from wsproto.events import TextMessage

from sharedstate_anyio.client import (
    Condition,
    Dataset,
    Diff,
    Page,
    RequestError,
    SharedStateError,
    Transaction,
    connect,
)
from tests.client.by_hand import notification, reply
from tests.python_client.support import next_request, reaches, start, websockets
from tests.support.faults.relay import relay
from tests.support.services.servers import running, until

if TYPE_CHECKING:
    from pathlib import Path

    from wsproto import WSConnection

C = "/app/items/c"
R3 = {"room": "r3"}


def item(id: str, room: str = "r3", **members: Any) -> dict[str, Any]:
    return {"id": id, "room": room, **members}


# What is shown


async def test_items_enter_and_leave_at_their_places() -> None:
    async with running() as server, connect(server.url) as client, connect(server.url) as other:
        await other.update(C, insert=[item("a"), item("b", "r4"), item("c"), item("d", "r4")])
        async with client.acquired(C, where=R3) as ds:
            assert list(ds) == ["a", "c"]
            changes = ds.changes()
            await other.update(C, insert=[item("b", n=1), item("d")])
            assert await anext(changes) == [
                Diff("b", item("b", n=1), None),
                Diff("d", item("d"), None),
            ]
            assert list(ds.values()) == [item("a"), item("b", n=1), item("c"), item("d")]
            await other.update(C, insert=[item("b", "r4")])
            assert await anext(changes) == [Diff("b", None, item("b", n=1))]
            await other.update(C, remove=["a"], insert=[item("a"), item("x", "r4")])
            await anext(changes)
            assert list(ds) == ["c", "d", "a"], "it was made anew"
            await other.update(C, remove=["d"])
            assert await anext(changes) == [Diff("d", None, item("d"))]


async def test_a_writer_sees_its_change_once_it_is_answered() -> None:
    async with running() as server, connect(server.url) as client:
        ds = await client.acquire(C, where=R3)
        await ds.update(insert=[item("a"), item("b", "r4")])
        assert list(ds) == ["a"]
        await ds.update(insert=[item("a", "r4")])
        assert list(ds) == []
        await ds.update(insert=[item("b")])
        assert list(ds) == ["b"]


async def test_the_last_ones() -> None:
    async with running() as server, connect(server.url) as client:
        await client.update(C, insert=[item(str(n), f"r{3 + n % 2}") for n in range(8)])
        ds = await client.acquire(C, where=R3, last=2)
        assert (list(ds), ds.last) == (["4", "6"], 2)
        changes = ds.changes()
        await client.update(C, insert=[item("new")])
        assert await anext(changes) == [Diff("4", None, item("4")), Diff("new", item("new"), None)]
        await client.update(C, remove=["6"])
        await until(lambda: list(ds) == ["4", "new"])
        await client.update(C, insert=[item("0", n=1)])
        await client.update(C, insert=[item("1")])
        assert list(ds) == ["4", "new"], "one that enters before them is not shown"


async def test_fields_are_shown_and_nothing_is_lost_of_the_others() -> None:
    async with running() as server, connect(server.url) as client:
        await client.update(C, insert=[item("a", n=1, text="x"), item("b", n=2)])
        ds = await client.acquire(C, fields=["n"])
        assert dict(ds) == {"a": {"id": "a", "n": 1}, "b": {"id": "b", "n": 2}}
        assert ds.fields == ("n",)

        async def insert_in_a_block() -> None:
            async with ds.transaction() as t:
                t.update(insert=[t["a"] | {"n": 3}])

        for attempt in (
            lambda: ds.update(insert=[{"id": "a", "n": 3}], remove=["b"]),
            lambda: ds.transaction(lambda t: t.update(insert=[t["a"]])),
            insert_in_a_block,
        ):
            with pytest.raises(RequestError, match="some members of its items") as refused:
                await attempt()
            assert (refused.value.code, refused.value.place) == ("bad_update", "insert")
        await ds.update(remove=["b"])
        async with ds.transaction() as t:
            assert t["a"] == {"id": "a", "n": 1}
            t.update(remove=["a"])
        assert await client.get(C) == []
        await ds.update(insert=[], reset=True)


async def test_a_change_of_what_is_not_shown_is_not_told() -> None:
    async with running() as server, connect(server.url) as client:
        await client.update(C, insert=[item("a", n=1)])
        ds = await client.acquire(C, fields=["n"])
        changes = ds.changes()
        await client.update(C, insert=[item("a", n=1, text="new")])
        await client.update(C, insert=[item("a", n=2, text="new")])
        assert await anext(changes) == [Diff("a", {"id": "a", "n": 2}, {"id": "a", "n": 1})]


# Which dataset


async def test_equal_filters_are_one_dataset_and_others_are_others() -> None:
    async with running() as server, connect(server.url) as client:
        where = {"n": {"gt": 1, "lt": 3}, "room": "r3"}
        ds = await client.acquire(C, where=where, last=5)
        same = {"room": "r3", "n": {"lt": 3.0, "gt": 1}}
        assert await client.acquire("app//items/c", where=same, last=5) is ds
        others = [
            await client.acquire(C, where=same),
            await client.acquire(C, where=same, last=5, loads=bytes),
            await client.acquire(C),
            await client.acquire("/app/items/d", where=same, last=5),
        ]
        assert len({id(each) for each in (ds, *others)}) == 5
        assert (ds.where, ds.last, ds.fields) == (where, 5, None)
        assert (others[2].where, others[2].last, others[2].before) == (None, None, None)
        assert repr(ds) == (
            '<Dataset /app/items/c {"last":5,"where":{"n":{"gt":1,"lt":3},"room":"r3"}}: 0 items>'
        )
        assert len(await client.get("/subs")) == 4
        await client.update(C, insert=[item("a", n=2), item("b", n=9)])
        assert [list(each) for each in (ds, *others)] == [["a"], ["a"], ["a"], ["a", "b"], []]
        client.release(ds)
        await client.update(C, insert=[item("c", n=2)])
        assert list(ds) == ["a", "c"], "it was acquired twice"
        for each in (ds, *others):
            client.release(each)
        assert await client.get("/subs") == []
        assert ds.before == (1, 0), "readable as it was"


async def test_two_filters_of_one_name() -> None:
    """See `tests/vectors/filters/view-names.json`."""
    rooms = ("cod jet mud ash", "jet hay fig bay")
    async with running() as server, connect(server.url) as client:
        await client.update(C, insert=[item("a", rooms[0]), item("b", rooms[1])])
        one, two = [await client.acquire(C, where={"room": room}) for room in rooms]
        assert (list(one), list(two)) == (["a"], ["b"])
        views = [sub["view"] for _, sub in await client.get("/subs")]
        assert views == ["mt1ook", "mt1ook_"]
        client.release(one)
        assert await client.acquire(C, where={"room": rooms[1]}) is two
        assert list(await client.acquire(C, where={"room": rooms[0]})) == ["a"]


async def test_a_filter_that_the_server_refuses() -> None:
    async with running() as server, connect(server.url) as client:
        for _ in range(2):
            with pytest.raises(RequestError, match=r"where\.n\.gt") as refused:
                await client.acquire(C, where={"n": {"gt": []}})
            assert refused.value.code == "bad_message"
        with pytest.raises(RequestError) as refused:
            await client.get(C, last=1001)
        assert refused.value.code == "too_many"
        assert await client.get("/subs") == []
        ds = await client.acquire(C, where={"n": {"gt": 1}})
        await ds.update(insert=[item("a", n=2)])
        assert list(ds) == ["a"]


async def test_wrong_arguments() -> None:
    async with running() as server, connect(server.url) as client:
        for read in (client.acquire, client.get, client.page):
            for arguments, error in (
                ({"where": "{}"}, TypeError),
                ({"last": 0}, ValueError),
                ({"fields": "n"}, TypeError),
            ):
                with pytest.raises(error):
                    await read(C, **arguments)
        for before in (1, (1,), (1, "a"), (True, 1), "ab"):
            with pytest.raises(TypeError, match="before: expected two whole numbers"):
                await client.page(C, before=before)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="are for a collection"):
            await client.get("/app/items", last=3)
        assert await client.get("/subs") == []


# Pages


async def test_pages_of_older_items() -> None:
    async with running() as server, connect(server.url) as client:
        await client.update(C, insert=[item(str(n), f"r{3 + n % 2}") for n in range(14)])
        ds = await client.acquire(C, where=R3, last=2)
        shown, before, more = [list(ds)], ds.before, True
        while more:
            page = await client.page(C, where=R3, last=2, before=before)
            shown.append([each["id"] for each in page.items])
            before, more = page.before, page.more
        assert shown == [["10", "12"], ["6", "8"], ["2", "4"], ["0"]]
        assert await client.page(C, where=R3, last=2, before=before) == Page([], None, False)
        first = await client.page(C, last=1, fields=["none"])
        assert first == Page([{"id": "13"}], (1, 13), True)
        ids = [each["id"] for each in await client.get(C, where=R3, before=first.before)]
        assert ids == ["0", "2", "4", "6", "8", "10", "12"]
        assert await client.get(C, last=1, loads=msgspec.json.decode) == [item("13", "r4")]
        assert (await client.page(C, last=14)).more is False


async def test_everything() -> None:
    async with running() as server, connect(server.url) as client:
        await client.update(C, insert=[item("a"), item("b", "r4")])
        page = await client.page(C)
        assert (page.items, page.more) == ([item("a"), item("b", "r4")], False)
        ds = await client.acquire(C, where={})
        assert (list(ds), ds.where) == (["a", "b"], {})
        await ds.update(insert=[item("c")], remove=["a"])
        assert list(ds) == ["b", "c"]


# Transactions


async def test_a_transaction_on_a_part_does_not_conflict_for_ever() -> None:
    """Changes that it does not show have moved the collection on since; a retry knows of them."""
    async with running() as server, connect(server.url) as client, connect(server.url) as other:
        ds = await client.acquire(C, where=R3)
        await ds.update(insert=[item("a", n=0)])
        attempts = 0

        def add(t: Transaction) -> None:
            nonlocal attempts
            attempts += 1
            assert len(t) == 1
            t.update(insert=[item("a", n=t["a"]["n"] + 1)])

        for number in range(3):
            await other.update(C, insert=[item(f"hidden {number}", "r4")])
            before = attempts
            with anyio.fail_after(20):
                await ds.transaction(add)
            assert attempts - before <= 2
        assert ds["a"]["n"] == 3


async def test_transactions_of_many_count_right() -> None:
    async with running() as server, connect(server.url) as client, connect(server.url) as other:
        await client.update(C, insert=[item("n", n=0)])

        async def count(ds: Dataset) -> None:
            for _ in range(5):
                await ds.transaction(
                    lambda t: t.update(insert=[item("n", n=t.get_items()[0]["n"] + 1)])
                )

        async with anyio.create_task_group() as tasks:
            for who, where in ((client, R3), (other, {"n": {"gte": 0}})):
                tasks.start_soon(count, await who.acquire(C, where=where))
            tasks.start_soon(count, await client.acquire(C, last=1))
        assert await client.get(C) == [item("n", n=15)]


async def test_a_transaction_that_reads_what_is_hidden() -> None:
    """It is not there, and whoever relies on that is told if it was changed."""
    async with running() as server, connect(server.url) as client, connect(server.url) as other:
        await other.update(C, insert=[item("a"), item("x", "r4")])
        ds = await client.acquire(C, where=R3)
        assert ds.cursor is not None
        async with ds.transaction() as t:
            assert "x" not in t
            t.update(insert=[item("x")])
        assert list(ds) == ["a", "x"]
        seen = ds.cursor
        await other.update(C, insert=[item("y", "r4")])
        with pytest.raises(RequestError, match="changed") as conflict:
            await ds.update(insert=[item("y")], if_=Condition(seen, ("y",)))
        assert conflict.value.code == "conflict"


# Connections


async def test_resumed_after_a_cut() -> None:
    async with (
        running() as server,
        relay(server.port) as wire,
        connect(server.url) as other,
        connect(f"ws://127.0.0.1:{wire.port}") as client,
    ):
        await other.update(C, insert=[item("a"), item("b", "r4"), item("c"), item("d")])
        ds = await client.acquire(C, where=R3)
        few = await client.acquire(C, last=2, fields=["n"])
        changes, last = ds.changes(), few.changes()
        wire.stalled = True
        wire.cut()
        await reaches(client, "reconnecting")
        await other.update(C, insert=[item("b"), item("c", "r4")], remove=["a"])
        await other.update(C, insert=[item("e", n=1)])
        wire.stalled = False
        assert sorted(await anext(changes)) == [
            Diff("a", None, item("a")),
            Diff("b", item("b"), None),
            Diff("c", None, item("c")),
            Diff("e", item("e", n=1), None),
        ]
        assert list(ds) == ["b", "d", "e"]
        diffs = await anext(last)
        assert sorted((id, new) for id, new, _ in diffs) == [
            ("c", None),
            ("e", {"id": "e", "n": 1}),
        ]
        assert list(few) == ["d", "e"]


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
async def test_a_server_that_comes_back(end: signal.Signals, tmp_path: Path, port: int) -> None:
    with start(tmp_path, port) as server:
        async with connect(f"ws://127.0.0.1:{port}") as client:
            statuses = client.status_changes()
            await client.update(C, insert=[item("a"), item("b", "r4"), item("c")])
            ds = await client.acquire(C, where=R3)
            few = await client.acquire(C, where=R3, last=1)
            changes = ds.changes()
            server.send(end)
            await server.finished()
            assert await anext(statuses) == "reconnecting"
            assert (list(ds), list(few)) == (["a", "c"], ["c"])
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: client.update(C, insert=[item("b"), item("c", "r4")]))
                with start(tmp_path, port):
                    assert await anext(statuses) == "connected"
                    diffs = sorted(await anext(changes))
                    assert diffs == [Diff("b", item("b"), None), Diff("c", None, item("c"))]
                    await until(lambda: list(few) == ["b"])
                    assert list(ds) == ["a", "b"]
                    assert ds.before == (1, 0)


# Servers that know no filters


async def test_a_server_that_knows_no_filters() -> None:
    """It would send everything; nothing of that is shown."""

    async def talk(stream: anyio.abc.SocketStream, websocket: WSConnection) -> None:
        async def say(text: str) -> None:
            await stream.send(websocket.send(TextMessage(text)))

        while True:
            request = await next_request(stream, websocket)
            if request["path"] == "/session":
                said: dict[str, Any] = {"user": None, "limits": {}, "features": ["brief"]}
                await say(reply(request["tunnel"], said))
            elif request["path"] == "/subs":
                await say(reply(request["tunnel"], request["arg"].get("insert", [])))
                for path, _ in request["arg"].get("insert", []):
                    everything = [item("a"), item("b", "r4")]
                    await say(notification(everything, base=0, version=2, reset=True, path=path))
            else:
                await say(reply(request["tunnel"], [item("a"), item("b", "r4")]))

    async with websockets(talk) as port, connect(f"ws://127.0.0.1:{port}") as client:
        for ask in (
            lambda: client.acquire(C, where=R3),
            lambda: client.acquire(C, last=1),
            lambda: client.acquire(C, fields=["n"]),
            lambda: client.get(C, where=R3),
            lambda: client.page(C, last=1),
        ):
            with pytest.raises(SharedStateError, match="the server knows no filters") as refused:
                await ask()
            assert refused.value.code == "failed"
        assert len(await client.acquire(C)) == len(await client.get(C)) == 2
