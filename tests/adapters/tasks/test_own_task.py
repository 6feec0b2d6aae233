"""Blocks with a task of their own, which may fail; test_own_task_on_asyncio.py leaves them in other tasks."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest
import trio

from sharedstate_anyio import serve
from sharedstate_anyio.client import ClosedError, connect
from sharedstate_anyio.tasks import asyncio_owner
from sharedstate_anyio.tasks.own_task import in_own_task
from tests.support.services.servers import config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

C = "/app/items/c"


class Life:
    """What a block's resource went through, and how to make it fail."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.broken = anyio.Event()
        self.gone = anyio.Event()


@in_own_task
async def resource(life: Life, *, cleanup: float = 0) -> AsyncIterator[Life]:
    """Something with tasks of its own, as a client or a server."""

    async def work(block: anyio.CancelScope) -> None:
        await life.broken.wait()
        life.steps.append("failed")
        block.cancel()

    life.steps.append("entered")
    try:
        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope() as block:
                tasks.start_soon(work, block)
                yield life
                life.steps.append("left")
            life.gone.set()
            tasks.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await anyio.sleep(cleanup)
    finally:
        life.steps.append("gone")
    if life.broken.is_set():
        raise LookupError("broken")


async def test_an_ordinary_block() -> None:
    async with resource(Life()) as life:
        life.steps.append("used")
    assert life.steps == ["entered", "used", "left", "gone"]
    assert not asyncio_owner._running


@pytest.mark.parametrize("kind", [KeyError, KeyboardInterrupt, SystemExit, GeneratorExit])
async def test_what_the_block_raises(kind: type[BaseException]) -> None:
    """It comes out as it is, after everything has gone."""
    life, mine = Life(), kind("mine")
    with pytest.raises(kind) as raised:
        async with resource(life):
            raise mine
    assert raised.value is mine
    assert life.steps[-1] == "gone"


async def test_a_failure_cancels_the_block_and_is_raised_there() -> None:
    """Tasks of the block see a cancellation, before anything they use has gone."""
    life = Life()

    async def child() -> None:
        try:
            await life.gone.wait()  # as a request does
            raise ClosedError
        finally:
            life.steps.append("child")

    async def use() -> None:
        async with resource(life), anyio.create_task_group() as tasks:
            tasks.start_soon(child)
            await anyio.wait_all_tasks_blocked()
            life.broken.set()
            await anyio.sleep_forever()

    with pytest.raises(LookupError, match="broken"):
        await use()
    assert life.steps == ["entered", "failed", "child", "gone"]
    with anyio.move_on_after(0) as later:
        await anyio.sleep_forever()
    assert later.cancelled_caught, "the task is as it was"


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_a_failure_with_a_nursery_in_the_block() -> None:
    async def use() -> None:
        async with resource(Life()) as life, trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            life.broken.set()
            await trio.sleep_forever()

    with pytest.raises(LookupError):
        await use()


async def test_the_block_s_own_error_comes_first() -> None:
    async def use() -> None:
        async with resource(Life()) as life:
            life.broken.set()
            try:
                await anyio.sleep_forever()
            finally:
                raise KeyError

    with pytest.raises(KeyError):
        await use()
    life, mine = Life(), KeyError()
    life.broken.set()
    with pytest.raises(KeyError) as raised:
        async with resource(life):
            raise mine
    assert raised.value is mine
    assert isinstance(mine.__context__, LookupError), "and the other is not lost"


async def test_a_cancellation_from_outside_comes_first() -> None:
    life = Life()
    with anyio.CancelScope() as outside:
        async with resource(life):
            life.broken.set()
            outside.cancel()
            await anyio.sleep_forever()
    assert outside.cancelled_caught


@pytest.mark.parametrize("turns", range(6))
async def test_a_cancellation_within_the_block_is_not_in_the_way(turns: int) -> None:
    """Of the failure that comes at the same moment."""

    async def use() -> None:
        async with resource(Life()) as life:
            with anyio.CancelScope() as inner:
                life.broken.set()
                for _ in range(turns):
                    await anyio.lowlevel.checkpoint()
                inner.cancel()
                await anyio.sleep_forever()
            await anyio.sleep_forever()

    with anyio.fail_after(10), pytest.raises(LookupError):
        await use()


async def test_a_cancellation_from_outside_while_the_block_ends() -> None:
    with anyio.CancelScope() as outside:
        async with resource(Life()) as life:
            life.broken.set()
            try:
                await anyio.sleep_forever()
            finally:
                outside.cancel()
    assert outside.cancelled_caught


async def test_cancelled_while_leaving() -> None:
    """Whoever waits has what it waits for cancelled, but for what is shielded."""
    steps: list[str] = []

    @in_own_task
    async def slow() -> AsyncIterator[None]:
        yield
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.01)
            steps.append("gone")

    with anyio.CancelScope() as scope:
        async with slow():
            scope.deadline = anyio.current_time() + 0.01
        pytest.fail("it went on")
    assert scope.cancelled_caught
    assert steps == ["gone"]


async def test_cancelled_while_entering() -> None:
    left: list[str] = []

    @in_own_task
    async def slow() -> AsyncIterator[None]:
        try:
            await anyio.sleep_forever()
            yield
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.01)
            left.append("gone")

    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.lowlevel.checkpoint)
            scope.deadline = anyio.current_time() + 0.05
            async with slow():
                pytest.fail("it was entered")
    assert left == ["gone"]
    assert not asyncio_owner._running


async def test_what_entering_raises() -> None:
    @in_own_task
    async def broken() -> AsyncIterator[None]:
        raise LookupError("never")
        yield

    with pytest.raises(LookupError, match="never"):
        await broken().__aenter__()


async def test_what_cleaning_up_raises() -> None:
    """It takes the place of a cancellation, as everywhere."""

    @in_own_task
    async def untidy() -> AsyncIterator[None]:
        try:
            yield
        finally:
            raise LookupError("not tidy")

    for cancelled in (False, True):
        with (
            anyio.move_on_after(0.05 if cancelled else 60),
            pytest.raises(LookupError, match="not tidy"),
        ):
            async with untidy():
                await (anyio.sleep_forever() if cancelled else anyio.lowlevel.checkpoint())


mode: ContextVar[str] = ContextVar("mode", default="none")


async def test_context_variables() -> None:
    """The own task has those of whoever entered; the block's are its own."""

    @in_own_task
    async def seen() -> AsyncIterator[str]:
        yield mode.get()

    token = mode.set("mine")
    async with seen() as value:
        assert value == mode.get() == "mine"
        mode.set("changed")
    assert mode.get() == "changed"
    mode.reset(token)


# --- misuse ---------------------------------------------------------------------------------------


async def test_a_block_is_entered_once() -> None:
    async with serve(config()) as server:
        block = connect(server.url)
        async with block as client:
            with pytest.raises(RuntimeError, match="connect: a block may be entered once"):
                await block.__aenter__()
            assert await client.get(C) == []
        with pytest.raises(RuntimeError, match="connect: a block may be entered once"):
            async with block:
                pass
    again = serve(config())
    async with again:
        pass
    with pytest.raises(RuntimeError, match="serve: a block may be entered once"):
        await again.__aenter__()


async def test_a_block_is_not_awaited() -> None:
    for block in (connect("localhost"), serve(config())):
        with pytest.raises(TypeError, match=r"use `async with (connect|serve)\(…\)`"):
            await block  # type: ignore[misc]
