"""One peer on one socket.

The rules:

1. `send` only queues; the hub flushes what one turn of the loop produced in one piece.
2. What the socket does not take at once is kept, and the connection is *blocked*: the core sends it nothing
   more, and one task waits until the socket has taken the rest.
3. `close` and `abort` are synchronous, so no cancellation can skip them; the reading task does the cleaning up.
"""

from __future__ import annotations

import contextlib
import io
import logging
import math
from typing import TYPE_CHECKING, Final

import anyio
from wsproto.connection import ConnectionState
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

from sharedstate_core.errors import CLOSE_TOO_BIG, CLOSE_UNSUPPORTED_DATA

from .handshake import Entrance, handshake
from .sockets import finish, receive

if TYPE_CHECKING:
    from wsproto import WSConnection
    from wsproto.events import Event

    from .hub import Hub
    from .keepalive import KeepAlive
    from .sockets import Stream

log = logging.getLogger("sharedstate")

PING: Final = b"\x89\x00"
"""A ping frame without payload: the same bytes for everybody."""

CLOSE_SECONDS: Final = 3.0
"""How long a peer may take to answer a close frame."""


PROGRESS_BYTES: Final = 64 * 1024
"""What a slow reader must take within `Limits.drain_seconds` to be called alive."""


class Connection:
    """A peer; the object itself is the handle under which the core knows it.

    Attributes:
        window_bits: of compressed messages that it takes (RFC 7692); 0: it takes none.
    """

    def __init__(self, sock: Stream, hub: Hub) -> None:
        self._sock = sock
        self._hub = hub
        self._websocket: WSConnection | None = None
        self._queued: list[bytes] = []
        self._rest = memoryview(b"")
        self._draining = False
        self._text: io.StringIO | None = None
        self._text_size = 0
        self._heard = False
        self.window_bits = 0
        self._closing = False
        self._broken = False
        self._scope = anyio.CancelScope()
        self._may_read = anyio.Event()
        self._may_read.set()

    # --- life -------------------------------------------------------------------------------------

    async def run(self, entrance: Entrance, address: str) -> None:
        """Serve the peer, whose `admission.group` is `address`, until it is gone."""
        try:
            with self._scope:
                opened = await handshake(self._sock, entrance, address)
                if opened is not None:
                    self.window_bits = opened.window_bits
                    await self._converse(opened.websocket, opened.data, entrance.keep_alive)
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

    async def _converse(self, websocket: WSConnection, data: bytes, keep_alive: KeepAlive) -> None:
        self._websocket = websocket
        self._hub.opened(self)
        keep_alive.watch(self)
        try:
            while True:
                if data:
                    websocket.receive_data(data)
                for event in websocket.events():
                    await self._may_read.wait()
                    self._handle(event, websocket)
                    if self._broken or websocket.state is ConnectionState.CLOSED:
                        return
                data = await receive(self._sock)
                if not data:
                    return
                self._heard = True
        finally:
            keep_alive.forget(self)
            self._hub.closed(self)
            self.flush()

    # --- reading ----------------------------------------------------------------------------------

    def _handle(self, event: Event, websocket: WSConnection) -> None:
        match event:
            case CloseConnection() if websocket.state is ConnectionState.REMOTE_CLOSING:
                self._queued.append(websocket.send(event.response()))
                self._closing = True
            case CloseConnection() if websocket.state is not ConnectionState.CLOSED:
                # Not the peer's: wsproto's verdict on bytes that break the rules. It cannot read on.
                self.close(event.code, event.reason or "")
                self._broken = True
            case _ if self._closing:
                pass  # we said goodbye: what still comes is not answered
            case TextMessage():
                self._take_text(event)
            case BytesMessage():
                self.close(CLOSE_UNSUPPORTED_DATA, "messages are text frames")
            case Ping():
                self._queued.append(websocket.send(event.response()))
                self._hub.queue_flush(self)
            case _:
                pass

    def _take_text(self, event: TextMessage) -> None:
        """Collect the pieces of one message, counting while they arrive."""
        most = self._hub.limits.message_bytes
        text = event.data
        self._text_size += len(text) if text.isascii() else len(text.encode())
        if self._text_size > most:
            self._text = None
            self.close(CLOSE_TOO_BIG, f"a message may have at most {most} bytes")
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
        self._hub.received(self, text)

    def pause_reading(self) -> None:
        """Take no more messages for now: backpressure reaches the peer through TCP."""
        if self._may_read.is_set():
            self._may_read = anyio.Event()

    def resume_reading(self) -> None:
        """Take messages again."""
        self._may_read.set()

    # --- writing ----------------------------------------------------------------------------------

    def send(self, frame: bytes) -> None:
        """Queue a frame; the hub flushes it in this turn of the loop."""
        if not self._closing:
            self._queued.append(frame)
            self._hub.queue_flush(self)

    def tell_drained(self) -> None:
        """Report when all that is queued has left."""
        self._draining = True
        self._hub.queue_flush(self)

    def ping(self) -> bool:
        """Send a ping, unless the peer could not answer it now; return whether it was sent."""
        if self._closing or self._rest or not self._may_read.is_set():
            return False
        self._heard = False
        self.send(PING)
        return True

    @property
    def is_silent(self) -> bool:
        """Whether the peer has sent nothing since the last ping, though it could have."""
        return not (self._heard or self._rest) and self._may_read.is_set()

    def flush(self) -> None:
        """Offer what is queued to the socket, unless it is full."""
        if self._rest:
            return
        if self._queued:
            data = self._queued[0] if len(self._queued) == 1 else b"".join(self._queued)
            self._queued.clear()
            try:
                sent = self._sock.send(data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError:
                self.abort()
                return
            if sent < len(data):
                self._rest = memoryview(data)[sent:]
                self._hub.blocked(self)
                return
        if self._draining:
            self._report_drained()

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
        except (OSError, ValueError, anyio.ClosedResourceError):
            self.abort()
            return
        self._report_drained()
        self._hub.queue_flush(self)

    def _report_drained(self) -> None:
        self._draining = False
        if not self._closing:
            self._hub.drained(self)

    # --- ending -----------------------------------------------------------------------------------

    def close(self, code: int, reason: str) -> None:
        """Say goodbye; the peer has `CLOSE_SECONDS` to answer."""
        websocket = self._websocket
        if websocket is None or self._closing:
            return
        if websocket.state is ConnectionState.OPEN:
            self._queued.append(websocket.send(CloseConnection(code, reason)))
            self._hub.queue_flush(self)
        self._closing = True
        self._may_read.set()
        self._scope.deadline = min(self._scope.deadline, anyio.current_time() + CLOSE_SECONDS)

    def abort(self) -> None:
        """End the connection now, without a word."""
        self._closing = True
        self._queued.clear()
        self._rest = memoryview(b"")
        self._scope.deadline = -math.inf
