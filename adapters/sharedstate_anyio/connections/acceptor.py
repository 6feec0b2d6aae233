"""New connections: admitted and each served in a task of its own, or refused with a reason."""

from __future__ import annotations

import contextlib
import logging
import time
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import anyio

from sharedstate_anyio.http.handshake import Came
from sharedstate_anyio.logs.events import about
from sharedstate_anyio.net.sockets import finish, send_all
from sharedstate_anyio.net.tls import PlainTextError, TlsSocket

from .admission import POLITE_REFUSALS, Admission, Refusal, RefusalLines, group
from .connection import Connection

if TYPE_CHECKING:
    import socket

    from anyio.abc import TaskGroup

    from sharedstate_anyio.http.handshake import ConnectionContext
    from sharedstate_anyio.hub.hub import Hub
    from sharedstate_anyio.net.sockets import Stream
    from sharedstate_anyio.net.tls import Tls

log = logging.getLogger("sharedstate")

RETRY_SECONDS: Final = 10
"""Seconds after which a refused peer may try again (`Retry-After`)."""

PLAIN_TEXT: Final = Refusal(400, "this port speaks TLS; use https:// or wss://")


class Acceptor:
    """Takes sockets from the listeners.

    Args:
        hub: the server of the connections.
        context: shared by all connections.
        tasks: the task group that owns the connections' tasks.
    """

    def __init__(self, hub: Hub, context: ConnectionContext, tasks: TaskGroup) -> None:
        self._hub = hub
        self._context = replace(context, keeps=self._keeps)
        self._tasks = tasks
        self._admission = Admission(context.live)
        self._refusing = 0
        self._lines = RefusalLines()

    def _keeps(self, address: str) -> bool:
        """Return whether a connection may stay open for another request."""
        return not self._hub.driver.is_stopping and self._admission.has_room(address)

    def accepted(
        self, sock: socket.socket, host: str, tls: Tls | None, *, trusted: bool = False
    ) -> None:
        """Take over a new socket; it is closed in any case.

        Args:
            sock: connected, non-blocking.
            host: address of the peer; empty for a UNIX socket.
            tls: its TLS context; None: plain text.
            trusted: whether it has passed a proxy that signs people in.
        """
        address = group(host)
        refusal = self._admission.enter(address)
        if refusal is None:
            self._tasks.start_soon(self._serve, sock, tls, Came(address, host, trusted))
            return
        self._complain(refusal, host, address)
        if self._refusing < POLITE_REFUSALS:
            self._refusing += 1
            self._tasks.start_soon(self._refuse, sock, tls, refusal)
        else:
            sock.close()

    async def _serve(self, sock: socket.socket, tls: Tls | None, came: Came) -> None:
        try:
            stream = sock if tls is None else await self._secured(sock, tls)
            if stream is not None:
                await Connection(stream, self._hub.shared).run(self._context, came)
        finally:
            self._admission.leave(came.address)

    async def _refuse(self, sock: socket.socket, tls: Tls | None, refusal: Refusal) -> None:
        try:
            stream = sock if tls is None else await self._secured(sock, tls)
            if stream is not None:
                await self._end(stream, refusal)
        finally:
            self._refusing -= 1

    async def _secured(self, sock: socket.socket, tls: Tls) -> TlsSocket | None:
        """Do the TLS handshake; return None if it fails: the peer has then been answered, and the socket is closed."""
        stream = TlsSocket(sock, tls.context)
        refusal: Refusal | None = None
        secured = False
        try:
            with anyio.move_on_after(self._context.live.now.transport.head_seconds):
                await stream.handshake(self._context.gate)
                secured = True
        except PlainTextError:
            refusal = PLAIN_TEXT
        except OSError as error:
            log.debug("a TLS handshake failed: %s", error, extra=about("tls_failed"))
        finally:
            if not secured:
                await self._end(sock, refusal)
        return stream if secured else None

    async def _end(self, stream: Stream, refusal: Refusal | None) -> None:
        """Send a refusal, if any, and close."""
        try:
            with (
                contextlib.suppress(OSError),
                anyio.move_on_after(self._context.live.now.transport.head_seconds),
            ):
                if refusal is not None:
                    await send_all(stream, _response(refusal))
                await finish(stream)
        finally:
            with contextlib.suppress(OSError):
                anyio.notify_closing(stream)
            stream.close()

    def _complain(self, refusal: Refusal, host: str, address: str) -> None:
        if self._lines.is_due(refusal, address, time.monotonic()):
            text, peer = "refused a connection from %s: %s", host or "a UNIX socket"
            fields = about("connection_refused", address=host, status=refusal.status)
            log.warning(text, peer, refusal.reason, extra=fields)


def _response(refusal: Refusal) -> bytes:
    body = f"{refusal.reason}\n"
    status = HTTPStatus(refusal.status)
    retry = "" if status == PLAIN_TEXT.status else f"Retry-After: {RETRY_SECONDS}\r\n"
    return (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"{retry}"
        "Connection: close\r\n\r\n"
        f"{body}"
    ).encode()
