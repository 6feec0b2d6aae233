"""Tasks that are kept for the next job: waking one costs a third of starting one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, TypeVar

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup

J = TypeVar("J")

KEPT: Final = 64
"""Workers that may wait for a job: more are needed only while as many collections are written to at once."""


class Workers(Generic[J]):
    """Runs jobs side by side, each in a task that has nothing else to do.

    Args:
        tasks: owns the tasks; the idle ones end when it is cancelled.
        run: does one job. What it raises ends the task group.
    """

    def __init__(self, tasks: TaskGroup, run: Callable[[J], Awaitable[None]]) -> None:
        self._tasks = tasks
        self._run = run
        self._idle: list[_Worker[J]] = []

    def start(self, job: J) -> None:
        """Let a job begin soon."""
        if self._idle:
            worker = self._idle.pop()
            worker.jobs.append(job)
            worker.wanted.set()
        else:
            self._tasks.start_soon(self._work, _Worker(job))

    async def _work(self, worker: _Worker[J]) -> None:
        while True:
            await self._run(worker.jobs.pop())
            if len(self._idle) >= KEPT:
                return
            worker.wanted = anyio.Event()
            self._idle.append(worker)
            await worker.wanted.wait()


class _Worker(Generic[J]):
    __slots__ = ("jobs", "wanted")

    def __init__(self, job: J) -> None:
        self.jobs = [job]  # never more than one; none that is done, or its memory would wait, too
        self.wanted: anyio.Event  # while it is idle
