"""Servers that are killed and come back, and what is asked while they are away."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from sharedstate_anyio.client import (
    Client,
    ClosedError,
    ConnectionLostError,
    Diff,
    RequestError,
    connect,
)
from tests.python_client.support import reaches, start
from tests.support.services.servers import sqlite, until

if TYPE_CHECKING:
    from pathlib import Path

C = "/app/items/c"


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
async def test_a_server_that_comes_back(end: signal.Signals, tmp_path: Path, port: int) -> None:
    """What was held is resumed, what was asked meanwhile is done, what changed is told as one net difference."""
    with start(tmp_path, port) as server:
        async with connect(f"ws://127.0.0.1:{port}") as client:
            statuses = client.status_changes()
            ds = await client.acquire(C)
            await ds.update(insert=[{"id": "a"}, {"id": "b"}])
            changes, before = ds.changes(), ds.cursor
            server.send(end)
            await server.finished()
            assert await anext(statuses) == "reconnecting"
            assert list(ds) == ["a", "b"], "it keeps what it has"

            acknowledged: list[int] = []

            async def ask() -> None:
                acknowledged.append(await ds.update(remove=["a"], insert=[{"id": "c"}]))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask)
                with start(tmp_path, port) as again:
                    assert await anext(statuses) == "connected"
                    await until(lambda: bool(acknowledged))
                    assert acknowledged == [2]
                    assert list(ds) == ["b", "c"]
                    diffs = sorted(await anext(changes))
                    assert diffs == [Diff("a", None, {"id": "a"}), Diff("c", {"id": "c"}, None)]
                    assert before is not None
                    assert ds.cursor == (before.epoch, before.version + 1), "resumed"
                    again.send(signal.SIGTERM)
                    await again.finished()
            await reaches(client, "reconnecting")
        assert client.status == "closed"


async def test_a_server_that_forgets(tmp_path: Path, port: int) -> None:
    """Another epoch: the dataset is told the net difference to a whole snapshot."""
    memory = sqlite()
    with start(tmp_path, port, memory) as server:
        async with connect(f"ws://127.0.0.1:{port}") as client:
            ds = await client.acquire(C)
            await ds.update(insert=[{"id": "a"}])
            changes = ds.changes()
            server.kill()
            with start(tmp_path, port, memory):
                assert await anext(changes) == [Diff("a", None, {"id": "a"})]
                assert list(ds) == []


async def test_every_request_ends_though_the_server_is_killed(tmp_path: Path, port: int) -> None:
    """Killed in the middle of many: each is answered or lost, and what was answered is stored."""
    ended: dict[int, str] = {}

    async def ask(client: Client, number: int) -> None:
        try:
            await client.update(C, insert=[{"id": str(number)}])
            ended[number] = "ok"
        except ConnectionLostError:
            ended[number] = "lost"

    with start(tmp_path, port) as server:
        async with connect(f"ws://127.0.0.1:{port}") as client:
            ds = await client.acquire(C)
            with anyio.fail_after(30):
                async with anyio.create_task_group() as tasks:
                    for number in range(500):
                        tasks.start_soon(ask, client, number)
                    await until(lambda: len(ended) > 20)
                    server.kill()
                    with start(tmp_path, port):
                        await until(lambda: len(ended) == 500)
                        stored = {item["id"] for item in await client.get(C)}
                        await until(lambda: set(ds) == stored)
                        server.kill()
            assert {str(n) for n, how in ended.items() if how == "ok"} <= stored
            assert "lost" in ended.values(), "the window's"
            assert list(ended.values()).count("lost") <= 100, "the others had waited"


async def test_offline_from_the_start(tmp_path: Path, port: int) -> None:
    done: list[Any] = []

    async def ask(client: Client) -> None:
        ds = await client.acquire(C)
        done.append(await ds.update(insert=[{"id": "a"}]))
        done.append(list(ds))

    async with connect(f"ws://127.0.0.1:{port}", wait=False) as client:
        assert client.status == "connecting"
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, client)
            with anyio.move_on_after(0.2):
                await anyio.sleep_forever()
            assert done == []
            with start(tmp_path, port):
                await until(lambda: len(done) == 2)
    assert done == [1, ["a"]]


async def test_what_waits_is_bounded(port: int) -> None:
    async with connect(f"ws://127.0.0.1:{port}", wait=False, max_queue=2) as client:
        refused = []

        async def ask() -> None:
            try:
                await client.update(C, insert=[{"id": "a"}])
            except ClosedError:
                pass
            except RequestError as error:
                refused.append(error.code)

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(ask)
            await until(lambda: len(refused) == 3)
            assert refused == ["too_many"] * 3
            tasks.cancel_scope.cancel()
        with anyio.move_on_after(0.01) as waiting:
            await client.update(C, insert=[{"id": "a"}])
        assert waiting.cancelled_caught, "those that were cancelled made room"


async def test_refused_while_offline(port: int) -> None:
    async with connect(f"ws://127.0.0.1:{port}", wait=False, max_queue=0) as client:
        with pytest.raises(RequestError) as refused:
            await client.update(C, insert=[{"id": "a"}])
        assert refused.value.code == "too_many"


async def test_what_is_cancelled_while_it_waits_is_never_sent(tmp_path: Path, port: int) -> None:
    async with connect(f"ws://127.0.0.1:{port}", wait=False) as client:
        with anyio.move_on_after(0.01) as waiting:
            await client.update(C, insert=[{"id": "withdrawn"}])
        assert waiting.cancelled_caught
        with start(tmp_path, port):
            await client.update(C, insert=[{"id": "kept"}])
            assert await client.get(C) == [{"id": "kept"}]
