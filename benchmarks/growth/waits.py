"""How long a stranger waits while others load, read, leave and come, and for how many turns of the server's own.

The wait is by the clock on the wall, the shortest of several rounds: what else the machine does only adds to it. Turns
of the loop are the server's own, by processor time (`event_loop_turn_seconds`).
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Final

import anyio

from benchmarks.crowd import PATH, SECONDS, Crowd, frame, subscribe, update
from benchmarks.measure import Result
from benchmarks.processes import program, server
from sharedstate_backends.items_service import get_service
from sharedstate_core import CollectionPath, Update, Write

from .fit import EXPONENT, TURNS, exponent
from .scene import item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.processes import Process

LOOPS: Final = ("asyncio", "trio")
ITEMS: Final = (10_000, 100_000, 1_000_000)
ROUNDS: Final = 3
ROUNDS_OF_MANY: Final = 2
"""With more than `FEW_ITEMS`: each takes several seconds."""

READERS: Final = 20
LEAVING: Final = 100
SUBSCRIPTIONS: Final = 1_000
FEW_ITEMS: Final = 100_000
"""Of a larger collection there are not that many answers at once: they would be a test of memory."""

POLL_SECONDS: Final = 0.1
STORM: Final = 1_000
TURN: Final = "0.01"
"""Seconds of a long turn, as the metric writes them."""

GET: Final = frame({"type": "REQUEST", "cmd": "GET", "path": PATH, "tunnel": 1})


def waiting(largest: int) -> Iterator[Result]:
    """Yield what a stranger waits on both loops; `largest`: collections with more items are left out."""
    for loop in LOOPS:
        waits: defaultdict[str, dict[int, float]] = defaultdict(dict)
        for items in (each for each in ITEMS if each <= largest):
            with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
                place = Place(stack, Path(folder), loop, items)
                for name, (wait, turns) in _with_items(place, items):
                    yield from _rows(f"{name}, {items:,} items, {loop}", wait, turns)
                    waits[name][items] = wait
        for name, costs in waits.items():
            if len(costs) > 1:
                case = f"a stranger's wait: {name} over items, {loop}"
                yield Result(case, exponent(costs), "items", measure=EXPONENT)
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            place = Place(stack, Path(folder), loop, 0)
            case = f"{LEAVING} with {SUBSCRIPTIONS:,} subscriptions leave, {loop}"
            yield from _rows(case, *place.least(partial(_leave, place)))
            yield from _rows(f"{STORM:,} come, {loop}", *place.least(partial(_come, place)))


def _rows(case: str, wait: float, turns: float) -> Iterator[Result]:
    yield Result(f"a stranger's wait: {case}", wait / 1e3, "the longest", measure="ms")
    yield Result(" turns of more than 10 ms", turns, "round", measure=TURNS)


class Place:
    """A server with a collection of so many items in a file, and a stranger."""

    def __init__(self, stack: ExitStack, folder: Path, loop: str, items: int) -> None:
        config: dict[str, object] = {"db_type": "sqlite", "db_name": str(folder / "items.db")}
        anyio.run(_fill, config, items)
        module = "sharedstate_backends.items_service"
        limits = {"linger_bytes": 0}  # what nobody watches is gone at once
        self.process: Process = stack.enter_context(
            server(folder, loop, module, config, limits=limits)
        )
        command = (sys.executable, "-m", "benchmarks.growth.stranger", str(self.process.port))
        self._stranger: Process = stack.enter_context(program(*command))

    def least(
        self, scenario: Callable[[], Iterator[None]], rounds: int = ROUNDS
    ) -> tuple[float, float]:
        """Return what the stranger waited in the best of several rounds, in µs, and the fewest long turns of one.

        Args:
            scenario: yields when all is ready, and when what is measured is over.
            rounds: how many.
        """
        waits, turns = [], []
        for _ in range(rounds):
            steps = scenario()
            next(steps)
            before = self._long_turns()
            self._stranger.command("")
            next(steps)
            waits.append(float(self._stranger.command("")))
            turns.append(self._long_turns() - before)
            for _ in steps:
                raise RuntimeError("a scenario has two steps")
        return min(waits), min(turns)

    def until(self, name: str, most: float) -> None:
        """Wait until a metric is as low as that."""
        for _ in range(int(SECONDS / POLL_SECONDS)):
            if self.process.metrics()[f"sharedstate_{name}"] <= most:
                return
            time.sleep(POLL_SECONDS)
        raise RuntimeError(f"{name} did not come down to {most}")

    def _long_turns(self) -> float:
        found, name = self.process.metrics(), "sharedstate_event_loop_turn_seconds"
        return found[f"{name}_count"] - found[f'{name}_bucket{{le="{TURN}"}}']


async def _fill(config: dict[str, object], items: int) -> None:
    backend = get_service(config)
    await backend.open()
    for start in range(0, items, 10_000):
        numbers = range(start, min(items, start + 10_000))
        insert = {f"item{n}": item(n).encode() for n in numbers}
        await backend.commit(CollectionPath("app", "items", "list"), [Write(Update(insert=insert))])
    await backend.close()


# --- what others do -------------------------------------------------------------------------------


def _with_items(place: Place, items: int) -> Iterator[tuple[str, tuple[float, float]]]:
    port, last = place.process.port, b'"item%d"' % (items - 1)
    rounds = ROUNDS if items <= FEW_ITEMS else ROUNDS_OF_MANY

    def load() -> Iterator[None]:
        yield
        with Crowd(port, 1, subscribe(PATH), ready=last):
            yield
        place.until("loaded_collections", 0)

    def let_go() -> Iterator[None]:
        with Crowd(port, 1, subscribe(PATH), ready=last):
            yield
        place.until("loaded_collections", 0)
        yield

    yield "a first load", place.least(load, rounds)
    yield "its end", place.least(let_go, rounds)
    with Crowd(port, 1, subscribe(PATH), ready=last) as keeper:

        def ask(frames: bytes, count: int = 1) -> Iterator[None]:
            keeper.say(update("item1"), b'"ok":true')
            with Crowd(port, count, subscribe("/app/items/few")) as crowd:
                readers = [Thread(target=each.read_until, args=(last,)) for each in crowd.clients]
                yield
                for client, reader in zip(crowd.clients, readers, strict=True):
                    client.sock.sendall(frames)
                    reader.start()
                for reader in readers:
                    reader.join()
                yield

        yield "a join after a change", place.least(lambda: ask(subscribe(PATH)), rounds)
        yield "a GET after a change", place.least(lambda: ask(GET), rounds)
        if items <= FEW_ITEMS:
            yield f"{READERS} GETs at once", place.least(lambda: ask(GET, READERS))


def _leave(place: Place) -> Iterator[None]:
    paths = [f"/app/items/other{number}" for number in range(SUBSCRIPTIONS)]
    with Crowd(place.process.port, LEAVING, subscribe(*paths), SUBSCRIPTIONS, LEAVING):
        yield
    place.until("connections", 1)  # the stranger's
    yield


def _come(place: Place) -> Iterator[None]:
    yield
    with Crowd(place.process.port, STORM, subscribe("/app/items/few"), outstanding=STORM):
        yield
    place.until("connections", 1)
