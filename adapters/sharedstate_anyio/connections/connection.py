"""One peer on one socket.

The rules:

1. What arrives is handled where the loop says that it is there; the task only waits for the end.
2. `close` and `abort` are synchronous, so no cancellation can skip them; the task that runs the connection does the
   cleaning up.
3. What goes out is `Writer`'s.
4. Once both sides have said Close nothing more is read, and the server ends the connection, at once (RFC 6455, section
   7.1.1). A Close is answered behind what was sent before it; a peer that does not take that is not waited for long.
"""

from __future__ import annotations

import contextlib
import logging
import math
import time
from typing import TYPE_CHECKING, Final

import anyio
import anyio.lowlevel
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

from sharedstate_anyio.http.handshake import ConnectionContext, handshake
from sharedstate_anyio.hub.peer import Peer
from sharedstate_anyio.logs.events import about
from sharedstate_anyio.net.sockets import RECEIVE_BYTES, finish, while_readable
from sharedstate_anyio.websocket.fair_turns import LARGE_CHARACTERS
from sharedstate_anyio.websocket.frame_reader import Violation
from sharedstate_anyio.websocket.frames import PING, pong_frame
from sharedstate_core.errors import CLOSE_TOO_BIG, CLOSE_UNSUPPORTED_DATA

from .turn import Turn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sharedstate_anyio.http.handshake import Opened
    from sharedstate_anyio.hub.shared import Shared
    from sharedstate_anyio.net.sockets import Stream
    from sharedstate_anyio.websocket.frame_reader import Heard, Reader
    from sharedstate_anyio.websocket.keepalive import KeepAlive

log = logging.getLogger("sharedstate")

CLOSE_SECONDS: Final = 3.0
"""How long a peer may take to answer a close frame, or to take ours."""


class Connection(Peer):
    """A peer; the object itself is the handle under which the core knows it."""

    __slots__ = (
        "_event",
        "_events",
        "_heard",
        "_in_line",
        "_over",
        "_reader",
        "_resumed",
        "_scope",
        "_shared",
    )

    def __init__(self, sock: Stream, shared: Shared) -> None:
        super().__init__(sock, shared.broadcaster)
        self._shared = shared
        self._reader: Reader | None = None
        self._events: Iterator[Heard] = iter(())
        self._event: Heard | None = None  # the first of them that is not handled yet
        self._heard = False
        self._in_line = False  # its next message has to wait for others
        self._over = False  # nothing more is read
        self._scope = anyio.CancelScope()
        self._resumed: anyio.Event | None = None  # to come, while reading is paused

    # --- life -------------------------------------------------------------------------------------

    async def run(self, context: ConnectionContext, address: str) -> None:
        """Serve the peer, whose `admission.group` is `address`, until it is gone."""
        try:
            with self._scope:
                opened = await handshake(self.sock, context, address)
                if opened is not None:
                    await self._converse(opened, context.keep_alive)
                    await finish(self.sock)
        except OSError as error:
            log.debug("a connection broke: %s", error, extra=about("connection_broke"))
        except Exception as error:  # noqa: BLE001  (a fault of ours must not end the server)
            text = "a connection could not be handled; the others go on"
            fields = {"event": "connection_failed"}
            self._shared.errors.report(("connection", type(error)), text, error, fields)
        finally:
            self._drop()
            with contextlib.suppress(OSError):
                anyio.notify_closing(self.sock)
            self.sock.close()

    async def _converse(self, opened: Opened, keep_alive: KeepAlive) -> None:
        self._reader = opened.reader
        self._feed(opened.reader, opened.data)
        self.window_bits = opened.window_bits
        del opened
        self._shared.driver.opened(self)
        keep_alive.watch(self)
        try:
            while not self._over:
                if self._resumed is not None:
                    await self._resumed.wait()
                elif self._in_line:
                    await self._shared.fair_turns.wait(self)
                    self._in_line = False
                elif self._handle_events():
                    await while_readable(self.sock, self._read)
                else:
                    await anyio.lowlevel.checkpoint()
            if self._closing:
                await self.sent()
        finally:
            keep_alive.forget(self)
            self._shared.partial_messages.drop(self)
            self._shared.driver.closed(self, time.monotonic())
            self.flush()

    # --- reading ----------------------------------------------------------------------------------

    def _read(self) -> bool:
        """Take in and handle what has arrived; return whether to read on."""
        try:
            data = self.sock.recv(RECEIVE_BYTES)
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

        False also after `HANDLED_AT_ONCE` or `TURN_SECONDS`, and before a large message if `fair_turns` says so: then
        others have their turn.
        """
        turn = Turn()
        while self._event is not None:
            if isinstance(self._event, str):
                self._shared.driver.receive(self, self._texts(turn), time.monotonic())
            if turn.is_late:
                self._shared.fair_turns.end_turn(self)
                self._in_line = True
            elif not self._may_begin():
                self._in_line = True
            if self._in_line or not turn.goes_on or not self._may_read:
                return False
            if (other := self._event) is not None:
                self._move_on(turn)
                self._handle(other)
        return not self._over

    def _texts(self, turn: Turn) -> Iterator[str]:
        """Yield whole messages as long as nothing else comes: they are taken in together."""
        while turn.goes_on:
            text = self._event
            if not isinstance(text, str) or self._is_too_long(text) or not self._may_begin():
                return
            self._move_on(turn)
            if not self._closing:
                yield text

    def _may_begin(self) -> bool:
        """Return whether the next event may be handled now; what came in parts counts as large when it is whole."""
        event = self._event
        if isinstance(event, str):
            is_large = len(event) >= LARGE_CHARACTERS
        else:
            is_large = isinstance(event, TextMessage) and event.message_finished
        return not is_large or self._shared.fair_turns.allows(self)

    def _move_on(self, turn: Turn) -> None:
        self._event = next(self._events, None)
        turn.left -= 1

    @property
    def _may_read(self) -> bool:
        return self._resumed is None and not self._over

    @property
    def is_listening(self) -> bool:
        """Whether what the peer sends is taken in now: reading is not paused, and it does not wait for its turn."""
        return self._may_read and not self._in_line

    def _handle(self, event: Heard) -> None:
        match event:
            case CloseConnection():
                if not self._closing:
                    self._say_close(event.code, event.reason)
                self._over = True
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
                self.send_frame(pong_frame(bytes(event.payload)))
            case _:
                pass

    def _message_bytes(self) -> int:
        """Return the longest message that the peer may send now."""
        return self._shared.driver.limits.message_bytes

    def _is_too_long(self, text: str) -> bool:
        limit = self._message_bytes()
        return len(text) > limit or (not text.isascii() and len(text.encode()) > limit)

    def _take_part(self, event: TextMessage) -> None:
        """Collect the parts of one message, counting while they arrive."""
        partial_messages = self._shared.partial_messages
        if event.message_finished and self not in partial_messages:
            if self._is_too_long(event.data):
                self._refuse()
            else:
                self._shared.driver.receive(self, (event.data,), time.monotonic())
        elif partial_messages.add(self, event.data) > self._message_bytes():
            self._refuse()
        elif event.message_finished:
            self._shared.driver.receive(self, (partial_messages.take(self),), time.monotonic())

    def _refuse(self) -> None:
        limit = self._message_bytes()
        self.close(CLOSE_TOO_BIG, f"a message may have at most {limit} bytes")

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

    def blocked(self) -> None:
        """The socket has not taken everything."""
        if self._shared.driver.is_open(self):
            self.progressed()
            self._shared.tasks.start_soon(self.drain)

    def progressed(self) -> None:
        """The socket is still full, but has taken something."""
        self._shared.driver.blocked(self, self.unsent, time.monotonic())

    def drained(self) -> None:
        """The socket has taken everything."""
        self._shared.driver.drained(self, time.monotonic())

    # --- keeping it alive -------------------------------------------------------------------------

    def ping(self) -> bool:
        """Send a ping, unless the peer could not answer it now; return whether it was sent."""
        if self._closing or self.is_blocked or not self.is_listening:
            return False
        self._heard = False
        self.send_frame(PING)
        return True

    @property
    def is_silent(self) -> bool:
        """Whether the peer has sent nothing since the last ping, though it could have."""
        return self.is_listening and not (self._heard or self.is_blocked)

    # --- ending -----------------------------------------------------------------------------------

    def close(self, code: int, reason: str, *, at_once: bool = False) -> None:
        """Say goodbye; the peer has `CLOSE_SECONDS` to answer. `at_once`: end it now."""
        if self._reader is not None and not self._closing:
            self._say_close(code, reason)
            self._shared.partial_messages.drop(self)
            self.resume_reading()
        if at_once:
            self.abort()

    def _say_close(self, code: int, reason: str | None) -> None:
        self._end_with(code, reason)
        self._scope.deadline = min(self._scope.deadline, anyio.current_time() + CLOSE_SECONDS)

    def abort(self) -> None:
        """End the connection now, without a word."""
        self._drop()
        self._scope.deadline = -math.inf
