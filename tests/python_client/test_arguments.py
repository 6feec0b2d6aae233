"""Whatever a program hands to the client that it cannot use is refused at once, by name."""

from __future__ import annotations

from typing import Any

import pytest

from sharedstate_anyio.client import connect
from sharedstate_core import Condition, Cursor, RequestError
from tests.support.services.servers import running


@pytest.mark.parametrize(
    ("options", "error", "problem"),
    [
        ({"max_queue": -1}, ValueError, "max_queue: expected a whole number from 0, found -1"),
        ({"headers": [("A", "3")]}, TypeError, "headers: expected a Mapping, found list"),
        ({"loads": "json"}, TypeError, "loads: expected a function of bytes, found str"),
        ({"max_message": 0}, ValueError, "max_message: expected a whole number from 1, found 0"),
        ({"max_message": "5"}, TypeError, "max_message: expected a whole number from 1, found str"),
        ({"connect_timeout": 0}, ValueError, "connect_timeout: expected a number"),
        ({"ping_interval": None}, TypeError, "ping_interval: expected a number"),
        ({"ping_timeout": float("nan")}, ValueError, "ping_timeout: expected a number"),
        (
            {"answer_timeout": 0},
            ValueError,
            "answer_timeout: expected a number from 0.001, found 0",
        ),
        ({"max_snapshot": 0}, ValueError, "max_snapshot: expected a whole number from 1, found 0"),
        ({"ssl_context": True}, TypeError, "ssl_context: expected an SSLContext, found True"),
        ({"headers": {"A": 3}}, TypeError, r"headers\['A'\]: expected a str, found 3"),
        ({"headers": {b"A": "3"}}, TypeError, "headers: a name: expected a str, found bytes"),
        ({"headers": {"a": "x\r\nb: y"}}, ValueError, r"headers\['a'\]: the value holds"),
        ({"headers": {"a": "x\0"}}, ValueError, r"headers\['a'\]: the value holds"),
        ({"headers": {"a": "€"}}, ValueError, r"headers\['a'\]: the value holds"),
        ({"headers": {"a": " x "}}, ValueError, r"headers\['a'\]: the value holds"),
        ({"headers": {"a b": "x"}}, ValueError, r"headers\['a b'\]: expected a name"),
        ({"headers": {"": "x"}}, ValueError, r"headers\[''\]: expected a name"),
        ({"headers": {"ä": "x"}}, ValueError, r"headers\['ä'\]: expected a name"),
        ({"headers": {"HOST": "x"}}, ValueError, r"headers\['HOST'\]: the handshake has a HOST"),
        ({"headers": {"Content-Length": "3"}}, ValueError, r"headers\['Content-Length'\]: the h"),
        ({"wait": "yes"}, TypeError, "wait: expected a bool, found str"),
    ],
)
async def test_options(options: dict[str, Any], error: type[Exception], problem: str) -> None:
    with pytest.raises(error, match=problem):
        async with connect("ws://localhost:1", **{"wait": False, **options}):
            pass


@pytest.mark.parametrize("url", [None, 9000, b"ws://localhost"])
async def test_what_is_no_url(url: Any) -> None:
    with pytest.raises(TypeError, match="url: expected a str"):
        async with connect(url):
            pass


@pytest.mark.parametrize(
    ("condition", "problem"),
    [
        (3, "if_: expected a Cursor or a Condition, found 3"),
        (("e", 1), "if_: expected a Cursor or a Condition, found tuple"),
        (Cursor("e", "1"), "if_.cursor.version: expected a whole number from 0, found str"),  # type: ignore[arg-type]
        (Cursor(None, 1), "if_.cursor.epoch: expected a str, found None"),  # type: ignore[arg-type]
        (Condition(Cursor("e", 1), ["a"]), "if_.ids: expected a tuple, found list"),  # type: ignore[arg-type]
    ],
)
async def test_conditions(condition: Any, problem: str) -> None:
    async with running() as server, connect(server.url) as client:
        with pytest.raises(TypeError, match=problem):
            await client.update("/a/items/c", insert=[{"id": "a"}], if_=condition)
        assert await client.get("/a/items/c") == []


HALF = "\ud800"


@pytest.mark.parametrize(
    ("update", "place"),
    [
        ({"insert": [{"id": "a"}, {"id": HALF}]}, "insert[1]"),
        ({"insert": [{"id": "a", "text": HALF}]}, "insert[0]"),
        ({"insert": [b'{"id": "a", "text": "\xff"}']}, "insert[0]"),
        ({"insert": [b'{"id": "a", "text": "\\ud800"}']}, "insert[0]"),
        ({"remove": ["a", HALF]}, "remove[1]"),
        ({"remove": ["a", "a", {"id": "b"}]}, "remove[2]"),
        ({"if_": Cursor(HALF, 1)}, "if_.cursor.epoch"),
        ({"if_": Condition(Cursor("e", 1), (HALF,))}, "if_.ids[0]"),
        ({"if_": Cursor("e", -1)}, "if_.cursor.version"),
    ],
)
async def test_what_is_not_unicode_is_refused_and_leaves_nothing_behind(
    update: dict[str, Any], place: str
) -> None:
    async with running() as server, connect(server.url) as client:
        ds = await client.acquire("/a/items/c")
        for _ in range(101):  # as many requests as may be unanswered, and one
            with pytest.raises(RequestError) as refused:
                await ds.update(**update)
            assert refused.value.code == "bad_update"
            assert str(refused.value).startswith(f"{place}: ")
            assert refused.value.place == ("if" if "if_" in update else place)
        assert await ds.update(insert=[{"id": "a"}]) == 1


@pytest.mark.parametrize(
    ("use", "problem"),
    [
        (lambda c, _: c.acquire("/a/items/c", loads=5), "loads: expected a function of bytes"),
        (lambda c, _: c.get("/a/items/c", loads=5), "loads: expected a function of bytes"),
        (
            lambda c, _: c.update("/a/items/c", insert=None),
            "insert: expected a list, found NoneType",
        ),
        (lambda _, ds: ds.update(insert=None), "insert: expected a list, found NoneType"),
        (lambda _, ds: ds.update(insert=5), "insert: expected a list, found int"),
        (lambda _, ds: ds.update(remove=None), "remove: expected a list, found NoneType"),
        (lambda _, ds: ds.update(remove="a"), "remove: expected a list, found str"),
        (lambda _, ds: ds.update(reset="false"), "reset: expected a bool, found str"),
        (
            lambda _, ds: ds.transaction(lambda t: t.update(remove="a")),
            "remove: expected a list, found str",
        ),
        (lambda _, ds: ds.transaction(lambda t: t.update(reset="false")), "reset: expected a bool"),
        (lambda _, ds: ds.transaction(lambda t: t.update(if_=ds.cursor)), "argument 'if_'"),
        (lambda _, ds: ds.transaction(5), "function: expected a function of a .*, found 5"),
        (lambda c, _: c.release(None), "ds: expected a Dataset, found None"),
    ],
)
async def test_calls(use: Any, problem: str) -> None:
    async with running() as server, connect(server.url) as client:
        ds = await client.acquire("/a/items/c")
        with pytest.raises(TypeError, match=problem):
            await use(client, ds)
        await ds.update(insert=[{"id": "a"}])
        assert list(ds) == ["a"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b'{"id":', "truncated"),
        (b'{"id":"x"}],"reset":true,"remove":["g"', "trailing"),
        (b'{"id":"x","s":"\xff"}', "it is not UTF-8"),
        (b'{"n":1}', "id: is missing"),
    ],
)
async def test_texts(text: bytes, problem: str) -> None:
    async with running() as server, connect(server.url) as client:
        with pytest.raises(RequestError, match=rf"insert\[1\]: .*{problem}") as caught:
            await client.update("/a/items/c", insert=[{"id": "a"}, text])
        assert caught.value.code == "bad_update"
        assert await client.get("/a/items/c") == []


async def test_headers_are_sent() -> None:
    headers = {"Authorization": "Bearer x y", "X-Empty": "", "X-Latin": "ä"}
    async with running() as server, connect(server.url, headers=headers) as client:
        assert await client.get("/a/items/c") == []
