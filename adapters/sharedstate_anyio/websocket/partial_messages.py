"""Messages that have not arrived completely, of all connections together.

The rules:

1. What arrives complete in one read never comes here.
2. Each connection has at most one message here; its maximal length is checked elsewhere.
3. Beyond `TransportLimits.unfinished_bytes` the connections whose messages began first are closed, and may come back.
   The growing message stays, so that one may exceed the limit.
4. Within `TransportLimits.message_seconds` a message has to bring its end, or `PROGRESS_BYTES` more. While we do not
   read from its connection it need not.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final, Protocol

import anyio

from sharedstate_core.errors import CLOSE_POLICY

from .wheel import Wheel

if TYPE_CHECKING:
    from sharedstate_anyio.config.live import LiveConfig

PROGRESS_BYTES: Final = 64 * 1024

TICK_SECONDS: Final = 1.0


class Sender(Protocol):
    """What partial messages need of a connection."""

    def __hash__(self) -> int: ...

    @property
    def is_listening(self) -> bool:
        """Whether its messages are read."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Say goodbye, and end if there is no answer."""
        ...


class _Message:
    __slots__ = ("buffer", "progress", "size")

    def __init__(self) -> None:
        # One buffer, not a list: a million pieces of one character must not cost a million objects. And not of
        # characters, of which each may take four bytes.
        self.buffer = io.BytesIO()
        self.size = 0
        self.progress = 0


class PartialMessages:
    """Keeps partial messages.

    Args:
        live: has the limits.

    Attributes:
        bytes: kept in all.
    """

    def __init__(self, live: LiveConfig) -> None:
        self._live = live
        self.bytes = 0
        self._messages: dict[Sender, _Message] = {}  # the first to begin first
        self._seconds = live.now.transport.message_seconds
        self._wheel = _wheel(self._seconds)

    def __contains__(self, connection: Sender) -> bool:
        return connection in self._messages

    def add(self, connection: Sender, text: str) -> int:
        """Append to the message of a connection; return its bytes so far."""
        message = self._messages.get(connection)
        if message is None:
            message = self._messages[connection] = _Message()
            self._expect(connection)
        data = text.encode()
        message.buffer.write(data)
        message.size += len(data)
        message.progress += len(data)
        if message.progress >= PROGRESS_BYTES:
            message.progress = 0
            self._expect(connection)
        self.bytes += len(data)
        while self.bytes > self._live.now.transport.unfinished_bytes and len(self._messages) > 1:
            first = next(each for each in self._messages if each is not connection)
            self._end(first, "the server has no memory for unfinished messages")
        return message.size

    def take(self, connection: Sender) -> str:
        """Return the message, which is complete now."""
        message = self._messages[connection]
        self.drop(connection)
        return message.buffer.getvalue().decode()

    def drop(self, connection: Sender) -> None:
        """Forget a message, if there is one."""
        message = self._messages.pop(connection, None)
        if message is not None:
            self.bytes -= message.size
            self._wheel.remove(connection)

    async def run(self) -> None:
        """Enforce the deadlines, until cancelled."""
        while True:
            await anyio.sleep(self._wheel.tick)
            self._tick()

    def _tick(self) -> None:
        seconds = self._live.now.transport.message_seconds
        if seconds != self._seconds:
            self._seconds = seconds
            self._wheel = _wheel(seconds)
            for connection in self._messages:  # their time begins anew
                self._expect(connection)
        for connection in self._wheel.advance():
            self._visit(connection)

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
