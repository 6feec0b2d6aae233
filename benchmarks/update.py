"""What one update costs, from its bytes to its acknowledgement, without storage and without subscribers.

And what part of that is reading its frame: with wsproto, and with the reader that connections use.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.crowd import PATH, Crowd, subscribe, update
from benchmarks.measure import Result, measure
from benchmarks.processes import server
from sharedstate_anyio.websocket.frame_reader import FrameReader, WsprotoReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.crowd import Client
    from benchmarks.processes import Process
    from sharedstate_anyio.websocket.frame_reader import Reader

LOOPS: Final = ("asyncio", "trio")
ROUNDS: Final = 7
UPDATES: Final = 960
"""In a round."""


def run() -> Iterator[Result]:
    """Yield every figure of one update."""
    readers: tuple[Reader, ...] = (WsprotoReader(), FrameReader())
    frame = update("item1")
    reading = [
        measure(
            f"reading its frame, {type(reader).__name__}",
            "update",
            1,
            partial(_read, reader, frame),
        )
        for reader in readers
    ]
    for flight in (1, 16):
        for loop in LOOPS:
            whole = _whole(loop, flight)
            yield whole
            yield from (part.against(whole) for part in reading)


def _read(reader: Reader, frame: bytes) -> None:
    for _ in reader.feed(frame):
        pass


def _whole(loop: str, flight: int) -> Result:
    with (
        tempfile.TemporaryDirectory() as folder,
        server(Path(folder), loop, "benchmarks.no_storage", {}) as process,
        Crowd(process.port, 1, subscribe(f"{PATH}-other")) as crowd,
    ):
        best = min(_spend(process, crowd.clients[0], flight) for _ in range(ROUNDS))
    return Result(f"an update through the server, {flight} in flight, {loop}", best * 1e6, "update")


def _spend(process: Process, client: Client, flight: int) -> float:
    frames = update("item1") * flight
    spent = process.cpu()
    for _ in range(UPDATES // flight):
        client.sock.sendall(frames)
        client.read_until(b'"ok":true', flight)
    return (process.cpu() - spent) / UPDATES
