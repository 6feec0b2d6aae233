"""What readers who stop reading do to the others: how late these are told, on the wall's clock, and what each costs.

Of 1,000 subscribers 100 stop. The others' delays are taken at a sample of them, from the moment in which an update is
sent to that in which it can be read; each round has its 99th percentile, and the best round counts. In the end the
100 read again, and have to arrive at the last update on the same connection.
"""

from __future__ import annotations

import select
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.crowd import PATH, Client, Crowd, subscribe, update
from benchmarks.measure import Result
from benchmarks.processes import server

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.processes import Process

LOOPS: Final = ("asyncio", "trio")
READING: Final = 900
STUCK: Final = 100
SAMPLE: Final = 45
ROUNDS: Final = 5
UPDATES: Final = 100
"""In a round."""

FILLING: Final = 400
FILLING_BYTES: Final = 16_000
"""What it takes until the kernel's buffers of a stuck reader are full: some MB."""

STUCK_BUFFER: Final = 4_096
PATIENCE: Final = {"drain_seconds": 600}


def run() -> Iterator[Result]:
    """Yield every figure of slow readers."""
    for loop in LOOPS:
        with (
            tempfile.TemporaryDirectory() as folder,
            server(Path(folder), loop, "benchmarks.no_storage", {}, limits=PATIENCE) as process,
            Crowd(process.port, READING, subscribe(PATH)) as crowd,
            Crowd(process.port, 1, subscribe(f"{PATH}-other")) as writers,
        ):
            yield from _both(loop, process, crowd, writers.clients[0])


def _both(loop: str, process: Process, crowd: Crowd, writer: Client) -> Iterator[Result]:
    """Measure without and with stuck readers: as many as these read on in their place at first."""
    told = _Told(crowd, writer)
    with Crowd(process.port, STUCK, subscribe(PATH)) as others:
        told.everybody += others.clients
        alone = told.percentile()
    told.everybody = list(crowd.clients)
    with Crowd(process.port, 0, b"") as stuck:
        stuck.clients += [Client(process.port, STUCK_BUFFER) for _ in range(STUCK)]
        stuck.greet()
        stuck.say(subscribe(PATH), b'"NOTIFY"')
        memory = process.memory()
        for number in range(FILLING):
            told.tell(update(f"item{number % 16}", FILLING_BYTES))
        memory = process.memory() - memory
        beside = told.percentile()
        told.tell(update("the last"))
        for client in stuck.clients:
            client.read_until(b'"the last"')
    what = f"99 of 100 deliveries to {READING} readers take at most, {loop}"
    without = Result(what, alone * 1e6, "delivery")
    yield without
    yield Result(
        f"the same beside {STUCK} who do not read, {loop}", beside * 1e6, "delivery"
    ).against(without)
    behind = FILLING * FILLING_BYTES / 1e6
    yield Result(
        f"memory, {behind:.1f} MB behind, {loop}",
        memory / STUCK / 1024,
        "stuck reader",
        measure="KiB",
    )


class _Told:
    """Readers who are told one update after the other."""

    def __init__(self, crowd: Crowd, writer: Client) -> None:
        self.everybody: list[Client] = list(crowd.clients)
        self._sample = crowd.clients[:: len(crowd.clients) // SAMPLE]
        self._writer = writer

    def percentile(self) -> float:
        """Return the seconds in which 99 of 100 deliveries have come, in the best of some rounds."""
        return min(self._round() for _ in range(ROUNDS))

    def _round(self) -> float:
        delays: list[float] = []
        for number in range(UPDATES):
            delays += self.tell(update(f"item{number % 16}"))
        return sorted(delays)[len(delays) * 99 // 100]

    def tell(self, frame: bytes) -> Sequence[float]:
        """Send an update; return how long it took to each of the sample."""
        poll = select.poll()
        for client in self._sample:
            poll.register(client.sock, select.POLLIN)
        start = time.perf_counter()
        self._writer.sock.sendall(frame)
        delays: list[float] = []
        while len(delays) < len(self._sample):
            ready = poll.poll(60_000)
            if not ready:
                raise RuntimeError("a reader was not told")
            now = time.perf_counter()
            for number, _ in ready:
                poll.unregister(number)
                delays.append(now - start)
        self._writer.read_until(b'"ok":true')
        for client in self.everybody:
            client.read_frame()
        return delays
