"""What a client costs that connects and subscribes, and one that is there and says nothing."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.crowd import PATH, Crowd, subscribe
from benchmarks.measure import Result
from benchmarks.processes import server

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNTS: Final = (2_000, 10_000)
LOOPS: Final = ("asyncio", "trio")
IDLE_SECONDS: Final = 2.0


def run() -> Iterator[Result]:
    """Yield every figure of connections."""
    for loop in LOOPS:
        for count in COUNTS:
            yield from _crowd(loop, count)


def _crowd(loop: str, count: int) -> Iterator[Result]:
    case = f"{loop}, {count} clients"
    with (
        tempfile.TemporaryDirectory() as folder,
        server(Path(folder), loop, "benchmarks.no_storage", {}) as process,
        Crowd(process.port, 200, subscribe(PATH)),  # so that all is loaded that is loaded once
    ):
        memory, spent = process.memory(), process.cpu()
        with Crowd(process.port, count, subscribe(PATH), outstanding=200):
            spent = process.cpu() - spent
            yield Result(f"connect and subscribe, {case}", spent / count * 1e6, "client")
            memory = process.memory() - memory
            yield Result(f"memory, {case}", memory / count / 1024, "client", measure="KiB")
            spent = process.cpu()
            time.sleep(IDLE_SECONDS)
            spent = process.cpu() - spent
            yield Result(f"a second of silence, {case}", spent / IDLE_SECONDS * 1e6, "server")
