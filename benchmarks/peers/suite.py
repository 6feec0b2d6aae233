"""Our server and its peers, one after the other, before the same crowd: processor time and memory of the server.

Of each: what a client costs that connects (all at once), the memory that it takes, and what it costs to tell N clients
what one of them wrote, 1 update at a time and 16 on their way. Of those who keep a copy: joining a collection of many
items, and joining again with all but the last few. And what becomes of a server some of whose readers do not read.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.crowd import Client, Crowd
from benchmarks.fanout import compiled
from benchmarks.measure import Result
from benchmarks.peers.contenders import OURS, present, skipped
from benchmarks.peers.wires import MARK
from benchmarks.processes import program
from benchmarks.writers import handshake

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.peers.contenders import Contender
    from benchmarks.peers.wires import Relay
    from benchmarks.processes import Process

SUBSCRIBERS: Final = (100, 1_000, 4_000)
FLIGHTS: Final = (1, 16)
DELIVERIES: Final = 3_000
"""In one round, at least: the clock of another process is coarse."""

ROUNDS: Final = 5
"""Of which the best one counts: the one that others disturbed least."""

FRAME_BYTES: Final = 200
LEAST: Final = "send() in C"
"""The yardstick of telling many: it knows beforehand what to send, and to whom."""

FIRST: Final = 100
"""Clients that are there before memory and connecting are measured, so that all is loaded that is loaded once."""

ITEMS: Final = 1_000
MISSED: Final = 10
STORM: Final = 1_000

READERS: Final = 20
SLOW: Final = 10
SLOW_UPDATES: Final = 1_000
SLOW_BYTES: Final = 16_000
SLOW_BUFFER: Final = 4_096
"""What a slow reader's own side buffers, at most; the server's kernel buffers up to some MB more."""


def run() -> Iterator[Result]:
    """Yield every figure, case by case, of one contender after the other."""
    everybody = list(present())
    least = [_least(count) for count in SUBSCRIBERS]
    cases: list[Callable[[Contender, Path], Iterator[Result]]] = [
        lambda contender, folder, count=count: _fan_out(contender, folder, count)  # type: ignore[misc]
        for count in SUBSCRIBERS
    ]
    for case in (*cases, _storms, _slow):
        ours: dict[str, Result] = {}
        for contender in everybody:
            with tempfile.TemporaryDirectory() as folder:
                try:
                    results = list(case(contender, Path(folder)))
                except (OSError, RuntimeError) as error:
                    if contender.name.startswith(OURS):
                        raise
                    skipped(contender, error)
                    continue
            for result in results:
                first = ours.setdefault(result.case, result)
                yield result if result is first else result.against(first)
        for result in least:
            if result.case in ours:
                yield result.against(ours[result.case])


class _Crowd(Crowd):
    """Clients of a contender, which have joined."""

    def __init__(self, process: Process, wire: Relay, count: int) -> None:
        super().__init__(process.port, count, b"")
        self.greet(None, handshake(wire.path), wire.greeting)
        if wire.opening and wire.ready:
            self.say(wire.opening, wire.ready)


class _Writer(Crowd):
    """One client, which writes; it subscribes to nothing, where there is a difference."""

    def __init__(self, process: Process, wire: Relay) -> None:
        super().__init__(process.port, 1, b"")
        self._wire = wire
        self.greet(None, handshake(wire.path), wire.greeting)
        if wire.opening and wire.echo:
            self.say(wire.opening, wire.ready)

    def write(self, count: int, size: int | None = None, first: int = 0) -> None:
        """Write so many items, all at once, and wait until they are stored."""
        ids = [f"item{number}" for number in range(first, first + count)]
        frames = self._wire.write(ids) if size is None else self._wire.write(ids, size)
        self.say(frames, self._wire.answer, count)


def _told(count: int, flight: int) -> str:
    return f"fan-out to {count}, {'1 at a time' if flight == 1 else f'{flight} in flight'}"


def _best(process: Process, tell: Callable[[], None], deliveries: int) -> float:
    """Return the microseconds of the process for one delivery; `tell` does so many."""
    times, best = -(-DELIVERIES // deliveries), float("inf")
    for _ in range(ROUNDS):
        before = process.cpu()
        for _ in range(times):
            tell()
        best = min(best, process.cpu() - before)
    return best / (times * deliveries) * 1e6


def _least(count: int) -> Result:
    """Return what a bare loop of `send` costs."""
    with tempfile.TemporaryDirectory() as folder:
        binary = compiled(Path(folder))
        with (
            program(binary, str(count), str(FRAME_BYTES)) as process,
            Crowd(process.port, count, b"") as crowd,
        ):

            def tell() -> None:
                process.command("1")
                crowd.read(FRAME_BYTES)

            tell()
            cost = _best(process, tell, count)
    return Result(_told(count, 1), cost, "delivery", subject=LEAST)


def _fan_out(contender: Contender, folder: Path, count: int) -> Iterator[Result]:
    wire = contender.wire()

    def result(case: str, cost: float, unit: str, measure: str = "µs") -> Result:
        return Result(case, cost, unit, measure=measure, subject=contender.name)

    with (
        contender.running(folder) as process,
        _Writer(process, wire) as writer,
        ExitStack() as stack,
    ):
        with _Crowd(process, wire, FIRST):
            memory, spent = process.memory(), process.cpu()
            crowd = stack.enter_context(_Crowd(process, wire, count))
            spent = process.cpu() - spent
            memory = process.memory() - memory
        yield result(f"connect, {count} at once", spent / count * 1e6, "client")
        yield result(f"memory, {count} connections", memory / count / 1024, "client", "KiB")
        for flight in FLIGHTS:

            def tell(flight: int = flight) -> None:
                writer.write(flight)
                crowd.read_until(MARK, flight)

            tell()
            cost = _best(process, tell, (count + wire.echo) * flight)
            yield result(_told(count, flight), cost, "delivery")


def _storms(contender: Contender, folder: Path) -> Iterator[Result]:
    """Yield what it costs to bring many to a large collection at once: as a whole, and the rest of it."""
    wire = contender.wire()
    if not wire.keeps:
        return
    with (
        contender.running(folder) as process,
        _Writer(process, wire) as writer,
        _Crowd(process, wire, 1),  # so that it is held in memory
    ):
        for number in (*range(ITEMS), *range(MISSED)):
            writer.write(1, first=number)
        for case, opening, items in (
            (f"join {ITEMS} items", wire.opening, ITEMS),
            (f"resume, {MISSED} of {ITEMS} items missed", wire.resume(MISSED), MISSED),
        ):
            spent = process.cpu()
            with Crowd(process.port, STORM, b"") as crowd:
                crowd.greet(None, handshake(wire.path), wire.greeting)
                crowd.say(opening, MARK, items)
                spent = process.cpu() - spent
            cost = spent / STORM * 1e6
            yield Result(f"{case}, {STORM} at once", cost, "client", subject=contender.name)


def _slow(contender: Contender, folder: Path) -> Iterator[Result]:
    """Yield the memory that a reader costs who does not read, and what that does to the others."""
    wire = contender.wire()
    with (
        contender.running(folder) as process,
        _Writer(process, wire) as writer,
        _Crowd(process, wire, READERS) as crowd,
    ):

        def spend(updates: int) -> float:
            spent = process.cpu()
            for _ in range(updates):
                writer.write(1, SLOW_BYTES)
                crowd.read_until(MARK)
            return (process.cpu() - spent) / updates * 1e6

        spend(SLOW_UPDATES // 4)
        alone = spend(SLOW_UPDATES // 4)
        with Crowd(process.port, 0, b"") as slow:
            slow.clients += [Client(process.port, SLOW_BUFFER) for _ in range(SLOW)]
            slow.greet(None, handshake(wire.path), wire.greeting)
            for client in slow.clients:
                client.sock.sendall(wire.opening)
            memory = process.memory()
            beside = spend(SLOW_UPDATES)
            memory = process.memory() - memory
        what = f"{SLOW_BYTES // 1000} kB to {READERS} readers"
        name = contender.name
        yield Result(f"{what}", alone, "update", subject=name)
        yield Result(f"{what}, {SLOW} slow ones beside", beside, "update", subject=name)
        case = f"memory, a reader {SLOW_UPDATES * SLOW_BYTES // 1_000_000} MB behind"
        yield Result(case, memory / SLOW / 1024, "client", measure="KiB", subject=name)
