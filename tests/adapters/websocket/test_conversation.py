"""The whole conversation of level 1, as deployed clients hold it, over real sockets."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.support.peer import open_client, open_clients
from tests.support.services.servers import running, sqlite

C = "/app/items/c"


def change(insert: Any = (), remove: Any = (), *, reset: bool = False) -> dict[str, Any]:
    return {"remove": list(remove), "insert": list(insert), "reset": reset}


async def test_services_clock_and_subscriptions() -> None:
    services = sqlite("items"), sqlite("mitems")
    async with running(*services) as server, open_client(server.port) as client:
        assert await client.get("/") == ["items", "mitems"]
        assert await client.get("/app") == []
        await client.put("/app/mitems/b", {"insert": [{"id": "a"}]})
        assert await client.get("/app") == ["mitems"]
        await client.put(C, {"insert": [{"id": "a"}]})
        assert await client.get("/app/") == ["items", "mitems"]
        await client.put("/another/mitems/b", {"insert": [{"id": "a"}]})
        assert await client.get("/apps") == ["another", "app"]
        await client.put("/apps/items/b", {"insert": [{"id": "a"}]})
        assert await client.get("apps/") == ["another", "app", "apps"]
        await client.put("/apps/items/b", {"remove": ["a"]})
        assert await client.get("/apps") == ["another", "app"]
        before = time.time()
        told = await client.get("/clock")
        assert isinstance(told, float)
        assert before <= told <= time.time()
        assert await client.get("/subs") == []
        await client.subscribe("/app/mitems/b", C)
        assert await client.get("/subs") == [["/app/mitems/b", {}], [C, {}]]
        await client.subscribe(C)
        assert await client.get("/subs") == [[C, {}]]
        await client.subscribe()
        assert await client.get("/subs") == []


async def test_every_member_of_a_reply() -> None:
    async with running() as server, open_client(server.port) as client:
        reply = await client.ask("PUT", C, {"insert": [{"id": "a"}]}, tunnel="T")
        assert reply.pop("epoch")
        assert reply == {
            "type": "REPLY",
            "cmd": "PUT",
            "tunnel": "T",
            "ok": True,
            "data": 1,
            "version": 1,
        }
        reply = await client.ask("GET", C, tunnel=None)
        assert reply["data"] == [{"id": "a"}]
        assert (reply["cmd"], reply["tunnel"], reply["version"]) == ("GET", None, 1)


async def test_updates_and_order() -> None:
    """Insert, replace in place, remove, insert again at the end, reset."""
    async with running() as server, open_client(server.port) as client:
        assert await client.put(C, {"insert": [{"id": x} for x in "abc"]}) == 3
        assert await client.put(C, {"insert": [{"id": "b", "n": 1}]}) == 1
        assert await client.get(C) == [{"id": "a"}, {"id": "b", "n": 1}, {"id": "c"}]
        assert await client.put(C, {"remove": ["a", "absent"]}) == 2
        assert await client.put(C, {"remove": ["c"], "insert": [{"id": "a"}, {"id": "c"}]}) == 2
        assert await client.get(C) == [{"id": "b", "n": 1}, {"id": "a"}, {"id": "c"}]
        twice = [{"id": "d", "n": 1}, {"id": "e"}, {"id": "d", "n": 2}]
        await client.put(C, {"reset": True, "remove": ["e"], "insert": twice})
        assert await client.get(C) == [{"id": "d", "n": 2}, {"id": "e"}]
        await client.put(C, {"reset": True})
        assert await client.get(C) == []


async def test_an_empty_update_is_told_to_nobody() -> None:
    async with running() as server, open_client(server.port) as client:
        await client.subscribe(C)
        await client.notification()
        before = await client.ask("PUT", C, {"insert": [{"id": "a"}]})
        nothing = await client.ask("PUT", C, {})
        assert nothing["data"] == 0
        assert nothing["version"] == before["version"]
        assert [m["version"] for m in client.told] == [1]


async def test_a_subscriber_is_synchronised_once_then_told_every_change() -> None:
    async with running() as server, open_clients(server.port, 2) as (writer, reader):
        await writer.put(C, {"insert": [{"id": "a"}, {"id": "b"}]})
        await reader.subscribe(C)
        message = await reader.notification()
        assert message["path"] == C
        assert message["data"] == change([{"id": "a"}, {"id": "b"}], reset=True)
        await writer.put(C, {"insert": [{"id": "c"}], "remove": ["a"]})
        assert (await reader.notification())["data"] == change([{"id": "c"}], ["a"])
        await writer.put(C, {"reset": True, "insert": [{"id": "d"}]})
        assert (await reader.notification())["data"] == change([{"id": "d"}], reset=True)
        await reader.subscribe(C, "/app/items/other")
        assert (await reader.notification())["path"] == "/app/items/other"
        await reader.get("/")
        assert not reader.told, "a path that was subscribed before gets nothing"
        await reader.subscribe()
        await writer.put(C, {"reset": True})
        await reader.get("/")
        assert not reader.told


async def test_a_writer_is_told_before_it_is_answered() -> None:
    async with running() as server, open_clients(server.port, 2) as (writer, other):
        for client in (writer, other):
            await client.subscribe(C)
            await client.notification()
        for number in range(20):
            assert await writer.put(C, {"insert": [{"id": "a", "n": number}]}) == 1
            (told,) = writer.told
            writer.told.clear()
            assert told["data"] == change([{"id": "a", "n": number}])
            assert (await other.notification())["data"] == told["data"]


async def test_several_paths_on_one_connection() -> None:
    paths = [f"/app/items/{name}" for name in "abc"] + ["/other/items/a", "/app/mitems/a"]
    async with (
        running(sqlite("items"), sqlite("mitems")) as server,
        open_clients(server.port, 2) as (writer, reader),
    ):
        await reader.subscribe(*paths)
        assert {(await reader.notification())["path"] for _ in paths} == set(paths)
        for path in paths:
            await writer.put(path, {"insert": [{"id": path}]})
            message = await reader.notification()
            assert (message["path"], message["data"]) == (path, change([{"id": path}]))
        assert await writer.get("/app/items") == ["a", "b", "c"]
        assert await writer.get("/app/mitems/") == ["a"]
        assert await writer.get("/nobody/items") == []


async def test_an_unknown_service() -> None:
    async with running() as server, open_client(server.port) as client:
        for cmd, path, arg in (
            ("GET", "/app/nowhere/c", None),
            ("PUT", "/app/nowhere/c", {}),
            ("GET", "/app/nowhere", None),
        ):
            reply = await client.ask(cmd, path, arg)
            assert not reply["ok"]
            assert reply["error"]["code"] == "no_service"
            assert "nowhere" in reply["data"]
        wanted = {"insert": [["/app/nowhere/c", {}], [C, {}]], "reset": True}
        reply = await client.ask("PUT", "/subs", wanted)
        assert reply["ok"]
        assert reply["data"] == [[C, {}]]
        assert reply["errors"][0][0] == "/app/nowhere/c"


@pytest.mark.parametrize(
    ("arg", "place"),
    [
        ({"insert": [{"id": "x"}, {"id": 7}]}, "insert[1].id"),
        ({"insert": [{"id": "x"}, {}]}, "insert[1].id"),
        ({"insert": [{"id": ""}]}, "insert[0].id"),
        ({"insert": [{"id": "é" * 128}]}, "insert[0].id"),
        ({"insert": [{"id": "x"}, ["id"]]}, "insert[1]"),
        ({"insert": {"id": "x"}}, "insert"),
        ({"remove": ["a", 3]}, "remove[1]"),
        ({"remove": "a"}, "remove"),
        ({"reset": 1, "remove": ["a"]}, "reset"),
        ({"insert": [{"id": "x"}], "if": {"version": 0}}, "if"),
        ([], "expected an object"),
        (None, "expected an object"),
    ],
)
async def test_a_bad_update_names_the_place_and_changes_nothing(arg: object, place: str) -> None:
    async with running() as server, open_client(server.port) as client:
        await client.put(C, {"insert": [{"id": "a"}]})
        await client.subscribe(C)
        before = await client.notification()
        reply = await client.ask("PUT", C, arg)
        assert not reply["ok"]
        assert reply["error"]["code"] == "bad_update"
        assert reply["data"].startswith(place)
        after = await client.ask("GET", C)
        assert (after["data"], after["version"]) == ([{"id": "a"}], before["version"])
        assert not client.told


@pytest.mark.parametrize(
    "path",
    [
        "/app/items/c/d",
        "/app/items/..",
        "/./items/c",
        "/app/items/a\u0000",
        "/app/items/a\u0085b",
        f"/app/items/{'x' * 129}",
        "/subs/x/y/z",
    ],
)
async def test_what_is_no_path(path: str) -> None:
    async with running() as server, open_client(server.port) as client:
        for cmd in ("GET", "PUT"):
            reply = await client.ask(cmd, path, {})
            assert not reply["ok"]
            assert reply["error"]["code"] == "bad_path", reply
        reply = await client.ask("PUT", "/subs", {"insert": [[path, {}]], "reset": True})
        assert reply["data"] == []
        assert reply["errors"][0][1]["code"] == "bad_path"


async def test_conditional_update() -> None:
    async with running() as server, open_client(server.port) as client:
        first = await client.ask("PUT", C, {"insert": [{"id": "a"}, {"id": "b"}]})
        seen = {"epoch": first["epoch"], "version": first["version"]}
        second = await client.ask("PUT", C, {"insert": [{"id": "b", "n": 1}], "if": seen})
        assert second["ok"]
        refused = await client.ask("PUT", C, {"insert": [{"id": "b", "n": 2}], "if": seen})
        assert refused["error"]["code"] == "conflict"
        assert (refused["epoch"], refused["version"]) == (second["epoch"], second["version"])
        other = await client.ask("PUT", C, {"remove": ["a"], "if": {**seen, "ids": ["a"]}})
        assert other["ok"]
        assert await client.get(C) == [{"id": "b", "n": 1}]
