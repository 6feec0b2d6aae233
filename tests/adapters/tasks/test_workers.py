"""Workers: jobs run side by side, tasks are kept for the next one, and nothing else is kept."""

from __future__ import annotations

import gc
import weakref
from contextvars import ContextVar
from unittest.mock import patch

import anyio
import pytest
from anyio.lowlevel import checkpoint

from sharedstate_anyio.tasks import workers
from sharedstate_anyio.tasks.workers import Workers

task: ContextVar[object] = ContextVar("task", default=None)


class Job:
    """One that begins at once and ends when it is let go."""

    def __init__(self) -> None:
        self.begun = anyio.Event()
        self.go = anyio.Event()
        self.task: object = None


async def run(job: Job) -> None:
    if task.get() is None:
        task.set(object())  # for as long as the task lives
    job.task = task.get()
    job.begun.set()
    await job.go.wait()


def ignore(_: None) -> None:
    pass


async def finish(*jobs: Job) -> None:
    for job in jobs:
        job.go.set()
    for _ in range(5):
        await checkpoint()


async def test_jobs_run_side_by_side_and_tasks_are_used_again() -> None:
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            pool = Workers(tasks, run, ignore)
            used: list[set[object]] = []
            for _ in range(3):
                jobs = [Job() for _ in range(5)]
                for job in jobs:
                    pool.start(job)
                for job in jobs:
                    await job.begun.wait()
                used.append({job.task for job in jobs})
                await finish(*jobs)
            assert len(used[0]) == 5
            assert used[0] == used[1] == used[2]
            tasks.cancel_scope.cancel()


async def test_no_more_are_kept_than_may_be() -> None:
    with anyio.fail_after(10), patch.object(workers, "KEPT", 2):
        async with anyio.create_task_group() as tasks:
            pool = Workers(tasks, run, ignore)
            first = [Job() for _ in range(5)]
            for job in first:
                pool.start(job)
            for job in first:
                await job.begun.wait()
            await finish(*first)
            second = [Job() for _ in range(5)]
            for job in second:
                pool.start(job)
            for job in second:
                await job.begun.wait()
            assert len({job.task for job in first} & {job.task for job in second}) == 2
            tasks.cancel_scope.cancel()


async def test_a_job_that_is_done_is_let_go() -> None:
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            pool = Workers(tasks, run, ignore)
            job = Job()
            pool.start(job)
            await job.begun.wait()
            await finish(job)
            gone = weakref.ref(job)
            del job
            gc.collect()
            assert gone() is None
            tasks.cancel_scope.cancel()


async def test_what_a_job_raises_ends_the_task_group_also_from_a_kept_task() -> None:
    async def fail(job: str) -> None:
        if job:
            raise ValueError(job)

    async def work() -> None:
        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                pool = Workers(tasks, fail, ignore)
                pool.start("")
                for _ in range(5):
                    await checkpoint()
                pool.start("no")
                await anyio.sleep_forever()

    with pytest.raises(ExceptionGroup) as caught:
        await work()
    assert caught.group_contains(ValueError, match="no")


async def test_a_job_that_follows_from_the_end_of_one_begins_before_anything_else_has_its_turn() -> (
    None
):
    events: list[str] = []

    async def do(job: int) -> int:
        events.append(f"begin {job}")
        await checkpoint()
        return job

    def ended(job: int) -> None:
        events.append(f"end {job}")
        if job == 1:
            for following in (2, 3):
                pool.start(following)
            tasks.start_soon(other)

    async def other() -> None:
        events.append("other")

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            pool = Workers(tasks, do, ended)
            pool.start(1)
            for _ in range(20):
                await checkpoint()
            tasks.cancel_scope.cancel()
    assert events[:3] == ["begin 1", "end 1", "begin 2"]
    assert sorted(events[3:]) == ["begin 3", "end 2", "end 3", "other"]
