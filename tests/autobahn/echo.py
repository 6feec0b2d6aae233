"""An endpoint that sends back what it gets, made of the server's own `Connection`; only tests mount it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import anyio
from wsproto.events import BytesMessage

from sharedstate_anyio.config.config import Config
from sharedstate_anyio.config.limits import TransportLimits
from sharedstate_anyio.config.listeners import Listen
from sharedstate_anyio.config.live import LiveConfig
from sharedstate_anyio.connections.connection import Connection
from sharedstate_anyio.http.handshake import Came, ConnectionContext
from sharedstate_anyio.http.site import Site
from sharedstate_anyio.hub.shared import Shared
from sharedstate_anyio.logs.repeated_errors import RepeatedErrors
from sharedstate_anyio.net.gate import Gate
from sharedstate_anyio.net.listening import accept_forever, open_listeners
from sharedstate_anyio.websocket.broadcaster import Broadcaster
from sharedstate_anyio.websocket.deflate import compressed_text_frame
from sharedstate_anyio.websocket.fair_turns import FairTurns
from sharedstate_anyio.websocket.frames import text_frame
from sharedstate_anyio.websocket.keepalive import KeepAlive
from sharedstate_anyio.websocket.partial_messages import PartialMessages
from sharedstate_core import Limits

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Iterable

    from anyio.abc import TaskGroup

    from sharedstate_anyio.hub.peer import Peer
    from sharedstate_anyio.net.sockets import Stream
    from sharedstate_anyio.websocket.frame_reader import Heard
    from sharedstate_core.driver import Driver

LONGEST: int = 32 * 1024 * 1024
"""Longer than any message of the suite, which goes up to 16 MiB."""


class EchoDriver:
    """In place of the driver: no core, no storage."""

    limits = Limits(message_bytes=LONGEST)

    def opened(self, _: Connection, *, has_proof: bool) -> None: ...

    def closed(self, *_: object) -> None: ...

    def blocked(self, *_: object) -> None: ...

    def drained(self, *_: object) -> None: ...

    def is_open(self, _: Connection) -> bool:
        return True

    def receive(self, peer: Connection, texts: Iterable[str], _: float) -> None:
        for text in texts:
            peer.send_frame(framed(peer, text.encode()))


def shared(tasks: TaskGroup, live: LiveConfig) -> Shared:
    """Return what the connections share."""
    broadcaster, gate, fair_turns = Broadcaster(live), Gate(), FairTurns()
    tasks.start_soon(gate.run)
    tasks.start_soon(fair_turns.run)
    tasks.start_soon(broadcaster.flush_forever)
    driver = cast("Driver[Peer]", EchoDriver())
    partial = PartialMessages(live)
    return Shared(driver, broadcaster, gate, fair_turns, partial, RepeatedErrors(), tasks)


class EchoConnection(Connection):
    """Takes binary messages too, which the server refuses."""

    def __init__(self, sock: Stream, shared: Shared) -> None:
        super().__init__(sock, shared)
        self._binary = bytearray()

    def _handle(self, event: Heard) -> None:
        if isinstance(event, BytesMessage) and not self._closing:
            self._binary += event.data
            if event.message_finished:
                frame = framed(self, bytes(self._binary))
                self.send_frame(bytes([frame[0] ^ 0x03]) + frame[1:])  # the opcode of binary data
                self._binary.clear()
        else:
            super()._handle(event)


def framed(connection: Connection, message: bytes) -> bytes:
    """Return a frame for this peer; compressed where that was agreed on, even if it grows.

    The hub would send what does not shrink as it is; kosoku 0.1 hands such replies to its cases as `str`, which they
    cannot hash.
    """
    bits = connection.window_bits
    return compressed_text_frame(message, bits) if bits else text_frame(message)


@asynccontextmanager
async def echoing(compression: int | None = None) -> AsyncIterator[int]:
    """Run the endpoint on a free port."""
    limits, transport = Limits(message_bytes=LONGEST), TransportLimits(ping_seconds=0)
    live = LiveConfig(Config(limits=limits, transport=transport, compression=compression))
    (listener,) = open_listeners(Listen("127.0.0.1", 0))
    async with anyio.create_task_group() as tasks:
        everything = shared(tasks, live)
        context = ConnectionContext(live, Site([]), KeepAlive(transport), gate=everything.gate)

        def accepted(sock: socket.socket, _host: str, _tls: object) -> None:
            tasks.start_soon(EchoConnection(sock, everything).run, context, Came(""))

        tasks.start_soon(accept_forever, listener, accepted)
        try:
            yield int(listener.address[1])
        finally:
            tasks.cancel_scope.cancel()
            listener.close()
