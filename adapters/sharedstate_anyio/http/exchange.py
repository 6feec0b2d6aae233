"""Plain HTTP on one connection: a request, its answer, and perhaps the next request.

The rules:

1. Requests are answered in order, one at a time, pipelined ones too (RFC 9112, section 9.3.2): the next one is parsed
   once the last has been answered. Meanwhile at most one read's worth of them is kept.
2. A connection is kept for another request if the last one was valid and had no body, and if neither side wants it
   closed: the peer by its version or its `Connection` header, we by any of the bounds.
3. A long body is not copied: what all peers get exists once, however many of them read it slowly.
4. At the end we shut down our direction and read what the peer still sends, so that the last answer arrives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio
import anyio.lowlevel
import h11

from sharedstate_anyio.net.sockets import receive, send_all
from sharedstate_anyio.websocket.upgrade import UpgradeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sharedstate_anyio.net.sockets import Stream

    from .responses import Response

REQUESTS: Final = 1000
"""Maximum number of answers on one connection, as in nginx: then its memory is released, and a load balancer can choose
anew."""

SHORT_BYTES: Final = 4096
"""A body of this size goes out along with the head: a copy costs less than a system call."""


class Exchange:
    """The requests of one connection.

    Args:
        sock: of the peer.
        head_bytes: longest request head.
    """

    def __init__(self, sock: Stream, head_bytes: int) -> None:
        self._sock = sock
        self._head_bytes = head_bytes
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=head_bytes)
        self._taken = 0  # in bytes, since the last request
        self._left = REQUESTS
        self._has_two_lengths = False

    @property
    def rest(self) -> bytes:
        """The bytes after the request."""
        return self._http.trailing_data[0]

    def feed(self, data: bytes) -> None:
        """Feed what was read; empty: the peer has shut down its direction."""
        self._taken += len(data)
        self._http.receive_data(data)

    async def request(self) -> h11.Request | None:
        """Return the next request once its head is complete; None if the peer leaves before.

        Raises:
            h11.RemoteProtocolError: it is not HTTP.
            UpgradeError: the head is too long.
        """
        while (event := self._next_event()) is h11.NEED_DATA:
            self.feed(await receive(self._sock))
        if self._taken - len(self.rest) > self._head_bytes:
            raise UpgradeError("the head of the request is too long", 431)
        if not isinstance(event, h11.Request):
            return None
        names = {name for name, _ in event.headers}
        self._has_two_lengths = {b"content-length", b"transfer-encoding"} <= names
        return event

    async def answer(
        self, response: Response, *, keep: bool, progress: Callable[[], None] = lambda: None
    ) -> bool:
        """Send an answer; return whether there may be another request.

        Args:
            response: the answer to the last request, or to what was meant to be one.
            keep: whether we would accept one.
            progress: called when the peer has read a piece of a large answer.

        Raises:
            OSError: the connection broke, or the rest of the answer cannot be read.
        """
        http = self._http
        if http.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            return False
        self._left -= 1
        keep = keep and self._left > 0 and response.status != 400 and self._has_no_body()
        headers = response.headers if keep else [*response.headers, (b"connection", b"close")]
        head = http.send(h11.Response(status_code=response.status, headers=headers)) or b""
        body = http.send(h11.Data(data=response.body)) or b""  # the very same object
        if len(body) <= SHORT_BYTES:
            head, body = head + body, b""
        await send_all(self._sock, head)
        await send_all(self._sock, body)
        while response.rest is not None and (piece := await response.rest.read()):
            progress()
            await send_all(self._sock, http.send(h11.Data(data=piece)) or b"")
        http.send(h11.EndOfMessage())
        if not keep or set(http.states.values()) != {h11.DONE}:
            return False
        http.start_next_cycle()
        self._taken = len(self.rest)
        return True

    async def another(self, seconds: float) -> bool:
        """Return whether another request begins within this time; other tasks get a turn first."""
        if self.rest:
            await anyio.lowlevel.checkpoint()
            return True
        data = b""
        with anyio.move_on_after(seconds):
            data = await receive(self._sock)
        if data:
            self.feed(data)
        return bool(data)

    def _has_no_body(self) -> bool:
        """Return whether the request is complete; a body is of no interest, and is not read.

        Of a body with two lengths, intermediaries may have seen another end (RFC 9112, section 6.1).
        """
        if self._has_two_lengths:
            return False
        try:
            return isinstance(self._next_event(), h11.EndOfMessage)
        except h11.RemoteProtocolError:
            return False

    def _next_event(self) -> object:
        try:
            return self._http.next_event()
        except h11.RemoteProtocolError as error:
            # A frame of h11 that the traceback holds refers to the error: both would wait for the garbage collector.
            error.__traceback__ = None
            raise
