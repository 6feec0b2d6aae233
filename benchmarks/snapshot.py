"""What a large collection costs once it is loaded: to tell new subscribers all of it, a change to one who has it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Final

from benchmarks.crowd import PATH, Client, Crowd, subscribe, update
from benchmarks.measure import Result
from benchmarks.no_storage import item
from benchmarks.processes import server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.processes import Process

ITEMS: Final = 100_000
CLIENTS: Final = 50
LOOPS: Final = ("asyncio", "trio")
ROUNDS: Final = 5
UPDATES: Final = 200
BYTES: Final = sum(len(item(n)) + 1 for n in range(ITEMS)) + 100
"""Of a snapshot, about; it is at least as long."""


def run() -> Iterator[Result]:
    """Yield every figure of snapshots."""
    for loop in LOOPS:
        with tempfile.TemporaryDirectory() as name:
            yield from _snapshots(Path(name), loop)


def _snapshots(folder: Path, loop: str) -> Iterator[Result]:
    with (
        server(folder, loop, "benchmarks.no_storage", {"items": ITEMS}) as process,
        Crowd(process.port, 1, subscribe(PATH)) as keeper,
    ):
        first = again = many = float("inf")
        for _ in range(ROUNDS):
            _change(keeper.clients[0])
            first = min(first, _spend(process, 1))
            again = min(again, _spend(process, 1))
            _change(keeper.clients[0])
            many = min(many, _spend(process, CLIENTS))
        case = f"{ITEMS} items, {loop}"
        yield Result(f"snapshot of {case}, first since a change", first, "item")
        yield Result(f"snapshot of {case}, again", again, "item")
        yield Result(f"snapshot of {case}, {CLIENTS} clients at once", many, "client, item")
        yield Result(f"an update of {case}, told to one", _delta(process, keeper), "update")


def _delta(process: Process, keeper: Crowd) -> float:
    """Return the microseconds that an update costs in the best round."""
    best = float("inf")
    for _ in range(ROUNDS):
        spent = process.cpu()
        for _ in range(UPDATES):
            _change(keeper.clients[0])
        best = min(best, (process.cpu() - spent) / UPDATES * 1e6)
    return best


def _change(client: Client) -> None:
    client.sock.sendall(update("item1"))
    client.read_until(b'"ok":true')


def _spend(process: Process, count: int) -> float:
    """Return the microseconds that an item of a snapshot for so many clients at once costs."""
    with Crowd(process.port, count, subscribe(f"{PATH}-other")) as crowd:
        readers = [Thread(target=client.read, args=(BYTES,)) for client in crowd.clients]
        spent = process.cpu()
        for client in crowd.clients:
            client.sock.sendall(subscribe(PATH))
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        return (process.cpu() - spent) / (count * ITEMS) * 1e6
