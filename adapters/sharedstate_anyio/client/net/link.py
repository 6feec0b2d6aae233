"""One WebSocket over one stream, once it is open (`dial`): the only module that watches for silent peers.

The rules:

1. `send` and `close` only queue; one task writes, one reads, one watches. What is queued is bounded by the
   core's window of unanswered requests.
2. When `run` returns the stream is closed, whatever happened.
3. A peer that is silent for `ping_interval` seconds is pinged; if it stays silent for `ping_timeout` more, and accepts
   no bytes either, the link is dead.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import anyio
from wsproto.connection import ConnectionState
from wsproto.events import (
    BytesMessage,
    CloseConnection,
    Ping,
    TextMessage,
)

from sharedstate_core.arguments import check_number, expect
from sharedstate_core.errors import CLOSE_TOO_BIG, CLOSE_UNSUPPORTED_DATA

from .errors import reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anyio.abc import ByteStream
    from wsproto import WSConnection
    from wsproto.events import Event

CHUNK_BYTES: Final = 64 * 1024
"""Maximum that is read or written at once: between chunks other tasks run and progress is noted."""

PONGS_BYTES: Final = 64 * 1024
"""Number of queued bytes above which a peer that does not read gets no more pongs."""

SENT_AWAY: Final = range(4400, 4500)
"""Close codes with which a server sends a client away for good."""

GOODBYE_SECONDS: Final = 1.0
"""How long an orderly end waits for the peer."""

BROKEN: Final = (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream)


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """How to open a link and when to drop it; sizes in bytes, times in seconds.

    Raises:
        TypeError, ValueError: an invalid option; `connect` has the same names.
    """

    ssl_context: ssl.SSLContext | None = None
    headers: Sequence[tuple[bytes, bytes]] = ()
    max_message: int = 64 * 1024 * 1024
    connect_timeout: float = 10.0
    ping_interval: float = 20.0
    ping_timeout: float = 20.0

    def __post_init__(self) -> None:
        if self.ssl_context is not None:
            expect("ssl_context", self.ssl_context, ssl.SSLContext, "an")
        check_number("max_message", self.max_message, 1)
        for seconds in ("connect_timeout", "ping_interval", "ping_timeout"):
            check_number(seconds, getattr(self, seconds), 0.001, whole=False)


class End(NamedTuple):
    """How a link ended.

    Attributes:
        reason: completes the sentence "connection lost: …".
        too_big: whether the server hung up because a message was too long for it.
        hung_up: whether the client hung up because of what the server sent.
        sent_away: the close code, if the server sent the client away for good.
    """

    reason: str
    too_big: bool = False
    hung_up: bool = False
    sent_away: int | None = None


class Link:
    """A WebSocket that is open."""

    def __init__(
        self, stream: ByteStream, websocket: WSConnection, events: list[Event], options: LinkOptions
    ) -> None:
        self._stream = stream
        self._websocket = websocket
        self._events = events
        self._options = options
        self._queued: list[bytes] = []
        self._wanted = anyio.Event()
        self._writing = False
        self._written = 0
        self._drained = anyio.Event()
        self._heard = anyio.Event()
        self._text: list[str] = []
        self._text_size = self._text_seen = 0
        self._ending = False
        self._reading = anyio.CancelScope()
        self._end = End("the server went away")

    def send(self, message: bytes) -> None:
        """Queue one text message."""
        if self._websocket.state is ConnectionState.OPEN:
            self._queue(self._websocket.send(TextMessage(message.decode())))

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye; `run` returns when the peer has answered."""
        if self._websocket.state is ConnectionState.OPEN:
            self._queue(self._websocket.send(CloseConnection(code, reason)))

    def give_up(self, code: int, problem: str) -> None:
        """Hang up because of what the server sent, without waiting for its answer."""
        self._end = End(f"the server was hung up on: {problem}", hung_up=True)
        self._reading.cancel()
        self.close(code, problem)

    def is_receiving(self) -> bool:
        """Return whether a message is arriving that has brought `CHUNK_BYTES` more since this was last asked."""
        before, self._text_seen = self._text_seen, self._text_size
        return self._text_size - before >= CHUNK_BYTES

    async def run(self, received: Callable[[str], None]) -> End:
        """Carry messages until the link has ended; return why."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._write)
                tasks.start_soon(self._watch, tasks.cancel_scope)
                with self._reading:
                    await self._read(received)
                self._ending = True
                self._wanted.set()
                with anyio.move_on_after(GOODBYE_SECONDS):
                    await self._drained.wait()
                tasks.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.aclose_forcefully(self._stream)
        return self._end

    # --- reading ----------------------------------------------------------------------------------

    async def _read(self, received: Callable[[str], None]) -> None:
        while True:
            for event in self._events:
                if not self._handle(event, received):
                    return
            try:
                data = await self._stream.receive(CHUNK_BYTES)
            except BROKEN as error:
                if not isinstance(error, anyio.EndOfStream):
                    self._end = End(reason_of(error))
                return
            self._heard.set()
            self._websocket.receive_data(data)
            self._events = list(self._websocket.events())

    def _handle(self, event: Event, received: Callable[[str], None]) -> bool:
        """Handle one event; return whether to read on."""
        match event:
            case TextMessage():
                self._text_size += _size(event.data)
                if self._text_size > self._options.max_message:
                    limit = self._options.max_message
                    problem = f"its message is longer than max_message, {limit} bytes"
                    self.give_up(CLOSE_TOO_BIG, problem)
                    return False
                if event.data:  # frames without any, which do not count, must not pile up
                    self._text.append(event.data)
                if event.message_finished:
                    text = "".join(self._text)
                    self._text.clear()
                    self._text_size = 0
                    received(text)
                    return not self._reading.cancel_called
            case BytesMessage():
                self.give_up(CLOSE_UNSUPPORTED_DATA, "it sent a binary message")
                return False
            case Ping():
                if sum(map(len, self._queued)) < PONGS_BYTES and self._is_open:
                    self._queue(self._websocket.send(event.response()))
            case CloseConnection():
                return self._closed(event)
            case _:
                pass
        return True

    def _closed(self, event: CloseConnection) -> bool:
        state = self._websocket.state
        if (
            state is ConnectionState.OPEN
        ):  # not the peer's: wsproto's verdict on bytes that break the rules
            self.give_up(event.code, event.reason or "it broke the WebSocket protocol")
        if state is ConnectionState.REMOTE_CLOSING:
            reason = f"the server closed it: {event.code} {event.reason or ''}".rstrip()
            self._end = End(reason)
            if event.code == CLOSE_TOO_BIG:
                self._end = End(event.reason or "the message is too long", too_big=True)
            elif event.code in SENT_AWAY:
                self._end = End(reason, sent_away=event.code)
            self._queue(self._websocket.send(event.response()))
        return False

    @property
    def _is_open(self) -> bool:
        return self._websocket.state is ConnectionState.OPEN

    # --- writing ----------------------------------------------------------------------------------

    def _queue(self, data: bytes) -> None:
        self._queued.append(data)
        self._wanted.set()

    async def _write(self) -> None:
        while self._queued or not self._ending:
            await self._wanted.wait()
            self._wanted = anyio.Event()
            data = memoryview(b"".join(self._queued))
            self._queued.clear()
            self._writing = True
            try:
                for start in range(0, len(data), CHUNK_BYTES):
                    await self._stream.send(bytes(data[start : start + CHUNK_BYTES]))
                    self._written += 1
            except BROKEN:
                break  # the reader sees this too
            self._writing = False
        self._drained.set()

    # --- watching ---------------------------------------------------------------------------------

    async def _watch(self, link: anyio.CancelScope) -> None:
        """Ping a silent peer, and end the link if it does not answer."""
        while True:
            self._heard = anyio.Event()
            with anyio.move_on_after(self._options.ping_interval):
                await self._heard.wait()
                await anyio.sleep_forever()  # something came: look again when the interval is over
            if self._heard.is_set():
                continue
            if self._is_open:
                self._queue(self._websocket.send(Ping()))
            if not await self._answers():
                self._end = End(f"the server has not answered for {self._options.ping_timeout:g} s")
                link.cancel()

    async def _answers(self) -> bool:
        while True:
            written = self._written
            with anyio.move_on_after(self._options.ping_timeout):
                await self._heard.wait()
                return True
            if self._written == written or not self._writing:
                return False


def _size(text: str) -> int:
    """Return the length of a text in UTF-8, as it was received."""
    return len(text) if text.isascii() else len(text.encode())
