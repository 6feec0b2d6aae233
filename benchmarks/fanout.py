"""What one delivery costs: processor time of the server, per update and subscriber, beside a bare loop of `send`.

One update at a time (K=1), and 16 on their way (K=16), to one collection or to 16 of them that everybody subscribes
to. The crowd is in this process, reads only after everything was sent, and never keeps the server waiting. The
yardsticks send the same number of bytes to as many sockets: in C, compiled on the spot, and in Python.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.crowd import PATH, Crowd, subscribe, update
from benchmarks.measure import Result
from benchmarks.processes import program, server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.processes import Process

SUBSCRIBERS: Final = (100, 1_000, 4_000)
LOOPS: Final = ("asyncio", "trio")
ROUNDS: Final = 5
DELIVERIES: Final = 12_000
"""In one round of one update at a time, at least; with K on their way, K times as many.

The best sample counts: others use this machine, too.
"""

SAMPLE: Final = 1_000
"""Deliveries in a sample, at least: about ten milliseconds, since the kernel may count a shorter time with the next."""

FRAME_BYTES: Final = 200
FLIGHT: Final = 16
NO_COMPILER: Final = (
    "benchmarks fanout: no C compiler `cc` for the yardstick; on Debian: apt install gcc libc6-dev"
)


def run() -> Iterator[Result]:
    """Yield every figure of telling many."""
    with tempfile.TemporaryDirectory() as name:
        binary = compiled(Path(name))
        for count in SUBSCRIBERS:
            yield from _fan_out(binary, Path(name), count)


def compiled(folder: Path) -> Path:
    """Compile the loop in C."""
    if shutil.which("cc") is None:
        raise SystemExit(NO_COMPILER)
    binary = folder / "send_loop"
    subprocess.run(["cc", "-O2", "-o", binary, Path(__file__).with_name("send_loop.c")], check=True)
    return binary


def _fan_out(binary: Path, folder: Path, count: int) -> Iterator[Result]:
    """Measure everybody in turns, so that a change of the machine's pace meets them alike."""
    with ExitStack() as stack:
        python: list[str | Path] = [sys.executable, Path(__file__).with_name("send_loop.py")]
        rounds: dict[str, Callable[[], float]] = {}
        for name, command in (("C loop of send", [binary]), ("Python loop of send", python)):
            rounds[name] = _bare(stack, command, count)
        for loop in LOOPS:
            rounds |= _served(stack, folder, loop, count)
        best = dict.fromkeys(rounds, float("inf"))
        for _ in range(ROUNDS):
            for name, spend in rounds.items():
                best[name] = min(best[name], spend())
    results = [
        Result(f"{name}, {count} subscribers", spent * 1e6, "delivery")
        for name, spent in best.items()
    ]
    yield results[0]
    yield from (result.against(results[0]) for result in results[1:])


def _bare(stack: ExitStack, command: Sequence[str | Path], count: int) -> Callable[[], float]:
    process = stack.enter_context(program(*command, str(count), str(FRAME_BYTES)))
    crowd = stack.enter_context(Crowd(process.port, count, b""))
    process.command("1")
    crowd.read(FRAME_BYTES)

    def tell() -> None:
        process.command("1")
        crowd.read(FRAME_BYTES)

    return partial(_best, process, tell, count)


def _served(
    stack: ExitStack, folder: Path, loop: str, count: int
) -> dict[str, Callable[[], float]]:
    process = stack.enter_context(server(folder, loop, "benchmarks.no_storage", {}))
    paths = [f"{PATH}{number}" for number in range(FLIGHT)]
    (writer,) = stack.enter_context(Crowd(process.port, 1, subscribe(f"{PATH}-other"))).clients
    everything = subscribe(PATH, *paths)
    crowd = stack.enter_context(Crowd(process.port, count, everything, 1 + FLIGHT))

    def spender(flight: list[bytes], last: bytes, times: int) -> Callable[[], float]:
        frames = b"".join(flight)

        def tell() -> None:
            writer.sock.sendall(frames)
            writer.read_until(b'"ok":true', len(flight))
            crowd.read_until(last, times)

        return partial(_best, process, tell, count, len(flight))

    one = [update("item1")]
    many = [update(f"item{n}") for n in range(FLIGHT)]
    spread = [update("item1", path=path) for path in paths]
    return {
        f"{loop}, 1 at a time": spender(one, b'"item1"', 1),
        f"{loop}, {FLIGHT} in flight": spender(many, b'"item15"', 1),
        f"{loop}, {FLIGHT} in flight, {FLIGHT} collections": spender(spread, b'"item1"', FLIGHT),
    }


def _best(process: Process, tell: Callable[[], None], subscribers: int, updates: int = 1) -> float:
    """Return what a delivery costs in the best of several samples: the one that others disturbed least."""
    flights = -(-SAMPLE // subscribers)
    best, before = float("inf"), process.cpu()
    for _ in range(-(-DELIVERIES // (subscribers * flights))):
        for _ in range(flights):
            tell()
        now = process.cpu()
        best, before = min(best, now - before), now
    return best / (subscribers * updates * flights)
