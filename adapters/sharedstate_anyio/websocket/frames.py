"""WebSocket frames from the server: a header in front of the payload (RFC 6455, section 5.2).

A message is the same for a thousand connections, so it is framed here, once, not once per connection. Control frames
come from wsproto.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from wsproto.frame_protocol import FrameProtocol

if TYPE_CHECKING:
    from collections.abc import Sequence

LARGE_BYTES: Final = 64 * 1024
"""Size from which a copy costs more than a system call: header and payload are then sent separately."""

PING: Final = b"\x89\x00"
"""A ping without payload: the same bytes for everybody."""

_framer: Final = FrameProtocol(client=False, extensions=[])

_FIN: Final = 0x80
_TEXT: Final = 1
_CONTINUATION: Final = 0


class Head(bytes):
    """The header of a frame whose payload is sent separately, right behind it."""

    __slots__ = ()


def text_frame(message: bytes) -> bytes:
    """Return one unmasked, final text frame with this UTF-8 payload."""
    return _head(_FIN | _TEXT, len(message)) + message


def fragments(pieces: Sequence[bytes]) -> Sequence[bytes]:
    """Return one text message as a frame for each piece, each behind its `Head`: nothing is copied.

    A close frame may be sent between two of them, so a connection can be closed in order in the middle of a message.
    """
    frames: list[bytes] = []
    last = len(pieces) - 1
    for number, piece in enumerate(pieces):
        opcode = _CONTINUATION if number else _TEXT
        frames += Head(_head(_FIN | opcode if number == last else opcode, len(piece))), piece
    return frames


def _head(first: int, size: int) -> bytes:
    """Return the header of an unmasked frame: its first byte, then the size of its payload in bytes."""
    if size < 126:
        return bytes((first, size))
    if size < 1 << 16:
        return struct.pack("!BBH", first, 126, size)
    return struct.pack("!BBQ", first, 127, size)


def pong_frame(payload: bytes) -> bytes:
    """Return the answer to a ping."""
    return bytes(_framer.pong(payload))


def close_frame(code: int, reason: str | None) -> bytes:
    """Return a close frame; a reason that is too long is truncated.

    1005 (no code) gives an empty payload; 1006 and 1015, which must not be sent, become 1000.
    """
    return bytes(_framer.close(code, reason or None))
