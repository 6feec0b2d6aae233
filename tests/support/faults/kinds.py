"""Faults that happen to a server process under load, or to its storage: each in an empty folder, on a loop."""

from __future__ import annotations

import random
import resource
import signal
import sqlite3
import time
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import anyio

from . import faulty_mysql, faulty_sqlite
from .disk import disk
from .stage import Stage, in_file, staged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.services.servers import Service


class Run(Protocol):
    """A fault, in an empty folder, on a loop."""

    async def __call__(self, folder: Path, loop: str) -> Stage:
        """Do it; raise an AssertionError if anything was lost, halved or not told."""
        ...


def _dying(folder: Path, **config: str) -> Service:
    config["file"] = str(folder / "items.db")
    return {"name": "items", "module": faulty_sqlite.MODULE, "config": config}


async def killed(folder: Path, loop: str, *, at: str) -> Stage:
    """The process dies at a chosen moment of a commit, and is started again."""
    return await killed_by_itself(folder, loop, _dying(folder, at=at))


async def killed_on_mariadb(
    folder: Path, loop: str, store: Mapping[str, object], *, at: str
) -> Stage:
    """The same, on MariaDB; its table is new."""
    dying: Service = {
        "name": "items",
        "module": faulty_mysql.MODULE,
        "config": {"store": store, "at": at},
    }
    return await killed_by_itself(folder, loop, dying, store)


async def killed_by_itself(
    folder: Path, loop: str, service: Service, store: Mapping[str, object] | None = None
) -> Stage:
    """A service kills its process, which is started again without it."""
    async with staged(folder, loop, service, store) as stage:
        assert await stage.command.finished() == -signal.SIGKILL
        since = time.monotonic()
        await stage.start()
        await stage.recovered(since)
    return stage


async def killed_within_commit(folder: Path, loop: str, *, after: int) -> Stage:
    """The process dies while it writes its log, so many bytes further on, and is started again."""
    async with staged(folder, loop, _dying(folder)) as stage:
        _limit_files(stage, Path(f"{stage.file}-wal").stat().st_size + 50_000 + after)
        assert await stage.command.finished() == -signal.SIGXFSZ
        since = time.monotonic()
        await stage.start()
        await stage.recovered(since)
    return stage


async def killed_at_random(folder: Path, loop: str) -> Stage:
    """The process is killed three times, whatever it does at that moment."""
    async with staged(folder, loop) as stage:
        for _ in range(3):
            await anyio.sleep(random.random() / 20)
            since = time.monotonic()
            stage.kill()
            await stage.start()
            await stage.recovered(since)
    return stage


async def io_error(folder: Path, loop: str) -> Stage:
    """Writing fails in the middle of a page (EFBIG, an I/O error to SQLite), again and again, then works."""
    async with staged(folder, loop) as stage:
        _limit_files(stage, Path(f"{stage.file}-wal").stat().st_size + 10_001)
        await stage.trouble()
        _limit_files(stage, resource.RLIM_INFINITY)
        await stage.recovered(time.monotonic())
    return stage


async def full_disk(folder: Path, loop: str) -> Stage:
    """A small disk of its own fills up, until somebody makes room."""
    with disk(folder / "disk") as mounted:
        async with staged(folder, loop, store=in_file(mounted / "items.db")) as stage:
            with suppress(OSError), (mounted / "filler").open("wb") as filler:
                while True:
                    filler.write(bytes(65_536))
                    filler.flush()
            await stage.trouble()
            (mounted / "filler").unlink()
            await stage.recovered(time.monotonic())
    return stage


async def locked(folder: Path, loop: str, *, seconds: float = 1) -> Stage:
    """Another process takes the write lock and keeps it for a while."""
    async with staged(folder, loop) as stage:
        with closing(sqlite3.connect(stage.file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await anyio.sleep(seconds)
            other.execute("ROLLBACK")
        await stage.recovered(time.monotonic())
    return stage


def _limit_files(stage: Stage, size: int) -> None:
    """Limit the size of the files that the server may write."""
    resource.prlimit(stage.command.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


RUNS: Final[dict[str, Run]] = {
    **{f"SIGKILL {stage}": partial(killed, at=stage) for stage in faulty_sqlite.STAGES},
    **{
        f"killed in COMMIT, {place} a frame": partial(killed_within_commit, after=offset)
        for place, offset in {"in the head of": 32, "early in": 1_000, "late in": 4_000}.items()
    },
    "SIGKILL at random, 3 times": killed_at_random,
    "I/O error": io_error,
    "disk full": full_disk,
    "locked for 1 s": locked,
    "locked for 6 s": partial(locked, seconds=6),
}


MARIADB_RUNS: Final = {
    f"MariaDB: SIGKILL {stage}": partial(killed_on_mariadb, at=stage)
    for stage in faulty_mysql.STAGES
}
"""These are told the store, too."""
