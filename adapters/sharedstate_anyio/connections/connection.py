"""One peer on one socket.

The rules:

1. `close` and `abort` are synchronous, so no cancellation can skip them; the task that runs the connection does the
   cleaning up.
2. What comes in is `Receiver`'s, what goes out is `Writer`'s.
3. Once both sides have sent a close frame nothing more is read, and the server closes the connection at once (RFC 6455,
   section 7.1.1). A close frame is answered after what was sent before it; a peer that does not read that has only a
   short time.
"""

from __future__ import annotations

import contextlib
import logging
import math
import time
from typing import TYPE_CHECKING, Final

import anyio
import anyio.lowlevel

from sharedstate_anyio.http.handshake import ConnectionContext, handshake
from sharedstate_anyio.logs.events import about
from sharedstate_anyio.net.sockets import finish, while_readable
from sharedstate_anyio.websocket.frames import PING

from .receiver import Receiver

if TYPE_CHECKING:
    from sharedstate_anyio.auth import AuthRequest
    from sharedstate_anyio.http.handshake import Came, Opened
    from sharedstate_anyio.hub.shared import Shared
    from sharedstate_anyio.net.sockets import Stream
    from sharedstate_anyio.websocket.keepalive import KeepAlive

log = logging.getLogger("sharedstate")

CLOSE_SECONDS: Final = 3.0
"""How long a peer may take to answer a close frame, or to take ours."""


class Connection(Receiver):
    """A peer; the object itself is the handle under which the core knows it."""

    __slots__ = ("_scope", "proof")

    def __init__(self, sock: Stream, shared: Shared) -> None:
        super().__init__(sock, shared)
        self.proof: AuthRequest | None = None
        self.vouchers = ()
        self._scope = anyio.CancelScope()

    # --- life -------------------------------------------------------------------------------------

    async def run(self, context: ConnectionContext, came: Came) -> None:
        """Serve the peer until it is gone."""
        try:
            with self._scope:
                opened = await handshake(self.sock, context, came)
                if opened is not None:
                    await self._converse(opened, context.keep_alive)
                    await finish(self.sock)
        except OSError as error:
            log.debug("a connection broke: %s", error, extra=about("connection_broke"))
        except Exception as error:  # noqa: BLE001  (a fault of ours must not end the server)
            text = "a connection could not be handled; the others go on"
            fields = {"event": "connection_failed"}
            self._shared.errors.report(("connection", type(error)), text, error, fields)
        finally:
            self._drop()
            with contextlib.suppress(OSError):
                anyio.notify_closing(self.sock)
            self.sock.close()

    async def _converse(self, opened: Opened, keep_alive: KeepAlive) -> None:
        self._reader = opened.reader
        self._feed(opened.reader, opened.data)
        self.window_bits = opened.window_bits
        self.proof = opened.proof
        del opened
        self._shared.driver.opened(
            self, has_proof=self.proof is not None and self.proof.says_anything
        )
        keep_alive.watch(self)
        gate = self._shared.gate
        try:
            while not self._over:
                if self._resumed is not None:
                    await self._resumed.wait()
                elif self._in_line:
                    await self._shared.fair_turns.wait(self)
                    self._in_line = False
                elif await gate.serve(self._handle_events):
                    await while_readable(self.sock, self._read, gate)
                else:
                    await anyio.lowlevel.checkpoint()
            if self._closing:
                await self.sent()
        finally:
            keep_alive.forget(self)
            self._forget_message()
            with anyio.CancelScope(shield=True):
                await gate.serve(self._left)
            self.flush()

    def _left(self) -> None:
        self._shared.driver.closed(self, time.monotonic())

    # --- writing ----------------------------------------------------------------------------------

    def blocked(self) -> None:
        """The socket has not accepted everything."""
        if self._shared.driver.is_open(self):
            self.progressed()
            self._shared.tasks.start_soon(self.drain)

    def progressed(self) -> None:
        """The socket is still full, but has accepted something."""
        self._shared.driver.blocked(self, self.unsent, time.monotonic())

    def drained(self) -> None:
        """The socket has accepted everything."""
        self._shared.driver.drained(self, time.monotonic())

    # --- keeping it alive -------------------------------------------------------------------------

    def ping(self) -> bool:
        """Send a ping, unless the peer could not answer it now; return whether it was sent."""
        if self._closing or self.is_blocked or not self.is_listening:
            return False
        self._heard = False
        self.send_frame(PING)
        return True

    @property
    def is_silent(self) -> bool:
        """Whether the peer has sent nothing since the last ping, although it could have."""
        return self.is_listening and not (self._heard or self.is_blocked)

    # --- ending -----------------------------------------------------------------------------------

    def close(self, code: int, reason: str, *, at_once: bool = False) -> None:
        """Send a close frame; the peer has `CLOSE_SECONDS` to answer. `at_once`: without what is queued before it."""
        if self._reader is not None and not self._closing:
            if at_once:
                self._cut()
            self._say_close(code, reason)
            self._forget_message()
            self.resume_reading()
        elif at_once:
            self.abort()

    def _say_close(self, code: int, reason: str | None) -> None:
        self._end_with(code, reason)
        self._scope.deadline = min(self._scope.deadline, anyio.current_time() + CLOSE_SECONDS)

    def abort(self) -> None:
        """End the connection now, without a close frame."""
        self._drop()
        self._scope.deadline = -math.inf
