"""Python's garbage collector, in a process that is the server's own.

A full collection looks at every object, and nothing else runs meanwhile: with 100,000 collections that are subscribed,
0.4 s. The rules:

1. No full collection comes by itself, whatever peers do. What is young is looked at as always, 2 ms at a time at the
   most; and what the server itself lets go is freed at once, without any of this.
2. What services or libraries leave behind, objects that refer to one another, is looked for when nobody is connected
   and nothing is in memory; or when the process has grown to twice its size, and what it holds has not.
"""

from __future__ import annotations

import gc
import logging
import resource
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio

from sharedstate_anyio.logs.events import about
from sharedstate_anyio.tasks.own_task import in_own_task

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

log = logging.getLogger("sharedstate")

LOOK_SECONDS: Final = 60.0
"""Interval at which the growth of the process is looked at."""

ROOM_BYTES: Final = 256 * 1024 * 1024
"""Growth that is never taken for garbage: a small process doubles with the first clients."""

EXPLAINED: Final = 1.5
"""Growth of what the server holds that explains a growth of the process."""

NEVER: Final = 1 << 30
"""Threshold of the oldest generation: so many collections of the middle one come before."""


@contextmanager
def only_young_objects() -> Iterator[None]:
    """Keep the garbage collector from full collections of its own accord while the block lasts; process-wide."""
    before = gc.get_threshold()
    gc.set_threshold(*before[:2], NEVER)
    try:
        yield
    finally:
        gc.set_threshold(*before)


class Growth:
    """Decides when to look for garbage among all objects.

    Args:
        memory: of the process at the beginning, in bytes.
    """

    def __init__(self, memory: int) -> None:
        self._memory = memory  # when it was last as it should be
        self._held = 0

    def is_due(self, memory: int, held: int) -> bool:
        """Return whether to look now.

        Args:
            memory: of the process, in bytes.
            held: number of things that the server holds; 0: nobody is connected, and nothing is in memory.
        """
        if held > EXPLAINED * self._held:
            self._memory, self._held = memory, held
            return False
        if held == 0:
            return self._held > 0
        return memory > 2 * self._memory + ROOM_BYTES

    def looked(self, memory: int, held: int) -> None:
        """Note what there is after a look."""
        self._memory, self._held = memory, held


@in_own_task
async def looked_for(held: Callable[[], int]) -> AsyncIterator[None]:
    """Look for garbage when it is due, and at no other time, while the block lasts.

    Args:
        held: returns the number of things that the server holds.
    """
    with only_young_objects():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_look_forever, held)
            yield
            tasks.cancel_scope.cancel()


async def _look_forever(held: Callable[[], int]) -> None:
    growth = Growth(resident_bytes())
    while True:
        await anyio.sleep(LOOK_SECONDS)
        if growth.is_due(resident_bytes(), held()):
            began = time.perf_counter()
            found = gc.collect()
            seconds = time.perf_counter() - began
            growth.looked(resident_bytes(), held())
            level = logging.INFO if held() else logging.DEBUG
            text = "looked for garbage: %d objects; that took %.3f s"
            fields = about("garbage_collected", objects=found, seconds=round(seconds, 3))
            log.log(level, text, found, seconds, extra=fields)


def resident_bytes() -> int:
    """Return the memory that this process takes; where the system does not tell, the most that it ever took."""
    try:
        pages = int(Path("/proc/self/statm").read_bytes().split()[1])
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return pages * resource.getpagesize()
