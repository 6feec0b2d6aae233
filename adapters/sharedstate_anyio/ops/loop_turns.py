"""The turns of the event loop: how long the server is busy from one wait for the kernel to the next.

The rules:

1. What counts is processor time of the loop's thread: a machine that is busy with other programs makes no turn of ours
   longer.
2. Asking for that time is a slow system call. So it is asked for when turns have taken `GRAIN_SECONDS` by the clock on
   the wall; a shorter turn counts as one of that length at the most, and a longer one never as less than it took.
3. It costs half a microsecond a turn, a whole one on trio: a loop is watched once somebody asks for metrics.
4. asyncio and trio say when they wait; uvloop does not, and is not watched.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, contextmanager
from time import monotonic, thread_time
from typing import TYPE_CHECKING, Any, Final, cast

import anyio.lowlevel

from sharedstate_anyio.storage.instrumented import BOUNDS, Durations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from trio.abc import Instrument

GRAIN_SECONDS: Final = 0.001
"""A bound of the histogram; those below it are not told."""


class LoopTurns:
    """What the turns of one event loop took while it was watched, in seconds.

    Attributes:
        longest: the longest turn.
        is_watched: whether the loop is watched now.
    """

    __slots__ = (
        *("_began", "_durations", "_short", "_spent", "_unasked", "_watching"),
        *("is_watched", "longest"),
    )

    def __init__(self) -> None:
        self.longest = 0.0
        self.is_watched = False
        self._watching = ExitStack()
        self._durations = Durations()
        self._short = 0  # turns that are not in `_durations` yet
        self._began = self._spent = 0.0
        self._unasked = 0.0  # on the wall, since the processor time was asked for

    @property
    def durations(self) -> Durations:
        """A histogram of all turns; it knows nothing below `GRAIN_SECONDS`."""
        self._durations.counts[BOUNDS.index(GRAIN_SECONDS)] += self._short
        self._short = 0
        return self._durations

    def begin(self) -> None:
        """Watch the loop that runs, from its own thread, until `end`."""
        if self.is_watched:
            return
        self._began, self._unasked, self._spent = monotonic(), 0.0, thread_time()
        loop = anyio.lowlevel.current_token().native_token
        is_asyncio = isinstance(loop, asyncio.AbstractEventLoop)
        watching = _on_asyncio(loop, self) if is_asyncio else _on_trio(self)
        self.is_watched = self._watching.enter_context(watching)

    def end(self) -> None:
        """Watch it no more."""
        self.is_watched = False
        self._watching.close()

    # trio knows an instrument by the names of its methods.

    def before_io_wait(self, timeout: float | None) -> None:  # noqa: ARG002
        """End a turn: the loop is about to wait."""
        seconds = monotonic() - self._began
        self._unasked += seconds
        self._short += 1
        if self._unasked >= GRAIN_SECONDS:
            self._ask(seconds)

    def _ask(self, seconds: float) -> None:
        """Ask what the turns since the last time took of the processor; the last of them took `seconds` on the wall."""
        spent = thread_time()
        longest = min(seconds, spent - self._spent)
        self._durations.add(longest)
        self._durations.seconds += spent - self._spent - longest  # by the others
        self._short -= 1
        self._unasked, self._spent = 0.0, spent
        self.longest = max(self.longest, longest)

    def after_io_wait(self, timeout: float | None) -> None:  # noqa: ARG002
        """Begin a turn: the loop has waited."""
        self._began = monotonic()


@contextmanager
def _on_trio(turns: LoopTurns) -> Iterator[bool]:
    from trio.lowlevel import add_instrument, remove_instrument  # noqa: PLC0415  (optional)

    instrument = cast("Instrument", turns)
    add_instrument(instrument)
    try:
        yield True
    finally:
        remove_instrument(instrument)


@contextmanager
def _on_asyncio(loop: object, turns: LoopTurns) -> Iterator[bool]:
    selector: Any = getattr(loop, "_selector", None)
    if selector is None:
        yield False
        return
    if not isinstance(selector.select, _Select):
        selector.select = _Select(selector.select)
    watchers = selector.select.watchers
    watchers.append(turns)
    try:
        yield True
    finally:
        watchers.remove(turns)
        if not watchers:
            del selector.select  # its own is the class's


class _Select:
    """`selectors.BaseSelector.select` that tells those who watch."""

    def __init__(self, select: Callable[[float | None], object]) -> None:
        self._select = select
        self.watchers: list[LoopTurns] = []

    def __call__(self, timeout: float | None = None) -> object:
        for each in self.watchers:
            each.before_io_wait(timeout)
        events = self._select(timeout)
        for each in self.watchers:
            each.after_io_wait(timeout)
        return events
