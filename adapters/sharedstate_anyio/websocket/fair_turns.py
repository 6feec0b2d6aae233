"""Fair turns: messages that take long are handled one at a time, with turns for everybody else in between.

A large message, such as a thousand subscriptions or thousands of items, may take tens of milliseconds that cannot be
divided. If each of a few peers had one in every turn of the loop, all others would wait for the sum of them, in each of
the turns that a request takes to be answered.

The rules:

1. After a peer's turn took too long, nobody may begin a large message for `TURNS_BETWEEN` turns of the loop.
2. Peers with a large message, and those whose turn took too long, wait in line. They are called one by one, with that
   many turns of the loop in between. A peer that was called gets its turn, even if another one, which was not in line,
   takes too long just then.
3. Nobody else waits, and nobody at all on an idle loop, where turns take microseconds.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import anyio
import anyio.lowlevel

from sharedstate_backends.timed_host import TURNS_BETWEEN

LARGE_CHARACTERS: Final = 4096
"""Shorter messages take little time, or their senders are in line already."""


class FairTurns:
    """The line of peers whose messages take long."""

    def __init__(self) -> None:
        self._turn_over = False
        self._line: deque[tuple[object, anyio.Event]] = deque()
        self._called: object | None = None
        self._wanted = anyio.Event()

    def allows(self, peer: object) -> bool:
        """Return whether a large message may begin now; otherwise `wait`."""
        return peer is self._called or not (self._turn_over or self._line)

    def end_turn(self, peer: object) -> None:
        """End the turn of this peer, which took too long: others come next."""
        self._turn_over = True
        if self._called is peer:
            self._called = None
        self._wanted.set()

    async def wait(self, peer: object) -> None:
        """Wait in line until called."""
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
