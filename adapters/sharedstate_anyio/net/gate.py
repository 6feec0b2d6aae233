"""A gate: what many peers bring in one turn of the event loop is taken in several turns.

A loop runs all that is ready in one turn. If a thousand peers speak, arrive or leave at once, each of them is short,
and everybody else waits for all of them.

The rules:

1. The gate closes after `AT_ONCE` calls, or as soon as they took `OPEN_SECONDS`, until the next turn of the loop. It
   counts on from turn to turn, so that nothing has to be done for a turn that brings little; a few, too, may find
   it closed, and are one turn late.
2. Who comes to a closed gate stands in line, and is called in order. Nobody passes while others stand in line.
3. When the server ends, the gate opens for good, and all who stand in line are called.
"""

from __future__ import annotations

import math
from collections import deque
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import anyio
import anyio.lowlevel

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

AT_ONCE: Final = 64
OPEN_SECONDS: Final = 0.004
"""What passes in one turn: so many calls, or calls that take so long together. One call may take a while, too."""


class Gate:
    """The gate of one server, which has to `run`.

    Attributes:
        is_open: whether to `let_in`; otherwise `line_up`.
    """

    def __init__(self) -> None:
        self.is_open = True
        self._room = float(AT_ONCE)
        self._most = self._room
        self._line: deque[Callable[[], object]] = deque()
        self._closed = anyio.Event()

    def let_in(self, call: Callable[[], T]) -> T:
        """Call now, whether the gate is open or not, and count it."""
        began = monotonic()
        try:
            return call()
        finally:
            self._count((monotonic() - began) * (AT_ONCE / OPEN_SECONDS))

    def line_up(self, call: Callable[[], object]) -> None:
        """Stand in line at the closed gate; `call` raises nothing, and counts what it does by `let_in`."""
        self._line.append(call)

    async def serve(self, call: Callable[[], T]) -> T:
        """Call when it may be, and return what that returns; at an open gate no other task gets a turn before.

        Raises:
            Exception: whatever `call` raises.
        """
        if self.is_open:
            return self.let_in(call)
        waiting = _Waiting(self, call)
        self.line_up(waiting.go)
        try:
            await waiting.done.wait()
            return waiting.result()
        finally:
            waiting.call = None  # who has gone is not called
            del waiting  # an error's traceback holds this frame

    async def enter(self, weight: int = 1) -> None:
        """Wait until the gate lets somebody in who does as much as `weight` calls that are short."""
        if self.is_open:
            self._count(weight)
            return
        called = anyio.Event()
        self.line_up(partial(self._call, called, weight))
        await called.wait()

    def _call(self, called: anyio.Event, weight: int) -> None:
        self._count(weight)
        called.set()

    def _count(self, weight: float) -> None:
        self._room -= max(1.0, weight)
        if self._room <= 0 and self.is_open:
            self.is_open = False
            self._closed.set()

    async def run(self) -> None:
        """Open the gate again in the turn after it was closed, until cancelled."""
        try:
            while True:
                await self._closed.wait()
                self._closed = anyio.Event()
                while not self._call_in_line():
                    await anyio.lowlevel.checkpoint()
                self.is_open = True
        finally:
            self._most = math.inf
            self._call_in_line()
            self.is_open = True

    def _call_in_line(self) -> bool:
        """Begin a turn: call as many as may pass; return whether there is room for others."""
        self._room = self._most
        while self._line and self._room > 0:
            self._line.popleft()()
        return self._room > 0


class _Waiting(Generic[T]):
    """Somebody in line."""

    __slots__ = ("_error", "_gate", "_results", "call", "done")

    def __init__(self, gate: Gate, call: Callable[[], T]) -> None:
        self._gate = gate
        self._results: list[T] = []
        self._error: Exception | None = None
        self.call: Callable[[], T] | None = call
        self.done = anyio.Event()

    def go(self) -> None:
        """Call."""
        if self.call is not None:
            try:
                self._results.append(self._gate.let_in(self.call))
            except Exception as error:  # noqa: BLE001  (the one who waits raises it)
                self._error = error
            self.done.set()

    def result(self) -> T:
        """Return what the call has returned, or raise what it has raised."""
        if self._error is not None:
            raise self._error
        return self._results[0]
