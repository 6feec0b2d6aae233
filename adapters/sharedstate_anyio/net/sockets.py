"""Non-blocking sockets, on asyncio and trio alike."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import socket
from typing import TYPE_CHECKING, Final, Protocol

import anyio
import anyio.lowlevel

try:  # installed along with trio; anyio then uses it to detect the loop, and outside of tasks it needs help
    from sniffio import current_async_library_cvar
except ImportError:
    current_async_library_cvar = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .gate import Gate

RECEIVE_BYTES: Final = 64 * 1024
"""Maximum of bytes per read, before other connections get a turn."""

LINGER_SECONDS: Final = 2.0
LINGER_BYTES: Final = 1024 * 1024
"""How long, in seconds, and how many bytes a peer may still send after our last bytes."""


_WITHOUT_READERS: Final = getattr(asyncio, "ProactorEventLoop", ())
"""The event loop of Windows, which reports readiness of sockets in another way."""


_TAKES_SEVERAL: Final = hasattr(socket.socket, "sendmsg")
"""Not on Windows."""


class Stream(Protocol):
    """What a connection needs from a socket; a plain socket and a `TlsSocket` are streams.

    `recv` and `send` raise `BlockingIOError` instead of waiting; after that `send` is retried with the same bytes.
    `recv` never retains data that the readiness of the file descriptor does not announce.
    """

    def fileno(self) -> int:
        """Return the file descriptor to wait for."""

    def recv(self, size: int, /) -> bytes:
        """Return what has arrived; empty at the end."""

    def send(self, data: bytes | memoryview, /) -> int:
        """Return the number of bytes accepted."""

    def shutdown(self, how: int, /) -> None:
        """Shut down our direction."""

    def close(self) -> None:
        """Close the socket."""


def send_some(sock: Stream, pieces: Sequence[bytes | memoryview]) -> int:
    """Send the first of these pieces, and those behind it if the socket takes several at once.

    Returns:
        The number of bytes accepted.

    Raises:
        BlockingIOError: none are.
    """
    if _TAKES_SEVERAL and isinstance(sock, socket.socket):
        return sock.sendmsg(pieces)
    return sock.send(pieces[0])


async def receive(sock: Stream) -> bytes:
    """Return what has arrived, at least one byte; empty at the end or when the connection broke.

    Other tasks get a turn, even if data is available at once.
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


async def while_readable(sock: Stream, read: Callable[[], bool], gate: Gate) -> None:
    """Call `read` now, and again whenever there may be data to read, until it returns False: if the gate is open.

    While data is available it is called repeatedly, with turns of others in between. On asyncio the loop calls it, not
    the task that waits here: that saves a task switch and a registration with the kernel each time.

    Raises:
        OSError, ValueError, anyio.ClosedResourceError: the socket cannot be awaited; and whatever `read` raises.
    """
    loop = anyio.lowlevel.current_token().native_token
    if isinstance(loop, asyncio.AbstractEventLoop) and not isinstance(loop, _WITHOUT_READERS):
        if await gate.serve(read):
            await _Reading(loop, sock.fileno(), read, gate).wait()
    else:
        while await gate.serve(read):
            await anyio.wait_readable(sock)


class _Reading:
    """A socket that stays registered with asyncio's loop, except while it stands in line at the gate."""

    __slots__ = ("_end", "_gate", "_loop", "_number", "_read")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, number: int, read: Callable[[], bool], gate: Gate
    ) -> None:
        self._loop = loop
        self._number = number
        self._read = read
        self._gate = gate
        self._end = loop.create_future()

    async def wait(self) -> None:
        """Return once `read` has returned False."""
        try:
            self._register()
            await self._end
        finally:
            self._loop.remove_reader(self._number)

    def _register(self) -> None:
        context = contextvars.copy_context()
        if current_async_library_cvar is not None:
            context.run(current_async_library_cvar.set, "asyncio")
        context.run(self._loop.add_reader, self._number, self._ready)

    def _ready(self) -> None:
        if self._gate.is_open:
            if not self._reads_on():
                self._loop.remove_reader(self._number)
        elif not self._end.done():
            self._loop.remove_reader(self._number)  # the loop would report it in each turn
            self._gate.line_up(self._called)

    def _called(self) -> None:
        if not self._end.done() and self._reads_on():
            self._register()

    def _reads_on(self) -> bool:
        """Read; return whether to go on. What comes of it otherwise goes to the task that waits."""
        try:
            if self._end.done() or self._gate.let_in(self._read):
                return True
        except Exception as error:  # noqa: BLE001  (the waiting task raises it)
            self._end.set_exception(error)
        else:
            self._end.set_result(None)
        return False


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

    Closing a socket with unread data resets the connection, and the peer may never see our last bytes.
    """
    unread = LINGER_BYTES
    with contextlib.suppress(OSError), anyio.move_on_after(LINGER_SECONDS):
        sock.shutdown(socket.SHUT_WR)
        while unread > 0 and (data := await receive(sock)):
            unread -= len(data)
