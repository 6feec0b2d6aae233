"""The turns of the event loop: what they took of the processor, whatever else the machine does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import anyio
import pytest

from sharedstate_anyio.ops import loop_turns
from sharedstate_anyio.ops.loop_turns import LoopTurns
from sharedstate_anyio.storage.instrumented import BOUNDS
from tests.support.asking import numbers
from tests.support.services.servers import running

if TYPE_CHECKING:
    from collections.abc import Callable

BUSY_SECONDS = 0.03


class Clocks:
    """Both clocks of a machine, moved by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall = self.spent = 0.0
        self.asked = 0
        monkeypatch.setattr(loop_turns, "monotonic", lambda: self.wall)
        monkeypatch.setattr(loop_turns, "thread_time", self._ask)

    def _ask(self) -> float:
        self.asked += 1
        return self.spent

    def turn(self, turns: LoopTurns, wall: float, spent: float) -> None:
        """Let the loop wait, and then take a turn."""
        self.wall += 1.0
        turns.after_io_wait(None)
        self.wall += wall
        self.spent += spent
        turns.before_io_wait(None)


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    return Clocks(monkeypatch)


def at_most(turns: LoopTurns, seconds: float) -> int:
    """Return how many turns took no longer."""
    return sum(turns.durations.counts[: BOUNDS.index(seconds) + 1])


def test_another_program_makes_no_turn_longer(clocks: Clocks) -> None:
    turns = LoopTurns()
    clocks.turn(turns, wall=5.0, spent=0.004)
    assert turns.longest == pytest.approx(0.004)
    clocks.turn(turns, wall=0.25, spent=0.25)
    clocks.turn(turns, wall=0.05, spent=0.05)
    assert turns.longest == pytest.approx(0.25)
    assert turns.durations.seconds == pytest.approx(0.304)
    assert (at_most(turns, 0.0025), at_most(turns, 0.005)) == (0, 1)


def test_short_turns_ask_for_no_processor_time_and_add_little_to_a_long_one(
    clocks: Clocks,
) -> None:
    turns = LoopTurns()
    for _ in range(90):
        clocks.turn(turns, wall=0.00001, spent=0.00001)
    assert clocks.asked == 0
    assert at_most(turns, 0.001) == sum(turns.durations.counts) == 90
    clocks.turn(turns, wall=2.0, spent=0.02)
    assert 0.02 <= turns.longest < 0.02 + loop_turns.GRAIN_SECONDS
    clocks.turn(turns, wall=2.0, spent=0.03)
    assert turns.longest == pytest.approx(0.03)
    assert clocks.asked == 2
    assert at_most(turns, 0.01) == 90
    assert sum(turns.durations.counts) == 92
    assert turns.durations.seconds == pytest.approx(0.0509)


def work() -> None:
    """Use the processor."""
    end = time.thread_time() + BUSY_SECONDS
    while time.thread_time() < end:
        pass


async def test_a_long_turn_is_told() -> None:
    async with running() as server:
        assert "event_loop_longest_turn_seconds" in await numbers(server.port)
        work()
        await anyio.sleep(0)
        found = await numbers(server.port)
        assert found["event_loop_longest_turn_seconds"] >= BUSY_SECONDS
        assert found["event_loop_turn_seconds_sum"] >= BUSY_SECONDS
        count = found["event_loop_turn_seconds_count"]
        assert count == found["event_loop_turn_seconds_bucket{+Inf}"] > 1
        assert found["event_loop_turn_seconds_bucket{0.025}"] < count
        assert "event_loop_turn_seconds_bucket{0.0005}" not in found
        assert (await numbers(server.port))["event_loop_turn_seconds_count"] > count


async def test_two_servers_in_one_loop(anyio_backend_name: str) -> None:
    loop = anyio.lowlevel.current_token().native_token
    selects: list[Callable[..., object]] = []

    def note() -> None:
        if anyio_backend_name == "asyncio":
            selects.append(loop._selector.select)  # type: ignore[attr-defined]

    note()
    one, other = LoopTurns(), LoopTurns()
    one.begin()
    one.begin()
    await anyio.sleep(0)
    alone = sum(one.durations.counts)
    assert alone > 0 == sum(other.durations.counts)
    other.begin()
    assert one.is_watched
    assert other.is_watched
    await anyio.sleep(0)
    both = sum(one.durations.counts)
    assert both - alone == sum(other.durations.counts) > 0
    other.end()
    assert not other.is_watched
    told = sum(other.durations.counts)
    await anyio.sleep(0)
    assert sum(one.durations.counts) > both
    one.end()
    await anyio.sleep(0)
    assert sum(other.durations.counts) == told
    note()
    assert len(set(selects)) <= 1
