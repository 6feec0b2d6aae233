"""So many are let in at a time; the others stand in line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from sharedstate_anyio.net import gate as gate_module
from sharedstate_anyio.net.gate import AT_ONCE, Gate

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(autouse=True)
def _whatever_the_clock_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "monotonic", lambda: 0.0)


class Visitors:
    """Those who want to be let in, as numbers, and those who were: a list for each turn of the loop."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self.turns: list[list[int]] = []

    def call(self, number: int) -> Callable[[], int]:
        def call() -> int:
            self.turns[-1].append(number)
            return number

        return call

    async def serve(self, number: int) -> None:
        assert await self._gate.serve(self.call(number)) == number

    async def count(self) -> None:
        """Count turns, until cancelled."""
        while True:
            self.turns.append([])
            await anyio.lowlevel.checkpoint()


async def test_many_are_let_in_by_turns_and_in_order() -> None:
    gate = Gate()
    visitors = Visitors(gate)
    async with anyio.create_task_group() as own:
        own.start_soon(gate.run)
        own.start_soon(visitors.count)
        await anyio.lowlevel.checkpoint()
        async with anyio.create_task_group() as tasks:
            for number in range(10 * AT_ONCE):
                tasks.start_soon(visitors.serve, number)
        assert gate.is_open
        own.cancel_scope.cancel()
    came = [number for turn in visitors.turns for number in turn]
    assert sorted(came) == list(range(10 * AT_ONCE))
    assert max(map(len, visitors.turns)) <= 2 * AT_ONCE, "some before the gate's own turn"
    assert sum(map(bool, visitors.turns)) >= 5


async def test_few_are_let_in_at_once_and_who_takes_long_counts_as_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = Gate()
    for _ in range(AT_ONCE - 1):
        gate.let_in(lambda: None)
    assert gate.is_open
    gate.let_in(lambda: None)
    assert not gate.is_open
    slow = Gate()
    times = iter([0.0, 1.0])
    monkeypatch.setattr(gate_module, "monotonic", lambda: next(times))
    slow.let_in(lambda: None)
    assert not slow.is_open
    heavy = Gate()
    await heavy.enter(AT_ONCE)
    assert not heavy.is_open


async def test_nobody_passes_those_in_line() -> None:
    gate = Gate()
    came: list[int] = []
    await gate.enter(AT_ONCE)
    async with anyio.create_task_group() as tasks:

        async def enter(number: int) -> None:
            await gate.enter(AT_ONCE)
            came.append(number)

        for number in range(5):
            tasks.start_soon(enter, number)
            await anyio.wait_all_tasks_blocked()
        assert not came
        tasks.start_soon(gate.run)
        await anyio.wait_all_tasks_blocked()
        assert came == list(range(5))
        assert gate.is_open
        tasks.cancel_scope.cancel()


async def test_who_has_gone_is_not_called_and_an_error_is_their_own() -> None:
    gate = Gate()
    await gate.enter(AT_ONCE)

    def fail() -> None:
        raise ValueError("no")

    def never() -> None:
        raise AssertionError("called")

    async def expect_error() -> None:
        with pytest.raises(ValueError, match="no"):
            await gate.serve(fail)

    async with anyio.create_task_group() as own:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(gate.serve, never)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(expect_error)
            await anyio.wait_all_tasks_blocked()
            own.start_soon(gate.run)
        own.cancel_scope.cancel()


async def test_when_it_ends_all_are_let_in() -> None:
    gate = Gate()
    visitors = Visitors(gate)
    visitors.turns.append([])
    async with anyio.create_task_group() as tasks, anyio.create_task_group() as own:
        own.start_soon(gate.run)
        await anyio.wait_all_tasks_blocked()
        own.cancel_scope.cancel()
        gate.let_in(lambda: None)
        for number in range(3 * AT_ONCE):
            tasks.start_soon(visitors.serve, number)
    assert len(visitors.turns[0]) == 3 * AT_ONCE
    for _ in range(2 * AT_ONCE):
        gate.let_in(lambda: None)
    assert gate.is_open
