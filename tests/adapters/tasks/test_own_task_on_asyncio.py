"""Blocks that are entered in one task and left in another, which only asyncio lets programs do."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from sharedstate_anyio import serve
from sharedstate_anyio.client import ClosedError, ReleasedError, connect
from sharedstate_anyio.tasks import asyncio_owner
from sharedstate_anyio.tasks.own_task import in_own_task
from tests.adapters.tasks.test_own_task import C, Life, resource
from tests.support.peer import open_client
from tests.support.services.servers import config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

only_on_asyncio = pytest.mark.parametrize(
    "anyio_backend", ["asyncio", pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop")]
)


@only_on_asyncio
async def test_left_by_another_task_while_the_first_goes_on() -> None:
    """Scopes around the first task's block and after it are not disturbed."""
    async with AsyncExitStack() as stack:
        with anyio.move_on_after(60) as around:
            server = await stack.enter_async_context(serve(config()))
            client = await stack.enter_async_context(connect(server.url))
            ds = await client.acquire(C)
            await asyncio.create_task(ds.update(insert=[{"id": "a"}]))
            with anyio.move_on_after(60):
                await asyncio.create_task(stack.pop_all().aclose())
            with pytest.raises(ClosedError):
                await ds.update(reset=True)
        assert not around.cancelled_caught
    assert not asyncio_owner._running


@only_on_asyncio
@pytest.mark.parametrize("ended", [True, False])
async def test_a_failure_is_raised_by_whoever_leaves(
    ended: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the task that entered has ended, it is nobody's business before; else that is cancelled, once."""
    life, told = Life(), anyio.Event()
    block = resource(life)

    async def enter() -> int:
        await block.__aenter__()
        if not ended:
            with pytest.raises(asyncio.CancelledError):
                await anyio.sleep_forever()
            task = asyncio.current_task()
            assert task is not None
            told.set()
            while task.cancelling():
                await asyncio.sleep(0)
        return 1

    monkeypatch.setattr(asyncio_owner, "UNWIND_SECONDS", 60)
    entrant = asyncio.create_task(enter())
    if ended:
        await entrant
        told.set()
    await anyio.wait_all_tasks_blocked()
    life.broken.set()
    with anyio.fail_after(10):
        await told.wait()
        with pytest.raises(LookupError):
            await block.__aexit__(None, None, None)
        assert await entrant == 1


@only_on_asyncio
async def test_a_cancelled_block_that_nobody_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it uses goes all the same, after a while, or when the task ends."""
    monkeypatch.setattr(asyncio_owner, "UNWIND_SECONDS", 0.01)
    life = Life()
    block = resource(life)
    await block.__aenter__()
    life.broken.set()
    with pytest.raises(asyncio.CancelledError):
        await anyio.sleep_forever()
    while "gone" not in life.steps:
        await anyio.sleep(0.001)
    with pytest.raises(LookupError):
        await block.__aexit__(None, None, None)


@only_on_asyncio
async def test_the_task_that_entered_ends_by_the_cancellation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody has left the block then, and nobody is waited for."""
    monkeypatch.setattr(asyncio_owner, "UNWIND_SECONDS", 60)
    life = Life()
    block = resource(life)

    async def enter() -> None:
        await block.__aenter__()
        await anyio.sleep_forever()

    entrant = asyncio.create_task(enter())
    await anyio.wait_all_tasks_blocked()
    life.broken.set()
    with anyio.fail_after(10):
        await life.gone.wait()
        assert await asyncio.wait([entrant])
        assert entrant.cancelled()
        with pytest.raises(LookupError):
            await block.__aexit__(None, None, None)


@only_on_asyncio
async def test_asyncio_timeout() -> None:
    """Around entering, the block, and leaving; what has to be finished is finished."""

    @in_own_task
    async def never() -> AsyncIterator[None]:
        await anyio.sleep_forever()
        yield

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01), never():
            pytest.fail("it was entered")
    for cleanup, work in ((0.0, 60.0), (0.05, 60.0), (0.05, 0.0)):
        life = Life()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01), resource(life, cleanup=cleanup):
                await anyio.sleep(work)
        assert life.steps[-1] == "gone"
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@only_on_asyncio
async def test_a_failure_within_asyncio_s_own_scopes() -> None:
    async def use() -> None:
        async with resource(Life()) as life, asyncio.TaskGroup() as tasks:
            tasks.create_task(anyio.sleep_forever())
            life.broken.set()

    async with asyncio.timeout(60) as timeout:
        with pytest.raises(LookupError):
            await use()
    assert not timeout.expired()


def test_a_loop_that_ends_while_a_task_is_in_its_block() -> None:
    """The task is cancelled once, and what it does in the end is done."""
    life = Life()

    async def work() -> None:
        async with resource(life):
            try:
                await anyio.sleep_forever()
            finally:
                await asyncio.sleep(0.01)
                life.steps.append("cleaned up")

    async def main() -> None:
        tasks.append(asyncio.create_task(work()))
        await anyio.wait_all_tasks_blocked()

    tasks: list[asyncio.Task[None]] = []
    asyncio.run(main())
    assert set(life.steps) == {"entered", "cleaned up", "gone"}
    assert tasks[0].cancelled()


def test_a_loop_that_ends_meanwhile() -> None:
    """`asyncio.run` cancels what is left, and all of it goes in order."""
    life = Life()

    block = resource(life)

    async def forget() -> None:
        await block.__aenter__()

    asyncio.run(forget())
    assert life.steps == ["entered", "gone"]
    assert not asyncio_owner._running


@only_on_asyncio
async def test_generators_as_fixtures() -> None:
    """Each step in a task of its own, as pytest-asyncio does it; the server ends in order."""

    async def fixture() -> AsyncIterator[tuple[int, Callable[[], object]]]:
        async with serve(config()) as server, connect(server.url) as client:
            ds = await client.acquire(C)
            yield server.port, lambda: client.release(ds)
            with pytest.raises(ReleasedError):
                await ds.update(reset=True)

    generator = fixture()

    async def step() -> tuple[int, Callable[[], object]]:
        return await anext(generator)

    port, release = await asyncio.create_task(step())
    async with open_client(port) as peer:
        await peer.put(C, {"insert": [{"id": "a"}]})
        peer.peer.shut()
    release()
    with pytest.raises(StopAsyncIteration):
        await asyncio.create_task(step())
    with pytest.raises(OSError, match=r"."):
        await anyio.connect_tcp("127.0.0.1", port)
