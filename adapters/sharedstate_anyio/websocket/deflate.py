"""Compression of messages (permessage-deflate, RFC 7692), without memory per connection.

The rules:

1. No context takeover in either direction: each message is compressed by itself. So nothing is kept between messages,
   and one compressed frame serves all peers that negotiated it.
2. Inflation stops at the maximum message size: a decompression bomb costs no more than that.
3. What may inflate to much is inflated when somebody takes it (`frame_reader.Compressed`); short texts are at once.
4. A text is compressed once, when first needed; short and very long ones are sent uncompressed.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Final

from wsproto.extensions import Extension
from wsproto.frame_protocol import CloseReason, Opcode, RsvBits

from sharedstate_anyio.config.compression import LONGEST_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsproto.frame_protocol import FrameDecoder, FrameProtocol

LEVEL: Final = 1
"""zlib's fastest level: JSON shrinks nearly as much as at the default, in a third of the time."""

INFLATER_BYTES: Final = 48 * 1024
"""Memory that zlib takes at the most to inflate a message, as long as not all of it has come."""

SHORT_BYTES: Final = 4096
"""A text of this size takes little time and memory."""

_FIN_RSV1_TEXT: Final = 0xC1
_TAIL: Final = b"\x00\x00\xff\xff"
_PARAMETERS: Final = frozenset(
    {
        "server_no_context_takeover",
        "client_no_context_takeover",
        "server_max_window_bits",
        "client_max_window_bits",
    }
)


def compressed_text_frame(message: bytes, window_bits: int = 15) -> bytes:
    """Return one unmasked, final, compressed text frame with this UTF-8 payload."""
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -window_bits)
    payload = packer.compress(message) + packer.flush(zlib.Z_SYNC_FLUSH)
    payload = payload.removesuffix(_TAIL)
    size = len(payload)
    if size < 126:
        return bytes((_FIN_RSV1_TEXT, size)) + payload
    if size < 1 << 16:
        return struct.pack("!BBH", _FIN_RSV1_TEXT, 126, size) + payload
    return struct.pack("!BBQ", _FIN_RSV1_TEXT, 127, size) + payload


def inflate_short_text(payload: bytes) -> str | None:
    """Return the text of a compressed message; None if it is long, or anything else about it is unusual."""
    if len(payload) > SHORT_BYTES:
        return None
    inflater = zlib.decompressobj(-15)
    try:
        text = inflater.decompress(payload + _TAIL, SHORT_BYTES)
        is_whole = not (inflater.unconsumed_tail or inflater.eof or len(text) == SHORT_BYTES)
        return text.decode() if is_whole else None
    except (zlib.error, UnicodeDecodeError):
        return None


LARGEST_WINDOW: Final = 15
"""Bits of the window that nearly everybody has."""

SMALL_WINDOW_BYTES: Final = 64 * 1024
"""Longest message that is compressed for smaller windows, too: that takes six times as long for each of six."""


class Frames:
    """One message in the forms that its readers have negotiated, each made once.

    Args:
        message: the text, in UTF-8.
        plain: its uncompressed frame.
        threshold: size in bytes from which it is compressed.
    """

    __slots__ = ("_made", "_message", "_plain", "_worth")

    def __init__(self, message: bytes, plain: bytes, threshold: int) -> None:
        self._message = message
        self._plain = plain
        self._worth = threshold <= len(message) <= LONGEST_BYTES
        self._made: dict[int, bytes] = {}

    def for_window(self, window_bits: int) -> bytes:
        """Return the frame for a reader with this window; 0 for one without compression."""
        if not window_bits or not self._worth:
            return self._plain
        if window_bits < LARGEST_WINDOW and len(self._message) > SMALL_WINDOW_BYTES:
            return self._plain
        frame = self._made.get(window_bits)
        if frame is None:
            frame = compressed_text_frame(self._message, window_bits)
            if len(frame) >= len(self._plain):
                frame = self._plain
            self._made[window_bits] = frame
        return frame


class Deflate(Extension):
    """The extension for one connection: negotiates it, and reads compressed messages.

    Outgoing messages are compressed elsewhere (`Frames`).

    Args:
        max_bytes: returns the size limit of an inflated message, in bytes; called each time.

    Attributes:
        window_bits: window of outgoing messages, 9 to 15; 0 if nothing was negotiated.
    """

    name = "permessage-deflate"

    def __init__(self, max_bytes: Callable[[], int]) -> None:
        self.window_bits = 0
        self._max_bytes = max_bytes
        self._inflated = 0
        self._inflater: zlib._Decompress | None = None
        self._in_message = False

    def enabled(self) -> bool:
        """Return whether it was negotiated."""
        return self.window_bits > 0

    def offer(self) -> bool:
        """Offer nothing: only clients do."""
        return False

    def accept(self, offer: str) -> str | None:
        """Return the negotiated parameters, or None to decline this offer (RFC 7692, section 7.1)."""
        if self.window_bits:
            return None  # an earlier offer, which the client prefers, was accepted
        parameters: dict[str, str | None] = {}
        for part in offer.split(";")[1:]:
            name, equals, value = (piece.strip() for piece in part.partition("="))
            if name not in _PARAMETERS or name in parameters:
                return None
            parameters[name] = value.strip('"') if equals else None
        bits = _bits(parameters, "server_max_window_bits")
        client_bits = _bits(parameters, "client_max_window_bits")
        if (
            bits is None or client_bits is None or bits == 8
        ):  # zlib does not support a window of 256 bytes
            return None
        if parameters.get("server_max_window_bits", "") is None:
            return None  # this one needs a value
        for flag in ("server_no_context_takeover", "client_no_context_takeover"):
            if parameters.get(flag) is not None:
                return None  # these have none
        self.window_bits = bits
        answer = ["server_no_context_takeover", "client_no_context_takeover"]
        if "server_max_window_bits" in parameters:
            answer.append(f"server_max_window_bits={bits}")
        return "; ".join(answer)

    def frame_inbound_header(
        self,
        proto: FrameDecoder | FrameProtocol,  # noqa: ARG002  (wsproto's)
        opcode: Opcode,
        rsv: RsvBits,
        payload_length: int,  # noqa: ARG002
    ) -> CloseReason | RsvBits:
        """Check a frame's header; called again until the header is complete."""
        if rsv.rsv1 and (opcode.iscontrol() or opcode is Opcode.CONTINUATION):
            return CloseReason.PROTOCOL_ERROR
        self._in_message = not opcode.iscontrol()
        if rsv.rsv1 and self._inflater is None:
            self._inflater = zlib.decompressobj(-15)
            self._inflated = 0
        return RsvBits(rsv1=True, rsv2=False, rsv3=False)

    def frame_inbound_payload_data(
        self,
        proto: FrameDecoder | FrameProtocol,  # noqa: ARG002
        data: bytes,
    ) -> bytes | CloseReason:
        """Inflate a piece of a message."""
        return self._inflate(data) if self._in_message and self._inflater is not None else data

    def frame_inbound_complete(
        self,
        proto: FrameDecoder | FrameProtocol,  # noqa: ARG002
        fin: bool,
    ) -> bytes | CloseReason | None:
        """Inflate the end of a message."""
        if not fin or not self._in_message or self._inflater is None:
            return None
        data = self._inflate(_TAIL)
        self._inflater = None
        return data

    def forget(self) -> None:
        """Forget a message of which part has come; the rest of it must not come."""
        self._inflater = None

    def _inflate(self, data: bytes) -> bytes | CloseReason:
        assert self._inflater is not None  # noqa: S101
        limit = self._max_bytes()
        if (
            self._inflated > limit
        ):  # the limit was lowered since the message began; for zlib 0 means no bound
            return CloseReason.MESSAGE_TOO_BIG
        try:
            text = self._inflater.decompress(data, limit - self._inflated + 1)
        except zlib.error:
            return CloseReason.INVALID_FRAME_PAYLOAD_DATA
        self._inflated += len(text)
        if self._inflated > limit or self._inflater.unconsumed_tail:
            return CloseReason.MESSAGE_TOO_BIG
        if (
            len(self._inflater.unused_data) > len(_TAIL) + 1
        ):  # zlib would keep what follows a final block
            return CloseReason.INVALID_FRAME_PAYLOAD_DATA
        return text


def _bits(parameters: dict[str, str | None], name: str) -> int | None:
    """Return a number of window bits: 15 if none is given, None if it is invalid."""
    value = parameters.get(name)
    if value is None:
        return 15
    fits = value.isascii() and value.isdigit() and not value.startswith("0")
    return int(value) if fits and len(value) <= 2 and 8 <= int(value) <= 15 else None
