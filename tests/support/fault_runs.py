"""A server process under load, something that happens to it or its storage, and what is left when it is over.

Each run: writers and readers, then the fault, then its end, then more writing. At last the database must hold the
replay of what was acknowledged and of some of what nobody knows, whole, and every reader the same.

`python -m tests.support.fault_runs 10` does every run ten times on each loop and prints a table.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import anyio

from sharedstate_backends.items_service import get_service
from sharedstate_core import CollectionPath

from . import faulty_mysql, faulty_sqlite, mariadb
from .command import Command
from .ledger import Ledger
from .peer import ClosedError, open_client
from .replica import Copy, agree
from .servers import document, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping

    from .servers import Service

C: Final = "/app/items/c"
ROOT: Final = Path(__file__).parents[2]
WRITERS: Final = 4
READERS: Final = 2
PIPELINED: Final = 4
WARM: Final = 60
"""Acknowledgements to wait for before the fault, and after it."""

DISK_BYTES: Final = 32 * 1024 * 1024


class Stage:
    """A server that comes and goes, with writers and readers that come back.

    Args:
        folder: where it runs.
        store: the database, as `items_service` is told.
        loop: the server's event loop.

    Attributes:
        copies: what each reader has seen.
        doubts: updates whose author was told that nobody knows.
        seconds: how long it took until writes flowed again.
    """

    def __init__(self, folder: Path, store: Mapping[str, object], loop: str) -> None:
        self._store = store
        self.ledger = Ledger()
        self.copies = [Copy() for _ in range(READERS)]
        self.doubts = 0
        self.seconds = 0.0
        self._folder = folder
        self._loop = loop
        self._port = 0
        self._command: Command | None = None
        self._writing = 0
        self._stopping = False

    @property
    def file(self) -> Path:
        """The database, if it is a file."""
        return Path(str(self._store["db_name"]))

    @property
    def command(self) -> Command:
        """The server's process."""
        assert self._command is not None
        return self._command

    async def start(self, service: Service | None = None) -> None:
        """Start the server; a service of one's own is called `items`."""
        ours: Service = {"name": "items", "module": "items_service", "config": dict(self._store)}
        config = document(service or ours)
        (self._folder / "config.json").write_text(json.dumps(config))
        self._command = command = Command(
            "config.json", "--loop", self._loop, folder=self._folder, log=self._folder / "log"
        )
        self._port = await anyio.to_thread.run_sync(lambda: command.port)

    def kill(self) -> None:
        """End the server as a crash does."""
        if self._command is not None:
            self._command.kill()

    async def more(self, count: int = WARM) -> None:
        """Wait for so many further acknowledgements."""
        wanted = len(self.ledger.acknowledged) + count
        await until(lambda: len(self.ledger.acknowledged) >= wanted)

    async def trouble(self, count: int = 20) -> None:
        """Wait until so many further updates were refused or ended in doubt."""
        wanted = len(self.ledger.refused) + self.doubts + count
        await until(lambda: len(self.ledger.refused) + self.doubts >= wanted)

    async def recovered(self, since: float) -> None:
        """Wait until writes flow again after a moment on the monotonic clock."""
        await until(lambda: self.ledger.acknowledged_at > since)
        self.seconds = self.ledger.acknowledged_at - since
        await self.more()

    async def write(self, name: str) -> None:
        """Write until told to stop, whatever happens."""
        self._writing += 1
        while not self._stopping:
            with suppress(OSError, EOFError, ClosedError):
                async with open_client(self._port) as client:
                    while not self._stopping:
                        sent = []
                        for _ in range(PIPELINED):
                            marker, update = self.ledger.new(name)
                            sent.append((marker, await client.send("PUT", C, update)))
                        for marker, tunnel in sent:
                            reply = await client.reply(tunnel)
                            self.ledger.answered(marker, reply)
                            self.doubts += not reply["ok"] and "outcome" in reply["error"]
                        await anyio.sleep(0 if reply["ok"] else 0.01)
            await anyio.sleep(0.01)
        self._writing -= 1

    async def read(self, copy: Copy) -> None:
        """Follow the collection until cancelled."""
        while True:
            with suppress(OSError, EOFError, ClosedError):
                async with open_client(self._port) as client:
                    copy.leave()
                    await client.subscribe(C)
                    while True:
                        copy.take(await client.notification())
            await anyio.sleep(0.01)

    async def settle(self) -> None:
        """Let the writers end, every reader catch up, and the server stop."""
        self._stopping = True
        await until(lambda: self._writing == 0)
        async with open_client(self._port) as client:
            version = (await client.ask("GET", C))["version"]
            client.peer.shut()
        await until(lambda: all(copy.version == version for copy in self.copies))
        self.command.send(signal.SIGTERM)
        assert await self.command.finished() == 0

    async def check(self) -> None:
        """Hold the database and every reader against the ledger."""
        backend = get_service(self._store)
        await backend.open()
        try:
            path = CollectionPath("app", "items", "c")
            state = self.ledger.check(await backend.load(path, None))
        finally:
            await backend.close()
        agree(self.copies)
        for copy in self.copies:
            assert copy.state == state, "a reader has something else than the database"


@asynccontextmanager
async def staged(
    folder: Path,
    loop: str,
    service: Service | None = None,
    store: Mapping[str, object] | None = None,
) -> AsyncIterator[Stage]:
    """A server under load; at the end of the block the load ends and everything is checked."""
    stage = Stage(folder, store or in_file(folder / "items.db"), loop)
    try:
        with anyio.fail_after(120):
            async with anyio.create_task_group() as tasks:
                await stage.start(service)
                for number in range(WRITERS):
                    tasks.start_soon(stage.write, f"writer {number}")
                for copy in stage.copies:
                    tasks.start_soon(stage.read, copy)
                await stage.more()
                yield stage
                await stage.settle()
                tasks.cancel_scope.cancel()
            await stage.check()
    finally:
        stage.kill()


class Run(Protocol):
    """A fault, in an empty folder, on a loop."""

    async def __call__(self, folder: Path, loop: str) -> Stage:
        """Do it; raise an AssertionError if anything was lost, halved or not told."""
        ...


def in_file(file: Path) -> dict[str, object]:
    """Describe a store in a file of SQLite."""
    return {"db_type": "sqlite", "db_name": str(file)}


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


@contextmanager
def disk(folder: Path) -> Iterator[Path]:
    """A file system in memory of `DISK_BYTES`; only root may have one.

    Raises:
        PermissionError: may not be mounted here.
    """
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode:
        raise PermissionError("may not mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


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


@contextmanager
def runs_on_mariadb() -> Iterator[dict[str, Run]]:
    """Start a MariaDB for `MARIADB_RUNS`, and tell each about a table of its own."""
    numbers = itertools.count()
    with tempfile.TemporaryDirectory() as name:
        home = Path(name, "home")
        home.mkdir()
        template = mariadb.make_template(Path(name))
        with mariadb.started(template, home) as database:

            def on_its_own_table(run: Callable[..., Awaitable[Stage]]) -> Run:
                async def run_there(folder: Path, loop: str) -> Stage:
                    table = f"items_{next(numbers)}"
                    return await run(folder, loop, database.config(db_table=table))

                return run_there

            yield {name: on_its_own_table(run) for name, run in MARIADB_RUNS.items()}


def main(times: int) -> None:
    """Print the table."""
    os.environ["PYTHONPATH"] = str(ROOT)
    head = ("fault", "times", "acknowledged", "refused", "in doubt", "lost", "halves", "seconds")
    print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|", flush=True)
    with runs_on_mariadb() as on_mariadb:
        for name, run in (RUNS | on_mariadb).items():
            _report(name, run, times)


def _report(name: str, run: Run, times: int) -> None:
    stages = []
    for number in range(times * 2):
        loop = ("asyncio", "trio")[number % 2]
        with tempfile.TemporaryDirectory() as folder:
            stages.append(anyio.run(run, Path(folder), loop, backend=loop))
    acknowledged = sum(len(stage.ledger.acknowledged) for stage in stages)
    refused = sum(len(stage.ledger.refused) for stage in stages)
    unknown = sum(len(stage.ledger.unknown) for stage in stages)
    slowest = max(stage.seconds for stage in stages)
    print(
        f"| {name} | {len(stages)} | {acknowledged:,} | {refused:,} | {unknown:,} "
        f"| 0 | 0 | {slowest:.2f} |",
        flush=True,
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
