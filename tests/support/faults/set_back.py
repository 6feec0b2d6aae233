"""Storage that is set back under running servers while clients write and watch: at rest all hold what it holds."""

from __future__ import annotations

import json
import random
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final, Protocol

import anyio

from sharedstate_anyio.client import RequestError, connect
from tests.support.peer import open_client

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sharedstate_anyio.client import Client, Dataset

PATHS: Final = ("/app/items/one", "/app/items/two")
SECONDS: Final = 30.0


class Storage(Protocol):
    """A database as its operator sees it."""

    def back_up(self) -> None:
        """Keep what it holds now."""

    async def set_back(self) -> None:
        """Make it hold what was kept, under whoever uses it."""

    def items(self, path: str) -> list[str]:
        """Return the texts of a collection's items, in order."""


async def check(ports: Sequence[int], storage: Storage, seed: int) -> None:
    """Let each server have a writer and a watcher; set storage back; see what they hold when it is quiet.

    Args:
        ports: of servers on one storage, which look at it often.
        storage: that storage.
        seed: of what is written, and when.
    """
    draw = random.Random(seed)
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(connect(f"ws://127.0.0.1:{port}")) for port in ports
        ]
        copies = [[await client.acquire(path) for path in PATHS] for client in clients]
        written = [0 for _ in ports]
        writing = anyio.CancelScope()

        async def write() -> None:
            with writing:
                async with anyio.create_task_group() as writers:
                    for number, client in enumerate(clients):
                        own = random.Random(seed + number)
                        writers.start_soon(_write, client, written, number, own)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write)
            await _until(lambda: min(written) >= draw.randrange(5, 30))
            storage.back_up()
            goal = [count + draw.randrange(5, 30) for count in written]
            await _until(lambda: all(map(int.__ge__, written, goal)))
            told = [await _told(port) for port in ports]
            if draw.random() < 0.5:  # else they write on meanwhile
                writing.cancel()
            await storage.set_back()
            goal = [count + draw.randrange(5) for count in written]
            if not writing.cancel_called:
                await _until(lambda: all(map(int.__ge__, written, goal)))
                writing.cancel()
        try:
            await _until(lambda: all(_agree(each, storage) for each in copies))
        except TimeoutError:
            shown = [[dict(ds) for ds in each] for each in copies]
            raise AssertionError((shown, [storage.items(path) for path in PATHS])) from None
        for port, cursors in zip(ports, told, strict=True):
            await _come_back(port, cursors)


async def _write(client: Client, written: list[int], number: int, draw: random.Random) -> None:
    while True:
        items = [{"id": f"{draw.randrange(12)}", "n": written[number], "by": number}]
        remove = [f"{draw.randrange(12)}"]
        ds = await client.acquire(draw.choice(PATHS))
        try:
            await ds.update(insert=items, remove=remove)
        except RequestError as error:
            if error.code != "unavailable":
                raise
        written[number] += 1


async def _told(port: int) -> list[dict[str, Any]]:
    """Return what somebody holds who goes away now: the cursor of each collection."""
    async with open_client(port) as client:
        cursors = []
        for path in PATHS:
            read = await client.ask("GET", path)
            cursors.append({"epoch": read["epoch"], "version": read["version"]})
        client.peer.shut()
    return cursors


async def _come_back(port: int, cursors: Sequence[dict[str, Any]]) -> None:
    """Resume from states that are lost: it is told everything."""
    async with open_client(port) as client:
        for path, cursor in zip(PATHS, cursors, strict=True):
            await client.put("/subs", {"insert": [[path, {"since": cursor}]]})
            while (told := await client.notification())["path"] != path:
                pass  # of the other one, something that was still under way
            assert told["data"]["reset"], (cursor, told)
            assert told["epoch"] != cursor["epoch"]
        client.peer.shut()


def _agree(copies: Sequence[Dataset], storage: Storage) -> bool:
    return all(
        list(ds.values()) == [json.loads(text) for text in storage.items(path)]
        for ds, path in zip(copies, PATHS, strict=True)
    )


async def _until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(SECONDS):
        while not condition():
            await anyio.sleep(0.01)
