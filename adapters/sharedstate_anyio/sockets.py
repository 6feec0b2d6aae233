"""Plain non-blocking TCP sockets, on asyncio and trio alike."""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
from typing import TYPE_CHECKING, Final

import anyio
import anyio.lowlevel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = logging.getLogger("sharedstate")

RECEIVE_BYTES: Final = 64 * 1024
"""Most bytes read at once: what one reader may take from the others before they have their turn."""

LINGER_SECONDS: Final = 2.0
LINGER_BYTES: Final = 1024 * 1024
"""How long, and how much, a peer may go on sending after our last word."""

BACKLOG: Final = 1024
"""Connections that the kernel keeps while we are busy accepting: a crowd that reconnects at once."""


async def receive(sock: socket.socket) -> bytes:
    """Return what has arrived, at least one byte; nothing at the end or when the connection broke.

    Others get a turn in between, also when data is there at once.
    """
    await anyio.lowlevel.checkpoint()
    while True:
        try:
            return sock.recv(RECEIVE_BYTES)
        except (BlockingIOError, InterruptedError):
            try:
                await anyio.wait_readable(sock)
            except (anyio.ClosedResourceError, ValueError, OSError):
                return b""
        except OSError:
            return b""


async def send_all(sock: socket.socket, data: bytes) -> None:
    """Send everything, waiting as long as it takes.

    Raises:
        OSError: the connection broke.
    """
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[sock.send(rest) :]
        except (BlockingIOError, InterruptedError):
            await anyio.wait_writable(sock)


async def finish(sock: socket.socket) -> None:
    """Say that nothing more comes, and read what the peer still has to say, within bounds.

    Closing a socket with unread data resets the connection, and the peer may never see the last words.
    """
    unread = LINGER_BYTES
    with contextlib.suppress(OSError), anyio.move_on_after(LINGER_SECONDS):
        sock.shutdown(socket.SHUT_WR)
        while unread > 0 and (data := await receive(sock)):
            unread -= len(data)


def listen(host: str, port: int) -> list[socket.socket]:
    """Open listening sockets on every address of `host`; port 0 picks one free port for all of them.

    Raises:
        OSError: the host is unknown, the port is in use, or the privilege is missing.
    """
    listeners: list[socket.socket] = []
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            sock = socket.socket(family, kind, protocol)
            listeners.append(sock)
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            wanted = port or (listeners[0].getsockname()[1] if len(listeners) > 1 else 0)
            sock.bind((address[0], wanted, *address[2:]))
            sock.listen(BACKLOG)
    except OSError:
        for sock in listeners:
            sock.close()
        raise
    return listeners


async def accept_forever(
    listener: socket.socket, accepted: Callable[[socket.socket, str], None]
) -> None:
    """Hand every new connection to `accepted`, with the address that it comes from, until cancelled."""
    while True:
        await anyio.wait_readable(listener)
        try:
            sock, address = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            continue
        except OSError as error:
            if error.errno not in {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}:
                raise
            log.warning("cannot accept a connection: %s; trying again soon", error.strerror)
            await anyio.sleep(1)
            continue
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        accepted(sock, address[0])


def addresses(listeners: Sequence[socket.socket]) -> list[tuple[str, int]]:
    """Return (host, port) of each listener, as bound."""
    return [sock.getsockname()[:2] for sock in listeners]
