"""An asyncio loop within trio's."""

from __future__ import annotations

import asyncio
import gc
import selectors
import threading
from contextlib import asynccontextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sniffio
import trio

from sharedstate_backends import OutcomeUnknownError, StorageError
from sharedstate_backends.island import guest as guest_module
from sharedstate_backends.island.guest import GuestLoop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.parametrize("anyio_backend", ["trio"])

BOUND = 30
"""Seconds until a test gives up."""


@asynccontextmanager
async def guest_loop() -> AsyncIterator[GuestLoop]:
    guest = GuestLoop()
    with trio.fail_after(BOUND):
        yield guest
        await guest.close()


async def test_results_and_errors_come_back() -> None:
    async def double(number: int) -> int:
        await asyncio.sleep(0)
        return 2 * number

    async def fail() -> None:
        await asyncio.sleep(0.001)
        raise LookupError("none")

    async with guest_loop() as guest:
        assert await guest.call(double, 4) == 8
        with pytest.raises(LookupError, match="none"):
            await guest.call(fail)
        assert await guest.call(double, 5) == 10


async def test_each_side_knows_which_loop_it_is_on() -> None:
    seen: list[str] = []

    async def look() -> None:
        await asyncio.sleep(0)
        seen.append(sniffio.current_async_library())

    async with guest_loop() as guest:
        await guest.call(look)
        seen.append(sniffio.current_async_library())
    assert seen == ["asyncio", "trio"]


async def test_a_call_has_a_context_of_its_own() -> None:
    variable: ContextVar[str] = ContextVar("variable", default="none")

    async def replace() -> str:
        before = variable.get()
        variable.set("the guest's")
        return before

    async with guest_loop() as guest:
        variable.set("the host's")
        assert await guest.call(replace) == "none"
        assert variable.get() == "the host's"


async def test_timers_end_in_their_order() -> None:
    """Those of a later call too, though an earlier one sleeps for longer."""
    ended: list[float] = []

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds)
        ended.append(seconds)

    async with guest_loop() as guest, trio.open_nursery() as nursery:
        for seconds in (0.15, 0.1, 0.01, 0.05):
            nursery.start_soon(guest.call, sleep, seconds)
            await trio.testing.wait_all_tasks_blocked()
    assert ended == [0.01, 0.05, 0.1, 0.15]


async def test_sockets() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(100))
        await writer.drain()
        writer.close()

    async def ask() -> bytes:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"hello")
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
            return answer

    async with guest_loop() as guest, trio.open_nursery() as nursery:
        results: list[bytes] = []

        async def work() -> None:
            results.append(await guest.call(ask))

        for _ in range(20):
            nursery.start_soon(work)
    assert results == [b"hello"] * 20


async def test_other_threads_wake_the_guest() -> None:
    async with guest_loop() as guest:
        assert await guest.call(asyncio.to_thread, threading.get_ident) != threading.get_ident()


async def test_calls_side_by_side_on_two_guests() -> None:
    async with guest_loop() as one, guest_loop() as other:
        meeting = asyncio.Event()

        async def wait() -> str:
            await meeting.wait()
            return "met"

        async def meet() -> None:
            meeting.set()

        async with trio.open_nursery() as nursery:
            results: list[str] = []

            async def work() -> None:
                results.append(await one.call(wait))

            nursery.start_soon(work)
            await trio.testing.wait_all_tasks_blocked()
            assert results == []
            await other.call(asyncio.sleep, 0.01)
            assert results == []
            await one.call(meet)
        assert results == ["met"]


async def test_a_guest_that_never_waits_leaves_the_host_its_turns() -> None:
    ended = False

    async def spin() -> int:
        turns = 0
        while not ended:
            await asyncio.sleep(0)
            turns += 1
        return turns

    async with guest_loop() as guest, trio.open_nursery() as nursery:
        nursery.start_soon(guest.call, spin)
        for _ in range(20):
            await trio.lowlevel.checkpoint()
        await trio.sleep(0.01)
        ended = True


async def test_a_host_that_never_waits_leaves_the_guest_its_turns() -> None:
    ended = False

    async def spin() -> None:
        while not ended:
            await trio.lowlevel.checkpoint()

    async with guest_loop() as guest, trio.open_nursery() as nursery:
        nursery.start_soon(spin)
        for _ in range(3):
            await guest.call(asyncio.sleep, 0.001)
        ended = True


async def test_a_cancelled_caller_waits_for_the_end() -> None:
    async def work() -> str:
        await asyncio.sleep(0.02)
        return "done"

    async with guest_loop() as guest:
        with trio.CancelScope() as scope:
            scope.cancel()
            await guest.call(work)
        assert scope.cancelled_caught  # before anything began
        results: list[str] = []

        async def call() -> None:
            results.append(await guest.call(work))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(call)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        assert results == ["done"]


async def test_a_call_that_is_ended_from_within_is_in_doubt() -> None:
    async def give_up() -> None:
        raise asyncio.CancelledError

    async with guest_loop() as guest:
        with pytest.raises(OutcomeUnknownError):
            await guest.call(give_up)


async def test_close_ends_what_still_runs() -> None:
    told: list[str] = []
    kept: list[object] = []

    async def linger() -> None:
        try:
            await asyncio.sleep(BOUND)
        finally:
            await asyncio.sleep(0.001)
            told.append("task")

    async def generate() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await asyncio.sleep(0.001)
            told.append("generator")

    async def leave_both() -> None:
        kept.append(asyncio.create_task(linger()))
        generator = generate()
        kept.append(generator)
        await anext(generator)
        await asyncio.to_thread(int)

    async with guest_loop() as guest:
        await guest.call(leave_both)
    assert told == ["task", "generator"]
    assert not [each for each in threading.enumerate() if each.name.startswith("asyncio_")]


async def test_nothing_is_left_open() -> None:
    def descriptors() -> int:
        gc.collect()
        return len(list(Path("/proc/self/fd").iterdir()))

    async with guest_loop():
        pass
    before = descriptors()
    for _ in range(5):
        async with guest_loop() as guest:
            await guest.call(asyncio.sleep, 0)
    assert descriptors() == before


async def test_a_system_without_such_selectors(monkeypatch: pytest.MonkeyPatch) -> None:
    class Plain(selectors.SelectSelector):
        pass

    monkeypatch.setattr(guest_module, "_Selector", Plain)
    with pytest.raises(StorageError, match="epoll or kqueue"):
        GuestLoop()


async def test_errors_in_callbacks_are_told_and_harmless(caplog: pytest.LogCaptureFixture) -> None:
    async def plant() -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)

    async with guest_loop() as guest:
        await guest.call(plant)
        await guest.call(asyncio.sleep, 0.001)
    assert "ZeroDivisionError" in caplog.text


async def test_a_guest_that_is_stopped_goes_on() -> None:
    async def stop() -> None:
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0)

    async with guest_loop() as guest:
        await guest.call(stop)


def test_a_host_that_is_a_guest_itself(anyio_backend: str) -> None:
    """trio within asyncio, and in it an asyncio loop of a store."""
    assert anyio_backend == "trio"
    results: list[int] = []

    async def main() -> None:
        async with guest_loop() as guest:
            results.append(await guest.call(asyncio.sleep, 0.001, 5))

    async def host() -> None:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[object] = loop.create_future()
        trio.lowlevel.start_guest_run(
            main,
            run_sync_soon_threadsafe=loop.call_soon_threadsafe,
            done_callback=done.set_result,
        )
        async with asyncio.timeout(BOUND):
            await done
        assert asyncio.get_running_loop() is loop

    asyncio.run(host())
    assert results == [5]


def test_a_host_that_ends_takes_its_guest_along(anyio_backend: str) -> None:
    """Though nobody has closed it."""
    assert anyio_backend == "trio"
    told: list[str] = []
    kept: list[object] = []

    async def linger() -> None:
        try:
            await asyncio.sleep(BOUND)
        finally:
            told.append("ended")

    async def leave() -> None:
        kept.append(asyncio.create_task(linger()))
        await asyncio.sleep(0)

    async def main() -> None:
        guest = GuestLoop()
        kept.append(guest)
        await guest.call(leave)

    trio.run(main)
    assert told == ["ended"]
