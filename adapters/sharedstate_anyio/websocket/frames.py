"""WebSocket frames from the server: a header in front of the payload (RFC 6455, section 5.2).

A message is the same for a thousand connections, so it is framed here, once, not once per connection. Control frames
come from wsproto.
"""

from __future__ import annotations

import struct
from typing import Final

from wsproto.frame_protocol import FrameProtocol

LARGE_BYTES: Final = 64 * 1024
"""Size from which a copy costs more than a system call: header and message are then sent separately."""

PING: Final = b"\x89\x00"
"""A ping without payload: the same bytes for everybody."""

_framer: Final = FrameProtocol(client=False, extensions=[])

_FIN_TEXT: Final = 0x81


def text_head(size: int) -> bytes:
    """Return the header of one unmasked, final text frame with a payload of this size in bytes."""
    if size < 126:
        return bytes((_FIN_TEXT, size))
    if size < 1 << 16:
        return struct.pack("!BBH", _FIN_TEXT, 126, size)
    return struct.pack("!BBQ", _FIN_TEXT, 127, size)


def text_frame(message: bytes) -> bytes:
    """Return one unmasked, final text frame with this UTF-8 payload."""
    return text_head(len(message)) + message


def pong_frame(payload: bytes) -> bytes:
    """Return the answer to a ping."""
    return bytes(_framer.pong(payload))


def close_frame(code: int, reason: str | None) -> bytes:
    """Return a close frame; a reason that is too long is truncated.

    1005 (no code) gives an empty payload; 1006 and 1015, which must not be sent, become 1000.
    """
    return bytes(_framer.close(code, reason or None))
