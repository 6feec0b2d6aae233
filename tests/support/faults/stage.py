"""A server process under load, on which a fault may happen, and what is left when it is over.

Writers and readers, then the fault, then its end, then more writing. At last the database must hold the replay of
what was acknowledged and of some of what nobody knows, whole, and every reader the same.
"""

from __future__ import annotations

import json
import signal
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio

from sharedstate_backends.items_service import get_service
from sharedstate_core import CollectionPath
from tests.support.ledger import Ledger
from tests.support.peer import ClosedError, open_client
from tests.support.replica import Copy, agree
from tests.support.services.command import Command
from tests.support.services.servers import document, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from tests.support.services.servers import Service

C: Final = "/app/items/c"
ROOT: Final = Path(__file__).parents[3]
WRITERS: Final = 4
READERS: Final = 2
PIPELINED: Final = 4
WARM: Final = 60
"""Acknowledgements to wait for before the fault, and after it."""


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


def in_file(file: Path) -> dict[str, object]:
    """Describe a store in a file of SQLite."""
    return {"db_type": "sqlite", "db_name": str(file)}
