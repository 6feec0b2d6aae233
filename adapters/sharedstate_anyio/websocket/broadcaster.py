"""Sending to many: the frames of one turn of the loop are joined for each peer and offered to its socket at once.

The rules:

1. Each peer gets its frames in the order in which they were sent.
2. The first message of a turn that goes to many is not queued for each of them but offered to their sockets directly;
   being the oldest of the turn, it goes before all that is queued.
3. Others get their turn after `FLUSHED_AT_ONCE` sockets, after `KEPT_AT_ONCE` that do not accept everything, or as
   soon as those accepted `FLUSHED_BYTES`.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

import anyio
import anyio.lowlevel

from sharedstate_anyio.config.compression import LONGEST_BYTES
from sharedstate_core.messages import Spliced

from .deflate import Frames
from .frames import LARGE_BYTES, fragments, text_frame
from .writer import KEPT_AT_ONCE, Writer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_anyio.config.live import LiveConfig
    from sharedstate_core.messages import Message

FLUSHED_AT_ONCE: Final = 250
FLUSHED_BYTES: Final = 1024 * 1024
"""Sockets written to, and bytes that they accepted, before others get a turn: about a millisecond."""


class Broadcaster:
    """Frames the messages of one server and flushes its sockets.

    Args:
        live: holds the compression threshold.
    """

    def __init__(self, live: LiveConfig) -> None:
        self._live = live
        self._oldest: tuple[bytes, Sequence[Writer]] | None = None
        self._queued: dict[Writer, None] = {}
        self._flushing = False
        self._wanted = anyio.Event()

    def send(self, connections: Sequence[Writer], message: Message) -> None:
        """Send a message, framed once, to each of these connections."""
        compression = self._live.now.compression
        if compression is not None and len(message) <= LONGEST_BYTES:
            text = bytes(message)
            frames = Frames(text, text_frame(text), compression)
            for connection in connections:
                connection.send_frame(frames.for_window(connection.window_bits))
        elif isinstance(message, Spliced) or len(message) >= LARGE_BYTES:
            pieces = fragments(message.pieces if isinstance(message, Spliced) else (message,))
            for connection in connections:
                connection.send_pieces(pieces)
        else:
            self._send_to_each(connections, text_frame(message))

    def queue(self, connection: Writer) -> None:
        """Flush this connection at the end of this turn of the loop."""
        self._queued[connection] = None
        self._wanted.set()

    async def flush_forever(self) -> None:
        """Send what each turn of the loop has queued, joined, so that a burst costs one system call."""
        while True:
            await self._wanted.wait()
            self._wanted = anyio.Event()
            await anyio.lowlevel.checkpoint()  # what follows from it at once is sent with it
            self._flushing = True
            await self._flush()
            self._flushing = False

    def _send_to_each(self, connections: Sequence[Writer], frame: bytes) -> None:
        if len(connections) > 1 and not (self._queued or self._flushing or self._oldest):
            self._oldest = frame, connections
            self._wanted.set()
            return
        for connection in connections:
            connection.send_frame(frame)

    async def _flush(self) -> None:
        queued, self._queued = self._queued, {}
        if self._oldest is not None:
            frame, connections = self._oldest
            self._oldest = None
            left = iter(connections)
            while Writer.offer_to_all(islice(left, FLUSHED_AT_ONCE), frame):
                await anyio.lowlevel.checkpoint()
        room = FLUSHED_BYTES
        for connection in queued:
            room -= connection.flush() + FLUSHED_BYTES // FLUSHED_AT_ONCE
            if connection.is_blocked:
                room -= FLUSHED_BYTES // KEPT_AT_ONCE
            if room <= 0:
                room = FLUSHED_BYTES
                await anyio.lowlevel.checkpoint()
