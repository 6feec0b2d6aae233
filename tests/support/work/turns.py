"""Counts what each turn of an event loop does, for servers that run in the test's own loop.

    with counting_turns() as turns:
        async with running() as server, open_client(server.port) as client:
            await client.put("/app/items/c", {"insert": items})
    assert max(turns) < LONG_TURN, max(turns)

What clients of the test do in the same loop does not count, nor what is done in other threads.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, cast

import anyio.lowlevel

from sharedstate_anyio.ops import loop_turns

from .counting import counting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .work import Meter, Work

SERVER: Final = ("sharedstate_core", "sharedstate_anyio", "sharedstate_backends")


class _Turns:
    """What an event loop tells when it waits, as `loop_turns.LoopTurns` is told."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.counted: list[Work] = []

    def before_io_wait(self, _: float | None) -> None:
        if work := self._meter.take():
            self.counted.append(work)

    def after_io_wait(self, _: float | None) -> None:
        pass


@contextmanager
def counting_turns(*, of: tuple[str, ...] = SERVER) -> Iterator[list[Work]]:
    """Yield the work of each turn of the running loop that did any, in the code of these packages."""
    loop = anyio.lowlevel.current_token().native_token
    with counting(of=of) as meter:
        turns = _Turns(meter)
        told = cast("Any", turns)
        is_asyncio = isinstance(loop, asyncio.AbstractEventLoop)
        on_loop = loop_turns._on_asyncio(loop, told) if is_asyncio else loop_turns._on_trio(told)
        with on_loop:
            yield turns.counted
        turns.before_io_wait(None)
