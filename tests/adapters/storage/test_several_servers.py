"""Two servers on one database: whoever subscribes at one sees what is written at the other."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import anyio

from sharedstate_anyio.hub.polling import look_forever
from sharedstate_anyio.logs.repeated_errors import RepeatedErrors
from sharedstate_backends import StorageError
from sharedstate_core import CollectionPath, Cursor
from tests.support.peer import open_client
from tests.support.services.command import started
from tests.support.services.servers import running, sqlite

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    import pytest

    from sharedstate_anyio.hub.peer import Peer
    from sharedstate_backends import Backend
    from sharedstate_core.driver import Driver
    from tests.support.peer import Client

P = "/app/items/c"


def shared(file: Path, **rest: object) -> dict[str, object]:
    return sqlite(file=file) | {"poll_seconds": 0.02} | rest


@asynccontextmanager
async def clients_of_two_servers(file: Path) -> AsyncIterator[tuple[Client, Client]]:
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(running(shared(file))) for _ in range(2)]
        clients = [await stack.enter_async_context(open_client(s.port)) for s in servers]
        yield clients[0], clients[1]
        for client in clients:
            client.peer.shut()


async def test_a_subscriber_hears_of_what_the_other_server_commits(tmp_path: Path) -> None:
    async with clients_of_two_servers(tmp_path / "shared.db") as (here, there):
        await here.subscribe(P)
        await here.notification()
        for n in range(3):
            assert await there.put(P, {"insert": [{"id": f"item {n}"}]}) == 1
            told = await here.notification()
            assert (told["base"], told["version"]) == (n, n + 1)
            assert told["data"]["insert"] == [{"id": f"item {n}"}]


async def test_both_write_and_both_see_the_same(tmp_path: Path) -> None:
    updates = 40
    copies: list[dict[str, Any]] = [{}, {}]
    versions = [0, 0]

    async def write(client: Client, name: str) -> None:
        for n in range(updates):
            await client.put(P, {"insert": [{"id": f"{name}{n % 7}", "n": n}]})

    async def follow(client: Client, copy: int) -> None:
        while versions[copy] < 2 * updates:
            told = await client.notification()
            assert told["base"] == versions[copy] or told["data"]["reset"]
            versions[copy] = told["version"]
            for item in told["data"]["insert"]:
                copies[copy][item["id"]] = item

    async with (
        clients_of_two_servers(tmp_path / "shared.db") as pair,
        clients_of_two_servers(tmp_path / "shared.db") as writers,
    ):
        for client in pair:
            await client.subscribe(P)
        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                for number, client in enumerate(pair):
                    tasks.start_soon(follow, client, number)
                for writer, name in zip(writers, "ab", strict=True):
                    tasks.start_soon(write, writer, name)
        assert copies[0] == copies[1]
        assert list(copies[0]) == list(copies[1])
        assert {item["n"] for item in copies[0].values()} == set(range(updates - 7, updates))


async def test_a_condition_holds_across_servers(tmp_path: Path) -> None:
    async with clients_of_two_servers(tmp_path / "shared.db") as (here, there):
        await here.put(P, {"insert": [{"id": "a"}]})
        read = await here.ask("GET", P)
        seen = {"epoch": read["epoch"], "version": read["version"]}
        await there.put(P, {"insert": [{"id": "a", "by": "there"}]})
        refused = await here.ask("PUT", P, {"insert": [{"id": "a"}], "if": seen})
        assert refused["error"]["code"] == "conflict"
        assert refused["version"] == 2


async def test_two_processes(tmp_path: Path, anyio_backend_name: str) -> None:
    options = ("--port", "0", "--loop", anyio_backend_name)
    with started(*options, folder=tmp_path) as one, started(*options, folder=tmp_path) as two:
        async with open_client(one.port) as here, open_client(two.port) as there:
            await here.subscribe(P)
            await here.notification()
            await there.put(P, {"insert": [{"id": "a"}]})
            assert (await here.notification())["data"]["insert"] == [{"id": "a"}]
            here.peer.shut()
            there.peer.shut()


async def test_never_to_look_is_a_choice(tmp_path: Path) -> None:
    file = tmp_path / "shared.db"
    async with (
        running(shared(file, poll_seconds=0)) as here,
        running(shared(file)) as there,
        open_client(here.port) as reader,
        open_client(there.port) as writer,
    ):
        await reader.subscribe(P)
        await reader.notification()
        await writer.put(P, {"insert": [{"id": "a"}]})
        await anyio.sleep(0.1)
        await reader.put(P, {"insert": [{"id": "b"}]})
        told = await reader.notification()
        assert told["data"]["insert"] == [{"id": "a"}, {"id": "b"}]
        reader.peer.shut()
        writer.peer.shut()


class Forgetful:
    """In place of a driver: one collection in memory and nothing else."""

    def __init__(self) -> None:
        self.seen: list[Cursor] = []
        self.server = self

    def loaded(self, service: str) -> list[CollectionPath]:
        return [CollectionPath("app", service, "c")]

    def collection_changed(self, _: CollectionPath, cursor: Cursor, now: float) -> None:
        assert now > 0
        self.seen.append(cursor)


class Moody:
    """Storage that fails three times, the last time as nobody expects, then answers."""

    def __init__(self) -> None:
        self.failures: list[Exception] = [
            StorageError("gone"),
            StorageError("gone"),
            OSError("what"),
        ]

    async def heads(self, paths: Sequence[CollectionPath]) -> Mapping[CollectionPath, Cursor]:
        if self.failures:
            raise self.failures.pop(0)
        return {path: Cursor("e", 1) for path in paths}


async def test_a_storage_that_does_not_answer_is_reported_once_and_asked_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen, errors = Forgetful(), RepeatedErrors()
    driver, backend = cast("Driver[Peer]", seen), cast("Backend", Moody())
    with caplog.at_level(logging.ERROR, "sharedstate"), anyio.move_on_after(20) as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(look_forever, driver, errors, "items", backend, 0.001)
            while len(seen.seen) < 2:
                await anyio.sleep(0.001)
            tasks.cancel_scope.cancel()
    assert not scope.cancelled_caught
    assert [record.getMessage() for record in caplog.records] == [
        "service items: cannot see what others commit: gone; trying again"
    ]
    caplog.clear()
