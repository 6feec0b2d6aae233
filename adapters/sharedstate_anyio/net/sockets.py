"""Non-blocking sockets, on asyncio and trio alike."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import socket
from typing import TYPE_CHECKING, Final, Protocol

import anyio
import anyio.lowlevel

try:  # there where trio is; anyio then asks it which loop this is, and outside of tasks it has to be told
    from sniffio import current_async_library_cvar
except ImportError:
    current_async_library_cvar = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Callable

RECEIVE_BYTES: Final = 64 * 1024
"""Maximum of bytes per read: what one connection may take before others have a turn."""

LINGER_SECONDS: Final = 2.0
LINGER_BYTES: Final = 1024 * 1024
"""How long, and how many bytes, a peer may go on sending after our last word."""


_WITHOUT_READERS: Final = getattr(asyncio, "ProactorEventLoop", ())
"""The event loop of Windows, which tells of sockets in another way."""


class Stream(Protocol):
    """What a connection needs of a socket; a plain socket and a `TlsSocket` are streams.

    `recv` and `send` raise `BlockingIOError` instead of waiting; after that `send` is tried again with the same bytes.
    `recv` keeps nothing back that the readiness of the file descriptor does not announce.
    """

    def fileno(self) -> int:
        """Return the file descriptor to wait for."""

    def recv(self, size: int, /) -> bytes:
        """Return what has arrived, nothing at the end."""

    def send(self, data: bytes | memoryview, /) -> int:
        """Return how many bytes were taken."""

    def shutdown(self, how: int, /) -> None:
        """End our direction."""

    def close(self) -> None:
        """Let go."""


async def receive(sock: Stream) -> bytes:
    """Return what has arrived, at least one byte; nothing at the end or when the connection broke.

    Others get a turn in between, also when data is there at once.
    """
    waited = False
    try:
        while True:
            try:
                data = sock.recv(RECEIVE_BYTES)
                break
            except (BlockingIOError, InterruptedError):
                await anyio.wait_readable(sock)
                waited = True
    except (anyio.ClosedResourceError, ValueError, OSError):
        return b""
    if not waited:
        await anyio.lowlevel.checkpoint()
    return data


async def while_readable(sock: Stream, read: Callable[[], bool]) -> None:
    """Call `read` now, and whenever there may be something to read, until it returns False.

    It is called again and again while something is there, others in between. On asyncio the loop calls it, not the
    task that waits here: that costs neither a switch of tasks nor, each time, a registration with the kernel.

    Raises:
        OSError, ValueError, anyio.ClosedResourceError: the socket cannot be waited for; and whatever `read` raises.
    """
    loop = anyio.lowlevel.current_token().native_token
    if isinstance(loop, asyncio.AbstractEventLoop) and not isinstance(loop, _WITHOUT_READERS):
        if read():
            await _while_registered(loop, sock.fileno(), read)
    else:
        while read():
            await anyio.wait_readable(sock)


async def _while_registered(
    loop: asyncio.AbstractEventLoop, number: int, read: Callable[[], bool]
) -> None:
    end = loop.create_future()

    def ready() -> None:
        try:
            if end.done() or read():
                return
        except Exception as error:  # noqa: BLE001  (the waiting task raises it)
            end.set_exception(error)
        else:
            end.set_result(None)
        loop.remove_reader(number)

    context = contextvars.copy_context()
    if current_async_library_cvar is not None:
        context.run(current_async_library_cvar.set, "asyncio")
    context.run(loop.add_reader, number, ready)
    try:
        await end
    finally:
        loop.remove_reader(number)


async def send_all(sock: Stream, data: bytes) -> None:
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


async def finish(sock: Stream) -> None:
    """Shut down our direction, and read what the peer still sends, within bounds.

    Closing a socket with unread data resets the connection, and the peer may never see the last words.
    """
    unread = LINGER_BYTES
    with contextlib.suppress(OSError), anyio.move_on_after(LINGER_SECONDS):
        sock.shutdown(socket.SHUT_WR)
        while unread > 0 and (data := await receive(sock)):
            unread -= len(data)
