"""What goes out to one peer: queued, offered to its socket, and kept if the socket does not accept it.

The rules:

1. `send_frame` only queues; the broadcaster flushes what one turn of the loop produced in one piece.
2. What goes to many is offered to one socket after the other by the shortest path, `offer_to_all`.
3. What the socket does not accept at once, or is too much for one turn of the loop, is kept, and the connection is
   *blocked*: the core sends it nothing more, and a task waits until the socket has accepted the rest.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final, Protocol, cast

import anyio

from sharedstate_anyio.net.sockets import send_some

from .frames import LARGE_BYTES, Head, close_frame

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sharedstate_anyio.net.sockets import Stream

PROGRESS_BYTES: Final = 64 * 1024
"""What a slow reader must read within `Limits.drain_seconds` to count as alive."""

TURN_BYTES: Final = 2 * 1024 * 1024
"""What one turn of the loop gives to one socket, though it may accept more: a peer may read as fast as we send."""

KEPT_AT_ONCE: Final = 32
"""Sockets that do not accept everything, before others get a turn: each costs a task and an input of the core."""

OFFERED_AT_ONCE: Final = 64
"""Pieces behind the first one that a socket is offered in one system call: half of them are heads."""

_NOTHING: Final = memoryview(b"")


class Flushing(Protocol):
    """Flushes connections at the end of a turn of the loop: the broadcaster."""

    def queue(self, connection: Writer) -> None:
        """Flush this connection too."""
        ...


class Writer(ABC):
    """The writing side of a connection, which it notifies of progress.

    Attributes:
        queued: what waits to be sent; None if the next frame may go straight to the socket. Thousands of idle peers
            share that None, and a broadcast checks nothing else.
        sock: the peer's socket.
        window_bits: window of the compressed messages that the peer accepts (RFC 7692); 0: it accepts none.
    """

    # Slots follow one another in memory in the order of their names: a broadcast touches only the few it needs.
    __slots__ = (
        "_broadcaster",
        "_closing",
        "_draining",
        "_emptied",
        "_rest",
        "queued",
        "sock",
        "window_bits",
    )

    def __init__(self, sock: Stream, broadcaster: Flushing) -> None:
        self._broadcaster = broadcaster
        self._rest = _NOTHING
        self._draining = False
        self._closing = False
        self._emptied: anyio.Event | None = (
            None  # set once drained; None unless somebody waits for it
        )
        self.sock = sock
        self.queued: list[bytes] | None = None
        self.window_bits = 0

    @property
    def is_blocked(self) -> bool:
        """Whether the socket has not accepted everything."""
        return bool(self._rest)

    @property
    def unsent(self) -> list[bytes]:
        """What is kept for the socket, in order: the objects themselves, which other connections may share."""
        if self._rest:
            return [cast("bytes", self._rest.obj), *(self.queued or ())]
        return list(self.queued or ())

    # --- what is sent -----------------------------------------------------------------------------

    def send_frame(self, frame: bytes) -> None:
        """Queue a frame; the broadcaster flushes it in this turn of the loop."""
        if not self._closing:
            self._append(frame)

    def send_pieces(self, pieces: Sequence[bytes]) -> None:
        """Queue whole frames in pieces, without copying them; see `frames.fragments`."""
        if not self._closing:
            for piece in pieces:
                self._append(piece)

    def await_drain(self) -> None:
        """Report once all that is queued has been sent."""
        self._draining = True
        self._broadcaster.queue(self)

    @staticmethod
    def offer_to_all(connections: Iterator[Writer], frame: bytes) -> bool:
        """Offer a frame to these sockets; it precedes what their connections have queued in this turn.

        Stops behind `KEPT_AT_ONCE` that could not simply take it. Returns whether there was any connection at all.
        """
        connection, size, left = None, len(frame), KEPT_AT_ONCE
        for connection in connections:
            if connection.queued is None:
                try:
                    sent = connection.sock.send(frame)
                except OSError as error:
                    connection._failed(frame, error)  # noqa: SLF001  (of our own kind)
                else:
                    if sent == size:
                        continue
                    connection._keep(memoryview(frame)[sent:])  # noqa: SLF001
            elif connection.queued:
                connection.queued.insert(0, frame)  # before a close frame too: that came later
                connection.flush()
            else:
                connection.send_frame(frame)
            left -= 1
            if not left:
                break
        return connection is not None

    def _append(self, piece: bytes) -> None:
        if self.queued:
            self.queued.append(piece)
        else:
            self.queued = [piece]
            self._broadcaster.queue(self)

    def _end_with(self, code: int, reason: str | None) -> None:
        """Queue a close frame, and accept nothing after it."""
        self._append(close_frame(code, reason))
        self._closing = True

    def _cut(self) -> None:
        """Drop what is queued, except for the rest of the frame that the socket is taking: a close frame may follow."""
        rest = bytes(self._rest)  # a copy: the message itself is let go
        if isinstance(self._rest.obj, Head) and self.queued:
            rest += self.queued[0]
        self._rest = memoryview(rest)
        self.queued = [] if rest else None

    def _drop(self) -> None:
        """Send nothing more, not even what is queued."""
        self._closing = True
        self.queued = []
        self._rest = _NOTHING

    # --- to the socket ----------------------------------------------------------------------------

    def flush(self) -> int:
        """Offer what is queued to the socket, unless it is full; return how many bytes it has accepted."""
        if self._rest:
            return 0
        accepted = 0
        while self.queued:
            data = self._next(self.queued)
            try:
                sent = self._offer(data) if accepted < TURN_BYTES else 0
            except OSError as error:
                self._failed(data, error)
                return accepted
            accepted += sent
            if rest := self._after(data, sent):
                self._keep(rest)
                return accepted
        if not self._closing:
            self.queued = None
        if self._draining:
            self._report_drained()
        return accepted

    def _next(self, queued: list[bytes]) -> bytes:
        """Take what goes to the socket next: all that is queued, joined, except that large pieces are not copied."""
        if len(queued) == 1:
            self.queued = []
            return queued[0]
        large = (at for at, piece in enumerate(queued) if len(piece) >= LARGE_BYTES)
        if (small := next(large, -1)) >= 0:
            if small and isinstance(queued[small - 1], Head):
                small -= 1  # see `_cut`
            taken = max(1, small)
            self.queued = queued[taken:]
            return queued[0] if taken == 1 else b"".join(queued[:taken])
        self.queued = []
        return b"".join(queued)

    def _offer(self, data: bytes | memoryview) -> int:
        """Offer this to the socket, and some of what is queued behind it; return how many bytes it has accepted."""
        if self.queued:
            return send_some(self.sock, (data, *self.queued[:OFFERED_AT_ONCE]))
        return self.sock.send(data)

    def _after(self, data: bytes | memoryview, sent: int) -> memoryview:
        """Return the rest of the piece that the socket is taking, once it has accepted so many bytes from `data` on."""
        sent -= len(data)
        if sent <= 0 or not self.queued:
            return memoryview(data)[len(data) + sent :]
        taken = 0
        for piece in self.queued:
            taken += 1
            sent -= len(piece)
            if sent <= 0:
                break
        rest = memoryview(piece)[len(piece) + sent :]
        self.queued = self.queued[taken:]
        return rest

    def _failed(self, data: bytes, error: OSError) -> None:
        """Keep what a full socket has not accepted; a broken one ends the connection."""
        if isinstance(error, BlockingIOError | InterruptedError):
            self._keep(memoryview(data))
        else:
            self.abort()

    def _keep(self, rest: memoryview) -> None:
        self._rest = rest
        self.queued = self.queued or []
        self.blocked()

    async def drain(self) -> None:
        """Wait until the socket has accepted what was kept; report progress, then the end."""
        try:
            unreported = 0
            while self._rest:
                await anyio.wait_writable(self.sock)
                try:
                    sent = self._offer(self._rest)
                except (BlockingIOError, InterruptedError):
                    continue
                self._rest = self._after(self._rest, sent)
                unreported += sent
                if unreported >= PROGRESS_BYTES:
                    unreported = 0
                    self.progressed()
                if not self._rest and self.queued:
                    self._rest = memoryview(self._next(self.queued))
        except (OSError, ValueError, anyio.ClosedResourceError):
            self.abort()
            return
        if not self._closing:
            self.queued = None
        self._report_drained()

    async def sent(self) -> None:
        """Return once the socket has accepted everything; `abort` ends the wait too."""
        self.flush()
        if self._rest:
            self._emptied = anyio.Event()
            await self._emptied.wait()

    def _report_drained(self) -> None:
        self._draining = False
        if self._emptied is not None:
            self._emptied.set()
        if not self._closing:
            self.drained()

    # --- what comes of it -------------------------------------------------------------------------

    @abstractmethod
    def blocked(self) -> None:
        """The socket has not accepted everything: somebody has to `drain`."""

    @abstractmethod
    def progressed(self) -> None:
        """The socket is still full, but has accepted something."""

    @abstractmethod
    def drained(self) -> None:
        """The socket has accepted everything."""

    @abstractmethod
    def abort(self) -> None:
        """End the connection now, without a close frame: the socket is broken."""
