"""Sends what is hostile, and checks that each of it comes to its end."""

from __future__ import annotations

from contextlib import suppress
from math import inf
from random import Random
from typing import TYPE_CHECKING, Final

import anyio

from tests.support import frames
from tests.support.peer import Peer, open_peer

from .connections import odd
from .messages import fragments, message

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from tests.support.frames import Frame

BATCH: Final = 5
"""Messages of a connection that are sent at once."""

CODES: Final = (1002, 1003, 1007, 1009)
"""With which the server may close on whoever sends such messages."""

LOOK_SECONDS: Final = 0.05
"""How long somebody reads before leaving."""


async def send_messages(
    port: int, count: int, *, seed: int, together: int = 4, rate: float = inf
) -> None:
    """Send so many hostile messages over a few connections at once; each must be answered, or its connection closed.

    They are no more than `rate` a second.
    """
    pause = together * BATCH / rate

    async def one(number: int) -> None:
        random, left = Random(f"{seed} {number}"), count // together
        while left > 0:
            async with open_peer(port) as peer:
                await peer.upgrade()
                while left > 0 and await _asked(peer, random, size := min(BATCH, left)):
                    left -= size
                    await anyio.sleep(pause)
                left -= 1

    await _all(one, together)


async def _asked(peer: Peer, random: Random, count: int) -> bool:
    """Send so many messages; return whether the connection is still open when all have been answered."""
    payloads = [message(random) for _ in range(count)]
    await peer.send(b"".join(fragments(random, payload) for payload in payloads))
    replies = 0
    while replies < count:
        try:
            frame = await peer.frame()
        except EOFError:
            raise AssertionError(f"closed without a close frame: {payloads}") from None
        if frame.opcode == frames.CLOSE:
            assert frame.close_code in CODES, (frame, payloads)
            return False
        replies += _is_reply(frame)
    return True


def _is_reply(frame: Frame) -> bool:
    return frame.opcode == frames.TEXT and frame.payload.startswith(b'{"type":"REPLY"')


async def connect(
    port: int, count: int, *, seed: int, together: int = 4, rate: float = inf
) -> None:
    """Make so many odd connections, a few at a time; each must end, those that only stop sending by the server.

    They are no more than `rate` a second.
    """

    async def one(number: int) -> None:
        random = Random(f"{seed} {number}")
        for _ in range(count // together):
            pieces, end = odd(random)
            async with open_peer(port) as peer:
                with suppress(ConnectionError):
                    for piece in pieces:
                        await peer.send(piece)
                        await anyio.lowlevel.checkpoint()
                    await _end(peer, end)
            await anyio.sleep(together / rate)

    await _all(one, together)


async def _end(peer: Peer, end: str) -> None:
    if end == "shut":
        peer.shut()
        await peer.receive_all()  # which fails if it takes too long
    elif end == "reset":
        peer.reset()
    elif end == "read":
        with anyio.move_on_after(LOOK_SECONDS):
            await peer.receive_all()


async def _all(one: Callable[[int], Coroutine[Any, Any, None]], together: int) -> None:
    async with anyio.create_task_group() as tasks:
        for number in range(together):
            tasks.start_soon(one, number)
