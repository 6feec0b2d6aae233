"""An SQLite file that is set back under one server or two, while clients write."""

from __future__ import annotations

import sqlite3
from contextlib import AsyncExitStack, closing
from typing import TYPE_CHECKING, Final

import anyio
import pytest

from sharedstate_backends.history import vectors
from tests.support.faults.set_back import check
from tests.support.nightly import IS_NIGHTLY
from tests.support.peer import open_client
from tests.support.services.servers import running, sqlite

if TYPE_CHECKING:
    from pathlib import Path

TIMES: Final = 20 if IS_NIGHTLY else 2
"""In the nightly profile as often as we promise that it was tried."""


class RestoredFile:
    """A file that is restored by a program that knows SQLite, as its command does it with `.restore`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._kept = file.with_suffix(".kept")

    def back_up(self) -> None:
        self._copy(self._file, self._kept)

    async def set_back(self) -> None:
        await anyio.to_thread.run_sync(self._copy, self._kept, self._file)

    def items(self, path: str) -> list[str]:
        with closing(sqlite3.connect(self._file)) as connection:
            rows = connection.execute(
                "SELECT data FROM items JOIN items_collections AS head ON head.key = collection "
                "WHERE data IS NOT NULL AND name = ? ORDER BY created, place",
                (path.rpartition("/")[2],),
            )
            return [text for (text,) in rows]

    @staticmethod
    def _copy(source: Path, target: Path) -> None:
        with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
            old.backup(new)


class ReplacedFile(RestoredFile):
    """A file that is replaced by its backup, as one should while nobody uses it: what belongs to its log goes first."""

    async def set_back(self) -> None:
        copy = self._file.with_suffix(".copy")
        self._copy(self._kept, copy)
        for suffix in ("-wal", "-shm"):
            self._file.with_name(self._file.name + suffix).unlink()
        copy.replace(self._file)


async def set_back(storage: RestoredFile, file: Path, servers: int, seed: int) -> None:
    async with AsyncExitStack() as stack:
        service = sqlite(file=file) | {"poll_seconds": 0.02}
        each = [await stack.enter_async_context(running(service)) for _ in range(servers)]
        await check([server.port for server in each], storage, seed)


@pytest.mark.parametrize("seed", range(TIMES))
@pytest.mark.parametrize("servers", [1, 2])
@pytest.mark.parametrize("kind", [RestoredFile, ReplacedFile])
async def test_everybody_is_told_what_is_there(
    kind: type[RestoredFile],
    servers: int,
    seed: int,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    file = tmp_path / "items.db"
    await set_back(kind(file), file, servers, seed)
    lines = [each.getMessage() for each in caplog.records]
    said = [line for line in lines if "gone back" in line]
    assert "A new epoch was drawn" in said[0]
    caplog.clear()


async def test_a_file_put_in_place_while_no_server_ran(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Only those who watched can know; what one of them holds is enough for all."""
    file = tmp_path / "items.db"
    service = sqlite(file=file) | {"poll_seconds": 0.02}
    storage = RestoredFile(file)
    ahead, level = "/app/items/one", "/app/items/two"
    async with running(service) as server, open_client(server.port) as client:
        for path in (ahead, level):
            await client.put(path, {"insert": [{"id": "kept"}]})
        storage.back_up()
        for path in (ahead, level):
            await client.put(path, {"insert": [{"id": "lost"}]})
        epoch = (await client.ask("GET", level))["epoch"]
    await storage.set_back()
    async with (
        running(service) as server,
        open_client(server.port) as writer,
        open_client(server.port) as reader,
    ):
        await writer.put(level, {"insert": [{"id": "new"}]})  # as high as before, but another
        for path in (ahead, level):
            since = {"epoch": epoch, "version": 2}
            await reader.put("/subs", {"insert": [[path, {"since": since}]]})
        held: dict[str, set[str]] = {ahead: {"kept", "lost"}, level: {"kept", "lost"}}
        while held != {ahead: {"kept"}, level: {"kept", "new"}}:
            told = await reader.notification()
            items = {item["id"] for item in told["data"]["insert"]}
            held[told["path"]] = items if told["data"]["reset"] else held[told["path"]] | items
        writer.peer.shut()
        reader.peer.shut()
    (said,) = (each.getMessage() for each in caplog.records if each.levelname == "ERROR")
    assert "a reader holds version 2 of /app/items/one, and there is version 1" in said
    caplog.clear()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_without_the_guard_somebody_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The planted bug: the test above can fail."""
    monkeypatch.setattr("tests.support.faults.set_back.SECONDS", 1.0)
    monkeypatch.setattr(vectors, "goes_on", lambda *_: True)
    failures = 0
    for seed in range(3):
        file = tmp_path / f"{seed}.db"
        try:
            await set_back(RestoredFile(file), file, 2, seed)
        except* (AssertionError, TimeoutError):
            failures += 1
    assert failures
    caplog.clear()
