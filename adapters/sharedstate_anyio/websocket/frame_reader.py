"""Reading WebSocket frames (RFC 6455, section 5) behind one small interface, `Reader`.

`WsprotoReader` leaves everything to wsproto. `FrameReader`, which connections use, itself reads what peers nearly
always send, complete texts and pongs; every other frame goes to wsproto: fragments, pings, close frames, extensions,
and protocol errors. So an idle connection holds no parser.

What is compressed may be a thousand times as large as it is here: it stays as it came until somebody takes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from sharedstate_core.errors import CLOSE_INVALID_TEXT, CLOSE_TOO_BIG

from .deflate import inflate_short_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wsproto.extensions import Extension

    from .deflate import Deflate


@dataclass(frozen=True, slots=True)
class Violation:
    """The peer violated the protocol; nothing more can be read.

    Attributes:
        code: close code to send.
        reason: what was wrong, in a few words.
    """

    code: int
    reason: str


Plain: TypeAlias = TextMessage | BytesMessage | Ping | Pong | CloseConnection | Violation


@dataclass(frozen=True, slots=True)
class Compressed:
    """A piece of a compressed message, which may be large once it is inflated.

    Attributes:
        events: what is in it: inflated when they are taken, which has to be before anything else is read.
        is_last: whether the message is complete with it; until then the reader holds what inflates it.
    """

    events: Iterator[Plain]
    is_last: bool


Heard: TypeAlias = str | Compressed | Plain
"""What was read: a `str` is a complete text message, a `TextMessage` may be part of one."""


_BROKEN_RULE: Final = "a frame breaks the rules of WebSocket (RFC 6455)"
_REASONS: Final = {
    CLOSE_INVALID_TEXT: "a text is not UTF-8, or not compressed as agreed",
    CLOSE_TOO_BIG: "a message is too long",
}
"""Reasons for violations, by close code: wsproto's own may come from a Python exception."""


class Reader(Protocol):
    """Reads one connection. It may omit pongs."""

    def feed(self, data: bytes) -> Iterator[Heard]:
        """Feed what has arrived; yield the events in it.

        Exhaust the iterator before the next `feed`; do not call it after a `Violation` or a `CloseConnection`.
        """
        ...


class WsprotoReader:
    """Reads with wsproto.

    Args:
        extensions: as negotiated with the peer.
    """

    __slots__ = ("_connection",)

    def __init__(self, extensions: Sequence[Extension] = ()) -> None:
        self._connection = Connection(ConnectionType.SERVER, list(extensions))

    def feed(self, data: bytes) -> Iterator[Plain]:
        """See `Reader`."""
        connection = self._connection
        connection.receive_data(data)
        for event in connection.events():
            match event:
                case CloseConnection() if connection.state is ConnectionState.OPEN:
                    # wsproto's verdict
                    yield Violation(event.code, _REASONS.get(event.code, _BROKEN_RULE))
                    return
                case TextMessage() | BytesMessage() | Ping() | Pong() | CloseConnection():
                    yield event
                case _:
                    raise AssertionError(event)


_WHOLE_TEXT: Final = 0x81
_WHOLE_COMPRESSED_TEXT: Final = 0xC1
_WHOLE_PONG: Final = 0x8A
_PONG: Final = Pong()
_FIN: Final = 0x80
_MASKED: Final = 0x80
_CONTROL: Final = 0x08
_OPCODE: Final = 0x0F
_RSV1: Final = 0x40


class FrameReader:
    """Reads complete texts and pongs itself, and passes the rest to wsproto.

    Args:
        extensions: as negotiated with the peer.
    """

    __slots__ = (
        "_extensions",
        "_head",
        "_ignores",
        "_in_message",
        "_is_compressed",
        "_left",
        "_may_inflate",
        "_skips",
        "_wsproto",
    )

    def __init__(self, extensions: Sequence[Deflate] = ()) -> None:
        self._extensions = extensions
        self._wsproto: WsprotoReader | None = None  # while it has read part of something
        self._head = b""  # the beginning of a frame, too short to know its length
        self._left = 0  # bytes still to come of the frame that wsproto reads
        self._in_message = False  # the last part of a message is still to come
        self._is_compressed = False  # that message, or the last one
        self._may_inflate = False  # the frame that wsproto reads is part of a compressed message
        self._ignores = False  # messages
        self._skips = False  # the frame under way

    def ignore_messages(self) -> None:
        """Read nothing but control frames from the next frame on, and free what a message that has begun takes.

        wsproto's objects wait for the garbage collector; they are small.
        """
        for extension in self._extensions:
            extension.forget()
        self._extensions, self._wsproto = (), None
        self._ignores = self._skips = True

    def feed(self, data: bytes) -> Iterator[Heard]:
        """See `Reader`."""
        if self._head:
            data, self._head = self._head + data, b""
        at, end = 0, len(data)
        while at < end:
            if not self._left:
                stop, payload = _measure(data, at, end)
                if not stop:
                    self._head = data[at:]
                    return
                if payload and stop <= end:
                    heard = self._read(data[at], data, payload, stop)
                    if heard is not None:
                        at = stop
                        yield heard
                        continue
                self._begin(data[at])
                self._left = stop - at
            piece = data[at : at + self._left]
            at += len(piece)
            self._left -= len(piece)
            if not self._skips:
                yield from self._pass_on(piece)

    def _pass_on(self, piece: bytes) -> Iterator[Heard]:
        """Have wsproto read a piece of a frame."""
        if self._wsproto is None:
            self._wsproto = WsprotoReader(self._extensions)
        events = self._wsproto.feed(piece)
        is_last = not (self._left or self._in_message)
        if self._may_inflate:
            yield Compressed(events, is_last)
        else:
            yield from events
        if is_last:
            self._wsproto = None

    def _begin(self, first: int) -> None:
        """Begin a frame that wsproto reads."""
        if not first & _CONTROL:
            if first & _OPCODE:
                self._is_compressed = first & _RSV1 > 0
            self._in_message = not first & _FIN
        self._may_inflate = self._is_compressed and not first & _CONTROL
        self._skips = self._ignores and not first & _CONTROL

    def _read(self, first: int, data: bytes, payload: int, stop: int) -> str | Pong | None:
        """Read a complete frame; return None if wsproto has to."""
        if first == _WHOLE_TEXT:
            return None if self._in_message else _text(data, payload, stop)
        if first == _WHOLE_COMPRESSED_TEXT and self._extensions and not self._in_message:
            return inflate_short_text(_unmasked(data, payload, stop))
        return _PONG if first == _WHOLE_PONG and stop - payload < 126 else None


def _measure(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Return the offsets of the end and of the payload of the frame that begins at `at`.

    (0, 0) if its header is incomplete. The payload is at 0 if the header violates the protocol.
    """
    if end - at < 2:
        return 0, 0
    size = data[at + 1]
    if size < _MASKED:
        return end, 0  # not masked; wsproto reports it
    size ^= _MASKED
    payload = at + 6
    if size > 125:
        width = 2 if size == 126 else 8
        payload += width
        if end < payload:
            return 0, 0
        size = int.from_bytes(data[at + 2 : at + 2 + width], "big")
        if size < 126 or (width == 8 and size < 1 << 16):
            return payload + size, 0  # not the shortest encoding of the length
    elif end < payload:
        return 0, 0
    return payload + size, payload


def _unmasked(data: bytes, start: int, stop: int) -> bytes:
    """Return a masked payload, which follows its mask, in the clear."""
    size = stop - start
    mask = int.from_bytes((data[start - 4 : start] * (size // 4 + 1))[:size], "little")
    plain = int.from_bytes(data[start:stop], "little") ^ mask
    return plain.to_bytes(size, "little")


def _text(data: bytes, start: int, stop: int) -> str | None:
    """Return the text of a masked payload; None if it is not UTF-8."""
    try:
        return _unmasked(data, start, stop).decode()
    except UnicodeDecodeError:
        return None
