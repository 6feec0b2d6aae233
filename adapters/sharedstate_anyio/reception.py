"""Whoever connects: admitted and served in a task of its own, or told why not."""

from __future__ import annotations

import contextlib
import logging
import time
from typing import TYPE_CHECKING, Final

import anyio

from .admission import POLITE_REFUSALS, Admission, Refusal, group
from .connection import Connection
from .sockets import finish, send_all

if TYPE_CHECKING:
    import socket

    from anyio.abc import TaskGroup

    from .handshake import Entrance
    from .hub import Hub

log = logging.getLogger("sharedstate")

RETRY_SECONDS: Final = 10
"""When a refused peer may try again (`Retry-After`)."""

COMPLAINT_SECONDS: Final = 60.0
"""Refusals are logged once in this time."""


class Reception:
    """Takes sockets from the listeners.

    Args:
        hub: the connections' server.
        entrance: what holds for everybody who connects.
        tasks: the task group that owns the connections' tasks.
    """

    def __init__(self, hub: Hub, entrance: Entrance, tasks: TaskGroup) -> None:
        self._hub = hub
        self._entrance = entrance
        self._tasks = tasks
        self._admission = Admission(entrance.limits)
        self._refusing = 0
        self._quiet_until = 0.0

    def accepted(self, sock: socket.socket, host: str) -> None:
        """Take a new socket over; it is closed in any case.

        Args:
            sock: connected, non-blocking.
            host: the address that it comes from; empty for a UNIX socket.
        """
        address = group(host)
        refusal = self._admission.enter(address)
        if refusal is None:
            self._tasks.start_soon(self._serve, sock, address)
            return
        self._complain(refusal, host)
        if self._refusing >= POLITE_REFUSALS:
            sock.close()
            return
        self._refusing += 1
        self._tasks.start_soon(self._refuse, sock, refusal)

    async def _serve(self, sock: socket.socket, address: str) -> None:
        try:
            await Connection(sock, self._hub).run(self._entrance)
        finally:
            self._admission.leave(address)

    async def _refuse(self, sock: socket.socket, refusal: Refusal) -> None:
        try:
            with (
                contextlib.suppress(OSError),
                anyio.move_on_after(self._entrance.limits.head_seconds),
            ):
                await send_all(sock, _response(refusal))
                await finish(sock)
        finally:
            self._refusing -= 1
            with contextlib.suppress(OSError):
                anyio.notify_closing(sock)
            sock.close()

    def _complain(self, refusal: Refusal, host: str) -> None:
        now = time.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + COMPLAINT_SECONDS
            log.warning("refused a connection from %s: %s", host or "a UNIX socket", refusal.reason)


def _response(refusal: Refusal) -> bytes:
    phrase = {503: "Service Unavailable", 429: "Too Many Requests"}[refusal.status]
    body = f"{refusal.reason}\n"
    return (
        f"HTTP/1.1 {refusal.status} {phrase}\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"Retry-After: {RETRY_SECONDS}\r\n"
        "Connection: close\r\n\r\n"
        f"{body}"
    ).encode()
