"""Messages of all connections that have not arrived completely.

The rules:

1. What arrives complete in one read is never kept here.
2. Each connection has at most one message here; its maximum length is checked elsewhere.
3. What inflates a message while it arrives counts along with it.
4. Beyond `TransportLimits.unfinished_bytes` the connections whose messages began first are closed; they may reconnect.
   The growing message stays, so that a single one may exceed the limit.
5. Within `TransportLimits.message_seconds` a message must be complete or bring `PROGRESS_BYTES` more, unless we are not
   reading from its connection.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Protocol

import anyio
import anyio.lowlevel

from sharedstate_core.errors import CLOSE_POLICY

from .deflate import INFLATER_BYTES
from .wheel import AT_ONCE, Wheel

if TYPE_CHECKING:
    from sharedstate_anyio.config.live import LiveConfig

PROGRESS_BYTES: Final = 64 * 1024

TICK_SECONDS: Final = 1.0


class Sender(Protocol):
    """What partial messages need from a connection."""

    def __hash__(self) -> int: ...

    @property
    def is_listening(self) -> bool:
        """Whether its messages are read."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Send a close frame, and end if there is no answer."""
        ...


class _Message:
    __slots__ = ("buffer", "inflater", "progress", "size")

    def __init__(self) -> None:
        # One buffer, not a list: a million pieces of one character must not cost a million objects. And not of
        # characters, of which each may take four bytes.
        self.buffer = io.BytesIO()
        self.size = 0
        self.inflater = 0  # bytes
        self.progress = 0


class PartialMessages:
    """Keeps the partial messages of one server.

    Args:
        live: holds the limits.

    Attributes:
        bytes: number of bytes kept in total.
    """

    def __init__(self, live: LiveConfig) -> None:
        self._live = live
        self.bytes = 0
        self._messages: OrderedDict[Sender, _Message] = OrderedDict()  # as they began
        self._seconds = live.now.transport.message_seconds
        self._wheel = _wheel(self._seconds)

    def __contains__(self, connection: Sender) -> bool:
        return connection in self._messages

    def add(self, connection: Sender, text: str) -> int:
        """Append to the message of a connection; return its size so far, in bytes."""
        message = self._begun(connection)
        data = text.encode()
        message.buffer.write(data)
        message.size += len(data)
        message.progress += len(data)
        if message.progress >= PROGRESS_BYTES:
            message.progress = 0
            self._expect(connection)
        self._count(connection, len(data))
        return message.size

    def inflate(self, connection: Sender) -> None:
        """Count what inflates the message of a connection, too; there may be no text of it yet."""
        message = self._begun(connection)
        if not message.inflater:
            message.inflater = INFLATER_BYTES
            self._count(connection, INFLATER_BYTES)

    def take(self, connection: Sender) -> str:
        """Return and forget the message, which is now complete."""
        message = self._messages[connection]
        self.drop(connection)
        return message.buffer.getvalue().decode()

    def drop(self, connection: Sender) -> None:
        """Forget the message of a connection, if any."""
        message = self._messages.pop(connection, None)
        if message is not None:
            self.bytes -= message.size + message.inflater
            self._wheel.remove(connection)

    def _begun(self, connection: Sender) -> _Message:
        message = self._messages.get(connection)
        if message is None:
            message = self._messages[connection] = _Message()
            self._expect(connection)
        return message

    def _count(self, connection: Sender, size: int) -> None:
        self.bytes += size
        while self.bytes > self._live.now.transport.unfinished_bytes and len(self._messages) > 1:
            first = next(each for each in self._messages if each is not connection)
            self._end(first, "the server has no memory for unfinished messages")

    async def run(self) -> None:
        """Enforce the deadlines, until cancelled."""
        while True:
            await anyio.sleep(self._wheel.tick)
            await self._tick()

    async def _tick(self) -> None:
        seconds = self._live.now.transport.message_seconds
        if seconds != self._seconds:
            self._seconds = seconds
            self._wheel = _wheel(seconds)
            for connection in self._messages:  # their time limits start anew
                self._expect(connection)
        for number, connection in enumerate(self._wheel.advance(), 1):
            self._visit(connection)
            if number % AT_ONCE == 0:
                await anyio.lowlevel.checkpoint()

    def _visit(self, connection: Sender) -> None:
        if connection.is_listening:
            self._end(connection, "a message did not arrive in time")
        else:
            self._expect(connection)

    def _expect(self, connection: Sender) -> None:
        self._wheel.set(connection, self._seconds)

    def _end(self, connection: Sender, reason: str) -> None:
        self.drop(connection)
        connection.close(CLOSE_POLICY, reason)


def _wheel(seconds: float) -> Wheel[Sender]:
    return Wheel(max(0.01, min(TICK_SECONDS, seconds / 4)))
