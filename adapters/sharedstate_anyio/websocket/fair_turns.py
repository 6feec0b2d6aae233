"""Messages that take long come one at a time, with turns of everybody else between.

A large message may take tens of milliseconds that cannot be divided: a thousand subscriptions, thousands of items. If
each of a few peers had one in every turn of the loop, all others would wait for their sum, at each of the turns
that a request needs until it is answered.

The rules:

1. A turn of one peer that takes longer than it should *tires*: for `TURNS_BETWEEN` turns of the loop nobody begins a
   large message.
2. Who has one, and who tired, wait in line. They are called one by one, with as many turns between. Who is called
   has a turn, also if somebody else, who was not in line, tires just then.
3. Nobody else waits; and nobody does on a loop with nothing else to do, where turns take microseconds.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import anyio
import anyio.lowlevel

TURNS_BETWEEN: Final = 6
"""About what an update takes: it is read, stored by another thread, told, sent."""

LARGE_CHARACTERS: Final = 4096
"""Shorter messages take little time, or their senders are known for it."""


class FairTurns:
    """The line of those whose messages take long."""

    def __init__(self) -> None:
        self._turn_over = False
        self._line: deque[tuple[object, anyio.Event]] = deque()
        self._called: object | None = None
        self._wanted = anyio.Event()

    def allows(self, peer: object) -> bool:
        """Return whether a large message may be begun now; otherwise `wait`."""
        return peer is self._called or not (self._turn_over or self._line)

    def end_turn(self, peer: object) -> None:
        """End the turn of this peer, which has taken long: others come next."""
        self._turn_over = True
        if self._called is peer:
            self._called = None
        self._wanted.set()

    async def wait(self, peer: object) -> None:
        """Wait in line, until called."""
        called = anyio.Event()
        self._line.append((peer, called))
        self._wanted.set()
        await called.wait()

    async def run(self) -> None:
        """Call one after the other, until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted = anyio.Event()
            while self._turn_over or self._line or self._called is not None:
                for _ in range(TURNS_BETWEEN):
                    await anyio.lowlevel.checkpoint()
                self._turn_over, self._called = False, None
                if self._line:
                    self._called, called = self._line.popleft()
                    called.set()
