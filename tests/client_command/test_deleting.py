"""delete, as people run it: a collection is empty afterwards, or they know that it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from sharedstate_anyio.client import connect
from sharedstate_backends import OutcomeUnknownError, StorageError
from tests.support.faults import faulty_service
from tests.support.services.servers import running
from tests.support.services.shell import PROGRAM, SECONDS, shell
from tests.support.terminal import answered

if TYPE_CHECKING:
    from sharedstate_anyio.client import Client

C = "/app/items/c"


async def filled(client: Client, count: int = 3) -> None:
    await client.update(C, insert=[{"id": str(number)} for number in range(count)])


async def test_delete() -> None:
    """A subscriber sees it as one change; afterwards there is nothing to remove."""
    async with running() as server, connect(server.url) as client:
        await filled(client)
        ds = await client.acquire(C)
        changes = ds.changes()
        assert await shell("delete", server.url + C) == (
            0,
            "",
            f"sharedstate: removed 3 items from {C}\n",
        )
        diffs = await anext(changes)
        assert [(diff.id, diff.new) for diff in diffs] == [("0", None), ("1", None), ("2", None)]
        assert await shell("delete", server.url + C) == (
            0,
            "",
            f"sharedstate: {C} is empty already\n",
        )
        await filled(client, 1)
        assert await shell("delete", server.url + C, "--quiet", "--yes") == (0, "", "")
        assert await client.get(C) == []


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/app/items/nobody", "there is no collection /app/items/nobody: nobody has written to it"),
        ("/nobody/items/c", "there is no collection /nobody/items/c"),
        ("/app/nothing/c", "no service 'nothing' here"),
    ],
)
async def test_names_that_do_not_exist(path: str, words: str) -> None:
    async with running() as server, connect(server.url) as client:
        await filled(client)
        status, output, errors = await shell("delete", server.url + path)
        assert (status, output) == (1, "")
        (line,) = errors.splitlines()
        assert words in line
        assert len(await client.get(C)) == 3


async def test_not_a_collection() -> None:
    status, _, errors = await shell("delete", "localhost:1/app/items")
    assert status == 2
    assert "expected URL/app/service/collection" in errors


@pytest.mark.parametrize(
    ("answer", "status", "left", "words"),
    [
        (b"n\n", 1, 3, "nothing was removed"),
        (b"\n", 1, 3, "nothing was removed"),
        (b"yes\n", 0, 0, "removed 3 items"),
        (b"Y\n", 0, 0, "removed 3 items"),
    ],
)
async def test_it_asks_at_a_terminal(answer: bytes, status: int, left: int, words: str) -> None:
    async with running() as server, connect(server.url) as client:
        await filled(client)
        command = [str(PROGRAM), "delete", server.url + C]
        ended, seen = await anyio.to_thread.run_sync(answered, command, answer, SECONDS)
        assert f"sharedstate: Remove 3 items from {C}? [y/N] " in seen
        assert words in seen
        assert ended == status
        assert len(await client.get(C)) == left


async def test_while_others_write() -> None:
    """In a collection that does not rest it does not count for ever."""
    async with running() as server, connect(server.url) as client, connect(server.url) as other:
        await filled(client, 100)

        async def write() -> None:
            while True:
                await other.update(C, insert=[{"id": "again"}])

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write)
            status, _, errors = await shell("delete", server.url + C)
            tasks.cancel_scope.cancel()
        assert status == 0
        assert "removed " in errors
        assert [item["id"] for item in await client.get(C)] in (["again"], [])


async def test_storage_that_is_away(caplog: pytest.LogCaptureFixture) -> None:
    async with running(faulty_service.SERVICE) as server, connect(server.url) as client:
        await filled(client)
        store = faulty_service.stores["it"]
        store.refuse = StorageError("the disk is full")
        status, _, errors = await shell("delete", server.url + C)
        assert status == 1
        assert "may be there or not" not in errors
        store.refuse = None
        store.lose = OutcomeUnknownError("the line is dead")
        status, _, errors = await shell("delete", server.url + C)
        assert status == 1
        assert errors.endswith("; its items may be there or not\n")
        store.lose = None
    caplog.clear()


async def test_nobody_answers() -> None:
    status, _, errors = await shell("delete", "localhost:1" + C, "--timeout", "1")
    assert status == 1
    assert "sharedstate: " in errors
