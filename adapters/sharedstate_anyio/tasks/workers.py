"""A pool of tasks: waking one costs a third of starting a new one.

A job that follows from the end of another one runs in the same task: it begins at once, whatever else waits for its
turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, TypeVar

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup

J = TypeVar("J")
R = TypeVar("R")

KEPT: Final = 64
"""Number of workers kept idle: more are needed only while that many collections are written to at once."""


class Workers(Generic[J, R]):
    """Runs jobs concurrently, each in a worker of its own.

    Args:
        tasks: owns the tasks; the idle ones end when it is cancelled.
        run: does one job. An exception ends the task group.
        ended: called with the result of each.
    """

    def __init__(
        self, tasks: TaskGroup, run: Callable[[J], Awaitable[R]], ended: Callable[[R], None]
    ) -> None:
        self._tasks = tasks
        self._run = run
        self._ended = ended
        self._idle: list[_Worker[J]] = []
        self._at_hand: _Worker[J] | None = None  # is reporting the result of its job

    def start(self, job: J) -> None:
        """Start a job soon."""
        if self._at_hand is not None:
            self._at_hand.jobs.append(job)
            self._at_hand = None
        elif self._idle:
            worker = self._idle.pop()
            worker.jobs.append(job)
            worker.wanted.set()
        else:
            self._tasks.start_soon(self._work, _Worker(job))

    async def _work(self, worker: _Worker[J]) -> None:
        while True:
            while worker.jobs:
                self._tell(worker, await self._run(worker.jobs.pop()))
            if len(self._idle) >= KEPT:
                return
            worker.wanted = anyio.Event()
            self._idle.append(worker)
            await worker.wanted.wait()

    def _tell(self, worker: _Worker[J], result: R) -> None:
        self._at_hand = worker
        self._ended(result)
        self._at_hand = None


class _Worker(Generic[J]):
    __slots__ = ("jobs", "wanted")

    def __init__(self, job: J) -> None:
        self.jobs = [job]  # never more than one; never a finished one, or its memory would be kept
        self.wanted: anyio.Event  # while it is idle
