"""One peer on one socket.

The rules:

1. `send` only queues; the outbox flushes what one turn of the loop produced in one piece.
2. What the socket does not take at once is kept, and the connection is *blocked*: the core sends it nothing
   more, and one task waits until the socket has taken the rest.
3. `close` and `abort` are synchronous, so no cancellation can skip them; the task that runs the connection does the
   cleaning up.
4. What arrives is handled where the loop says that it is there; the task only waits for the end.
"""

from __future__ import annotations

import contextlib
import io
import logging
import math
from time import monotonic
from typing import TYPE_CHECKING, Final

import anyio
import anyio.lowlevel
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

from sharedstate_core.errors import CLOSE_TOO_BIG, CLOSE_UNSUPPORTED_DATA

from .frames import LARGE_BYTES, PING, close_frame, pong_frame
from .handshake import Entrance, handshake
from .reading import Violation
from .sockets import RECEIVE_BYTES, finish, while_readable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .handshake import Opened
    from .hub import Hub
    from .keepalive import KeepAlive
    from .reading import Heard, Reader
    from .sockets import Stream

log = logging.getLogger("sharedstate")

CLOSE_SECONDS: Final = 3.0
"""How long a peer may take to answer a close frame."""

HANDLED_AT_ONCE: Final = 64
TURN_SECONDS: Final = 0.005
"""Messages of one peer that are taken, and how long that may go on, before others have their turn."""

PROGRESS_BYTES: Final = 64 * 1024
"""What a slow reader must take within `Limits.drain_seconds` to be called alive."""

_NOTHING: Final = memoryview(b"")


class _Turn:
    """How much of one peer is taken before others have their turn; `left`: messages."""

    __slots__ = ("_end", "left")

    def __init__(self) -> None:
        self.left = HANDLED_AT_ONCE
        self._end = monotonic() + TURN_SECONDS

    @property
    def goes_on(self) -> bool:
        """Whether another message may be taken."""
        return self.left > 0 and monotonic() <= self._end


class Connection:
    """A peer; the object itself is the handle under which the core knows it.

    Attributes:
        window_bits: of compressed messages that it takes (RFC 7692); 0: it takes none.
    """

    __slots__ = (
        "_closing",
        "_draining",
        "_event",
        "_events",
        "_heard",
        "_hub",
        "_over",
        "_queued",
        "_reader",
        "_rest",
        "_resumed",
        "_scope",
        "_sock",
        "_text",
        "_text_size",
        "window_bits",
    )

    def __init__(self, sock: Stream, hub: Hub) -> None:
        self._sock = sock
        self._hub = hub
        self._reader: Reader | None = None
        self._events: Iterator[Heard] = iter(())
        self._event: Heard | None = None  # the first of them that is not handled yet
        self._queued: list[bytes] | None = (
            None  # never empty: thousands of idle peers share one None
        )
        self._rest = _NOTHING
        self._draining = False
        self._text: io.StringIO | None = None
        self._text_size = 0
        self._heard = False
        self.window_bits = 0
        self._closing = False
        self._over = False  # nothing more is read
        self._scope = anyio.CancelScope()
        self._resumed: anyio.Event | None = None  # to come, while reading is paused

    # --- life -------------------------------------------------------------------------------------

    async def run(self, entrance: Entrance, address: str) -> None:
        """Serve the peer, whose `admission.group` is `address`, until it is gone."""
        try:
            with self._scope:
                opened = await handshake(self._sock, entrance, address, self._scope)
                if opened is not None:
                    await self._converse(opened, entrance.keep_alive)
                    await finish(self._sock)
        except OSError as error:
            log.debug("a connection broke: %s", error)
        except Exception as error:  # noqa: BLE001  (a fault of ours must not end the server)
            text = "a connection could not be handled; the others go on"
            self._hub.faults.report(("connection", type(error)), text, error)
        finally:
            self._closing = True
            with contextlib.suppress(OSError):
                anyio.notify_closing(self._sock)
            self._sock.close()

    async def _converse(self, opened: Opened, keep_alive: KeepAlive) -> None:
        self._reader = opened.reader
        self._feed(opened.reader, opened.data)
        self.window_bits = opened.window_bits
        del opened
        self._hub.opened(self)
        keep_alive.watch(self)
        try:
            while not self._over:
                if self._resumed is not None:
                    await self._resumed.wait()
                elif self._handle_events():
                    await while_readable(self._sock, self._read)
                else:
                    await anyio.lowlevel.checkpoint()
        finally:
            keep_alive.forget(self)
            self._hub.closed(self)
            self.flush()

    # --- reading ----------------------------------------------------------------------------------

    def _read(self) -> bool:
        """Take in and handle what has arrived; return whether to read on."""
        try:
            data = self._sock.recv(RECEIVE_BYTES)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            data = b""
        if not data or self._reader is None:
            self._over = True
            return False
        self._heard = True
        self._feed(self._reader, data)
        return self._handle_events()

    def _feed(self, reader: Reader, data: bytes) -> None:
        self._events = reader.feed(data)
        self._event = next(self._events, None)

    def _handle_events(self) -> bool:
        """Go through what was read, from where it was left; return whether to read on.

        False also after `HANDLED_AT_ONCE` or `TURN_SECONDS`: then others have their turn.
        """
        turn = _Turn()
        while self._event is not None:
            self._hub.received(self, self._texts(turn))
            if not turn.goes_on or not self._may_read:
                return False
            if (other := self._event) is not None:
                self._move_on(turn)
                self._handle(other)
        return True

    def _texts(self, turn: _Turn) -> Iterator[str]:
        """Yield whole messages as long as nothing else comes: they are taken in together."""
        while turn.goes_on:
            text = self._event
            if not isinstance(text, str) or self._is_too_long(text):
                return
            self._move_on(turn)
            if not self._closing:
                yield text

    def _move_on(self, turn: _Turn) -> None:
        self._event = next(self._events, None)
        turn.left -= 1

    @property
    def _may_read(self) -> bool:
        return self._resumed is None and not self._over

    def _handle(self, event: Heard) -> None:
        match event:
            case CloseConnection():
                if not self._closing:
                    self._append(close_frame(event.code, event.reason))
                self._closing = self._over = True
            case Violation():
                self.close(event.code, event.reason)
                self._over = True
            case _ if self._closing:
                pass  # we said goodbye: what still comes is not answered
            case str():
                self._refuse()
            case TextMessage():
                self._take_part(event)
            case BytesMessage():
                self.close(CLOSE_UNSUPPORTED_DATA, "messages are text frames")
            case Ping():
                self._append(pong_frame(bytes(event.payload)))
            case _:
                pass

    def _is_too_long(self, text: str) -> bool:
        most = self._hub.limits.message_bytes
        return len(text) > most or (not text.isascii() and len(text.encode()) > most)

    def _take_part(self, event: TextMessage) -> None:
        """Collect the parts of one message, counting while they arrive."""
        text = event.data
        self._text_size += len(text) if text.isascii() else len(text.encode())
        if self._text_size > self._hub.limits.message_bytes:
            self._text = None
            self._refuse()
            return
        if self._text is not None or not event.message_finished:
            # One buffer, not a list: a million pieces of one character must not cost a million objects.
            if self._text is None:
                self._text = io.StringIO()
            self._text.write(text)
            if not event.message_finished:
                return
            text, self._text = self._text.getvalue(), None
        self._text_size = 0
        self._hub.received(self, iter((text,)))

    def _refuse(self) -> None:
        most = self._hub.limits.message_bytes
        self.close(CLOSE_TOO_BIG, f"a message may have at most {most} bytes")

    def pause_reading(self) -> None:
        """Take no more messages for now: backpressure reaches the peer through TCP."""
        if self._resumed is None:
            self._resumed = anyio.Event()

    def resume_reading(self) -> None:
        """Take messages again."""
        if self._resumed is not None:
            self._resumed.set()
            self._resumed = None

    # --- writing ----------------------------------------------------------------------------------

    def send(self, frame: bytes) -> None:
        """Queue a frame; the outbox flushes it in this turn of the loop."""
        if not self._closing:
            self._append(frame)

    def send_large(self, head: bytes, message: bytes) -> None:
        """Queue a frame in two pieces, which are not copied."""
        if not self._closing:
            self._append(head)
            self._append(message)

    def offer(self, frame: bytes) -> None:
        """Offer to the socket a frame that was sent before all that is queued, and then that."""
        if self._queued:
            self._queued.insert(0, frame)  # also if this is a close frame: that came later
            self.flush()
        elif self._rest and not self._closing:
            self._append(frame)
        elif not self._closing:
            self._offer(frame)

    def _append(self, piece: bytes) -> None:
        if self._queued:
            self._queued.append(piece)
        else:
            self._queued = [piece]
            self._hub.outbox.queue(self)

    def tell_drained(self) -> None:
        """Report when all that is queued has left."""
        self._draining = True
        self._hub.outbox.queue(self)

    def ping(self) -> bool:
        """Send a ping, unless the peer could not answer it now; return whether it was sent."""
        if self._closing or self._rest or not self._may_read:
            return False
        self._heard = False
        self.send(PING)
        return True

    @property
    def is_silent(self) -> bool:
        """Whether the peer has sent nothing since the last ping, though it could have."""
        return self._may_read and not (self._heard or self._rest)

    def flush(self) -> None:
        """Offer what is queued to the socket, unless it is full."""
        if self._rest:
            return
        while self._queued:
            if not self._offer(self._next(self._queued)):
                return
        if self._draining:
            self._report_drained()

    def _offer(self, data: bytes) -> bool:
        """Offer this to the socket; return whether it took all."""
        try:
            sent = self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self.abort()
            return False
        if sent < len(data):
            self._rest = memoryview(data)[sent:]
            self._hub.blocked(self)
            return False
        return True

    def _next(self, queued: list[bytes]) -> bytes:
        """Take what goes to the socket next: all that is queued, joined; but large pieces are not copied."""
        if len(queued) > 1 and max(map(len, queued)) >= LARGE_BYTES:
            return queued.pop(0)
        self._queued = None
        return queued[0] if len(queued) == 1 else b"".join(queued)

    async def drain(self) -> None:
        """Wait until the socket has taken what it left, reporting progress, then the end."""
        try:
            unreported = 0
            while self._rest:
                await anyio.wait_writable(self._sock)
                try:
                    sent = self._sock.send(self._rest)
                except (BlockingIOError, InterruptedError):
                    continue
                self._rest = self._rest[sent:]
                unreported += sent
                if unreported >= PROGRESS_BYTES:
                    unreported = 0
                    self._hub.progressed(self)
                if not self._rest:
                    self._rest = memoryview(self._next(self._queued)) if self._queued else _NOTHING
        except (OSError, ValueError, anyio.ClosedResourceError):
            self.abort()
            return
        self._report_drained()

    def _report_drained(self) -> None:
        self._draining = False
        if not self._closing:
            self._hub.drained(self)

    # --- ending -----------------------------------------------------------------------------------

    def close(self, code: int, reason: str) -> None:
        """Say goodbye; the peer has `CLOSE_SECONDS` to answer."""
        if self._reader is None or self._closing:
            return
        self._append(close_frame(code, reason))
        self._closing = True
        self.resume_reading()
        self._scope.deadline = min(self._scope.deadline, anyio.current_time() + CLOSE_SECONDS)

    def abort(self) -> None:
        """End the connection now, without a word."""
        self._closing = True
        self._queued = None
        self._rest = _NOTHING
        self._scope.deadline = -math.inf
