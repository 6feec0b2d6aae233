"""What one peer sends: read as it arrives, and handled in turns.

The rules:

1. What arrives is handled where the event loop reports it; the connection's task only waits for the end.
2. Others have their turn after `HANDLED_AT_ONCE` messages or `TURN_SECONDS`, and before a large message if `fair_turns`
   says so.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from typing import TYPE_CHECKING

import anyio
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

from sharedstate_anyio.hub.peer import Peer
from sharedstate_anyio.net.sockets import RECEIVE_BYTES
from sharedstate_anyio.websocket.fair_turns import LARGE_CHARACTERS
from sharedstate_anyio.websocket.frame_reader import Compressed, Violation
from sharedstate_anyio.websocket.frames import pong_frame
from sharedstate_core.errors import CLOSE_TOO_BIG, CLOSE_UNSUPPORTED_DATA

from .turn import Turn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sharedstate_anyio.hub.shared import Shared
    from sharedstate_anyio.net.sockets import Stream
    from sharedstate_anyio.websocket.frame_reader import FrameReader, Heard


class Receiver(Peer):
    """The reading side of a connection."""

    __slots__ = (
        "_event",
        "_events",
        "_heard",
        "_in_line",
        "_over",
        "_reader",
        "_resumed",
        "_shared",
    )

    def __init__(self, sock: Stream, shared: Shared) -> None:
        super().__init__(sock, shared.broadcaster)
        self._shared = shared
        self._reader: FrameReader | None = None
        self._events: Iterator[Heard] = iter(())
        self._event: Heard | None = None  # the first event not handled yet
        self._heard = False
        self._in_line = False  # its next message has to wait its turn
        self._over = False  # nothing more is read
        self._resumed: anyio.Event | None = (
            None  # set when reading resumes; None while it is not paused
        )

    def _read(self) -> bool:
        """Read and handle what has arrived; return whether to read on."""
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

    def _feed(self, reader: FrameReader, data: bytes) -> None:
        self._events = reader.feed(data)
        self._event = next(self._events, None)

    def _handle_events(self) -> bool:
        """Handle the events left of what was read; return whether to read on.

        False also when the turn ends: after `HANDLED_AT_ONCE` messages or `TURN_SECONDS`, or before a large message if
        `fair_turns` says so.
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
            event = self._event
            if isinstance(event, Compressed):
                self._inflate(event, turn)
            elif isinstance(event, str) and not (self._closing or self._is_too_long(event)):
                pass  # reading was paused, and has been resumed since: now it is taken
            elif event is not None:
                self._move_on(turn)
                self._handle(event)
        return not self._over

    def _texts(self, turn: Turn) -> Iterator[str]:
        """Yield complete messages until something else comes: they are handled together."""
        while turn.goes_on:
            text = self._event
            if not isinstance(text, str) or self._is_too_long(text) or not self._may_begin():
                return
            self._move_on(turn)
            if not self._closing:
                yield text

    def _may_begin(self) -> bool:
        """Return whether the next event may be handled now; a fragmented message counts once it is complete.

        What is compressed counts as large, and is not inflated before: as a text it would wait in memory.
        """
        event = self._event
        if isinstance(event, str):
            is_large = len(event) >= LARGE_CHARACTERS
        else:
            is_whole = isinstance(event, TextMessage) and event.message_finished
            is_large = is_whole or isinstance(event, Compressed)
        return not is_large or self._shared.fair_turns.allows(self)

    def _move_on(self, turn: Turn) -> None:
        self._event = next(self._events, None)
        turn.left -= 1

    @property
    def _may_read(self) -> bool:
        return self._resumed is None and not self._over

    @property
    def is_listening(self) -> bool:
        """Whether what the peer sends is read now: reading is not paused, and the peer is not waiting for its turn."""
        return self._may_read and not self._in_line

    def _inflate(self, compressed: Compressed, turn: Turn) -> None:
        for event in compressed.events if not self._closing else ():
            self._handle(event)
        if self._over:
            self._event = None
            return
        if not (compressed.is_last or self._closing):
            self._shared.partial_messages.inflate(self)
        self._move_on(turn)

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
                pass  # a close frame was sent: what still arrives is not answered
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
        """Return the size limit for the peer's next message, in bytes."""
        return self._shared.driver.limits.message_bytes

    def _is_too_long(self, text: str) -> bool:
        limit = self._message_bytes()
        return len(text) > limit or (not text.isascii() and len(text.encode()) > limit)

    def _take_part(self, event: TextMessage) -> None:
        """Collect the parts of one message, counting its bytes as they arrive."""
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

    def _forget_message(self) -> None:
        """Read no messages any more, and forget the one that has begun."""
        if self._reader is not None:
            self._reader.ignore_messages()
        self._shared.partial_messages.drop(self)

    def _refuse(self) -> None:
        limit = self._message_bytes()
        self.close(CLOSE_TOO_BIG, f"a message may have at most {limit} bytes")

    def pause_reading(self) -> None:
        """Stop reading messages: backpressure reaches the peer through TCP."""
        if self._resumed is None:
            self._resumed = anyio.Event()

    def resume_reading(self) -> None:
        """Read messages again."""
        if self._resumed is not None:
            self._resumed.set()
            self._resumed = None

    @abstractmethod
    def _say_close(self, code: int, reason: str | None) -> None:
        """Send a close frame; the peer has to answer it in time."""
