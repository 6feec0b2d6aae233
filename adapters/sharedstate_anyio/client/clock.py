"""The server's clock, as seen from here.

Each sample asks the server for its time and bounds it: the server read its clock between our question and its answer.
The sample whose bound is the narrowest counts, allowing for clocks that drift apart while it ages.
"""

import math
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

import anyio

from sharedstate_core import SharedStateError
from sharedstate_core.client import ClosedError

from .loop_affinity import LoopAffinity

BURST: Final = 4
"""Samples in a row at the first use: the best of several is far better than any single one."""

INTERVAL_SECONDS: Final = 10.0
USED_SECONDS: Final = 60.0
"""Sampled every `INTERVAL_SECONDS` until unused for `USED_SECONDS`, with no one waiting for a sample."""

DRIFT: Final = 1e-4
"""How fast two clocks may drift apart, in seconds per second: several times the drift of cheap quartz."""


class _Sample(NamedTuple):
    offset: float
    bound: float
    at: float

    def bound_at(self, now: float) -> float:
        return self.bound + DRIFT * (now - self.at)


class Clock:
    """The server's time, in seconds since the Unix epoch, sampled only while it is used.

    Before the first sample, `now()` is this machine's own time and `error` is infinite; `await synced()` waits for it.
    """

    def __init__(self, ask: Callable[[], Awaitable[float]], affinity: LoopAffinity) -> None:
        self._affinity = affinity
        self._ask = ask
        self._samples: deque[_Sample] = deque(maxlen=8)
        self._looked = -math.inf
        self._waiting = 0
        self._wanted = anyio.Event()
        self._settled = anyio.Event()

    def now(self) -> float:
        """Return the server's time now, in seconds since the Unix epoch."""
        self._look()
        best = self._best()
        return time.time() if best is None else time.monotonic() + best.offset

    @property
    def skew(self) -> float:
        """How far the server's clock is ahead of this machine's, in seconds; 0 before the first sample."""
        return self.now() - time.time()

    @property
    def error(self) -> float:
        """Maximum error of `now()`, in seconds; infinite before the first sample."""
        self._look()
        best = self._best()
        return math.inf if best is None else best.bound_at(time.monotonic())

    async def synced(self) -> None:
        """Wait for the first sample.

        Raises:
            ClosedError: the client is closed.
            RuntimeError: the client belongs to another event loop.
        """
        self._affinity.check()
        self._waiting += 1
        try:
            self._look()
            await self._settled.wait()
        finally:
            self._waiting -= 1
        if not self._samples:
            raise ClosedError

    def end(self) -> None:
        """Note that no more samples will come."""
        self._settled.set()

    def _look(self) -> None:
        self._looked = time.monotonic()
        self._wanted.set()

    def _best(self) -> _Sample | None:
        now = time.monotonic()
        return min(self._samples, key=lambda sample: sample.bound_at(now), default=None)

    async def run(self) -> None:
        """Sample while the clock is used, until cancelled."""
        while True:
            await self._wanted.wait()
            for _ in range(BURST):
                await self._sample()
            while self._waiting or time.monotonic() - self._looked < USED_SECONDS:
                await anyio.sleep(INTERVAL_SECONDS)
                await self._sample()
            self._wanted = anyio.Event()

    async def _sample(self) -> None:
        before = time.monotonic()
        try:
            time_there = await self._ask()
        except SharedStateError:
            return  # try again later
        after = time.monotonic()
        sample = _Sample(time_there - (before + after) / 2, (after - before) / 2, after)
        best = self._best()
        if best and abs(sample.offset - best.offset) > sample.bound + best.bound_at(after):
            self._samples.clear()  # they contradict each other: a clock was set
        self._samples.append(sample)
        self._settled.set()
