"""WebSocket frames from the server: a header in front of the payload (RFC 6455, section 5.2).

wsproto reads what peers send. What goes out is the same for a thousand connections, so it is framed once, here,
and not once a connection.
"""

from __future__ import annotations

import struct
from typing import Final

_FIN_TEXT: Final = 0x81


def text_frame(message: bytes) -> bytes:
    """Return one unmasked, final text frame with this UTF-8 payload."""
    size = len(message)
    if size < 126:
        return bytes((_FIN_TEXT, size)) + message
    if size < 1 << 16:
        return struct.pack("!BBH", _FIN_TEXT, 126, size) + message
    return struct.pack("!BBQ", _FIN_TEXT, 127, size) + message
