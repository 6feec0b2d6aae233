"""WebSocket frames from a client's side (RFC 6455, section 5), able to break every rule."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

CONTINUATION: Final = 0
TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10

_MASK: Final = b"\x6d\x61\x73\x6b"


class Frame(NamedTuple):
    """One frame as it came."""

    opcode: int
    payload: bytes
    fin: bool = True
    masked: bool = False

    @property
    def close_code(self) -> int:
        """The code of a close frame."""
        return int(struct.unpack_from("!H", self.payload)[0])


def encode(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True
) -> bytes:
    """Return one frame, masked as a client's must be."""
    first = fin << 7 | rsv << 4 | opcode
    mask_bit = masked << 7
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", first, mask_bit | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", first, mask_bit | 126, size)
    else:
        head = struct.pack("!BBQ", first, mask_bit | 127, size)
    return head + _MASK + _mask(payload) if masked else head + payload


def encode_text(text: str) -> bytes:
    """Return one whole text message."""
    return encode(TEXT, text.encode())


def encode_close(code: int, reason: bytes = b"") -> bytes:
    """Return a close frame."""
    return encode(CLOSE, struct.pack("!H", code) + reason)


def _mask(payload: bytes) -> bytes:
    size = len(payload)
    key = (_MASK * (size // 4 + 1))[:size]
    return (int.from_bytes(payload) ^ int.from_bytes(key)).to_bytes(size)


class FrameReader:
    """Bytes in, frames out."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Take in what has arrived."""
        self._buffer += data

    def next(self) -> Frame | None:
        """Return the next frame, or None until more has arrived."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        size, start = buffer[1] & 0x7F, 2
        if size >= 126:
            width = 2 if size == 126 else 8
            if len(buffer) < 2 + width:
                return None
            size, start = int.from_bytes(buffer[2 : 2 + width]), 2 + width
            assert size > (125 if width == 2 else 65535), "a length has its shortest form"
        if len(buffer) < start + size:
            return None
        assert not buffer[0] & 0x70, "a reserved bit is set"
        payload = bytes(buffer[start : start + size])
        frame = Frame(buffer[0] & 0x0F, payload, bool(buffer[0] & 0x80), bool(buffer[1] & 0x80))
        del buffer[: start + size]
        return frame
