"""The embedding of the core: inputs go in, effects are performed, storage answers come back as inputs.

The rules:

1. `_perform` is plain and never calls the core; what follows from an effect comes back later, as an input.
2. No decision is made here: those are the core's.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, assert_never

import anyio

from sharedstate_anyio.config.limits import TransportLimits
from sharedstate_anyio.logs.repeated_errors import Faults
from sharedstate_anyio.websocket.broadcaster import Outbox
from sharedstate_anyio.websocket.fair_turns import Pace
from sharedstate_anyio.websocket.partial_messages import Unfinished
from sharedstate_core import (
    Answer,
    AwaitDrain,
    Close,
    Commit,
    Doubt,
    Effect,
    Limits,
    ListApps,
    ListCollections,
    Load,
    PauseReading,
    ResumeReading,
    Send,
    Server,
)
from sharedstate_core.errors import CLOSE_GOING_AWAY

from .executor import Storage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from anyio.abc import TaskGroup

    from sharedstate_anyio.storage.instrumented import Metered
    from sharedstate_core import Census, CollectionPath, Counters, Cursor

    from .peer import Peer

CLOSE_INTERNAL_ERROR: Final = 1011


class Hub:
    """One server process: its connections, the core, and the storage behind it.

    Args:
        backends: an open backend for each service.
        tasks: the task group that owns every task of the server.
        limits: bounds on what a peer may ask for.
        compression: from how many bytes on messages are compressed; None: never.
        transport: bounds that the transport keeps; None: the usual ones.

    Attributes:
        faults: to report what fails, and may fail often.
        outbox: what this turn of the loop sends.
        pace: who waits because of messages that take long.
        unfinished: messages that are not whole yet.
    """

    def __init__(
        self,
        backends: Mapping[str, Metered],
        tasks: TaskGroup,
        limits: Limits,
        compression: int | None = None,
        transport: TransportLimits | None = None,
    ) -> None:
        self.limits = limits
        self.faults = Faults()
        self.outbox = Outbox(compression)
        self.pace = Pace()
        self.unfinished = Unfinished(transport or TransportLimits())
        self._core: Server[Peer] = Server(tuple(backends), limits)
        self._tasks = tasks
        self._storage = Storage(backends, self._core, self._storage_answered, tasks, self.faults)
        self._connections: set[Peer] = set()
        self._deadline_moved = anyio.Event()
        self._idle = anyio.Event()
        self._empty = anyio.Event()
        self._next_wakeup: float | None = None
        self._ending = False

    def change_limits(
        self, limits: Limits, compression: int | None, transport: TransportLimits
    ) -> None:
        """Let other bounds hold from now on."""
        self.limits = limits
        self.unfinished.change_limits(transport)
        self.outbox.compression = compression
        self._core.change_limits(limits)

    def message_bytes(self) -> int:
        """Return the longest message that a peer may send now."""
        return self.limits.message_bytes

    # --- inputs -----------------------------------------------------------------------------------

    def opened(self, connection: Peer) -> None:
        """A WebSocket is up."""
        self._connections.add(connection)
        self._core.connection_opened(connection)
        if self._ending:
            self._send_away(connection)

    def received(self, connection: Peer, texts: Iterator[str]) -> None:
        """Text messages have arrived; once reading is to pause, no more are taken from the iterator."""
        if self._ending:
            for _ in texts:
                pass  # not accepted: who goes on asking must not keep the end from coming
            return
        now = time.monotonic()
        self._core.set_clock(time.time(), now)
        try:
            effects = self._core.receive_texts(connection, texts, now)
        except Exception as error:  # noqa: BLE001  (a fault of ours must not end the server)
            text = "a message could not be handled; its connection is closed"
            self.faults.report(("message", type(error)), text, error, {"event": "message_failed"})
            connection.close(CLOSE_INTERNAL_ERROR, "internal error")
            effects = []  # those that there were come with the next input
        self._perform(effects)

    def blocked(self, connection: Peer) -> None:
        """The socket has not taken everything."""
        if connection in self._connections:
            self.progressed(connection)
            self._tasks.start_soon(connection.drain)

    def progressed(self, connection: Peer) -> None:
        """The socket is still full, but has taken something."""
        if connection in self._connections:
            now, unsent = time.monotonic(), connection.unsent
            self._perform(self._core.connection_blocked(connection, now, unsent))

    def drained(self, connection: Peer) -> None:
        """The socket has taken everything."""
        if connection in self._connections:
            self._perform(self._core.connection_drained(connection, time.monotonic()))

    def closed(self, connection: Peer) -> None:
        """A WebSocket has ended."""
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()
        self._perform(self._core.connection_closed(connection, time.monotonic()))

    # --- effects ----------------------------------------------------------------------------------

    def _perform(self, effects: Sequence[Effect[Peer]]) -> None:  # noqa: C901  (one arm each)
        for effect in effects:
            match effect:
                case Send():
                    self.outbox.send(effect.connections, effect.message)
                case Commit():
                    self._storage.commit(effect)
                case Load():
                    self._storage.load(effect)
                case ListCollections() | ListApps():
                    self._storage.list(effect)
                case Doubt():
                    self._storage.doubt(effect)
                case AwaitDrain():
                    effect.connection.tell_drained()
                case PauseReading():
                    effect.connection.pause_reading()
                case ResumeReading():
                    effect.connection.resume_reading()
                case Close():
                    effect.connection.close(effect.code, effect.reason)
                    if effect.at_once:
                        effect.connection.abort()
                case Answer():
                    pass  # nothing asks here but connections
                case _:
                    assert_never(effect)
        if self._core.next_wakeup() != self._next_wakeup:
            self._deadline_moved.set()

    async def keep_time(self) -> None:
        """Wake the core when it asked to be woken."""
        while True:
            self._deadline_moved = anyio.Event()
            self._next_wakeup = at = self._core.next_wakeup()
            pause = None if at is None else max(0.0, at - time.monotonic())
            with anyio.move_on_after(pause):
                await self._deadline_moved.wait()
            self._perform(self._core.wake(time.monotonic()))

    # --- storage ----------------------------------------------------------------------------------

    def loaded(self, service: str) -> list[CollectionPath]:
        """Return the service's collections that are in memory."""
        return self._core.loaded(service)

    def is_in_use(self, path: CollectionPath) -> bool:
        """Return whether anything of a collection is in memory."""
        return self._core.is_in_use(path)

    def changed(self, path: CollectionPath, cursor: Cursor) -> None:
        """Storage holds this state of a collection; it may be another process's."""
        self._perform(self._core.collection_changed(path, cursor, time.monotonic()))

    def _storage_answered(self, effects: Sequence[Effect[Peer]]) -> None:
        self._perform(effects)
        if self._ending and not self._core.is_busy:
            self._idle.set()

    # --- watching over it ------------------------------------------------------------------------

    @property
    def counters(self) -> Counters:
        """What the core has done."""
        return self._core.counters

    def census(self) -> Census:
        """Return what there is now."""
        return self._core.census()

    @property
    def is_ending(self) -> bool:
        """Whether no more is accepted."""
        return self._ending

    # --- the end ----------------------------------------------------------------------------------

    async def finish(self) -> None:
        """Accept no more messages, and return when no request waits for storage."""
        self._ending = True
        while self._core.is_busy:
            self._idle = anyio.Event()
            await self._idle.wait()

    def close_all(self) -> None:
        """Tell every peer that the server goes away."""
        for connection in self._connections:
            self._send_away(connection)

    @staticmethod
    def _send_away(connection: Peer) -> None:
        connection.close(CLOSE_GOING_AWAY, "the server is shutting down")

    async def wait_empty(self) -> None:
        """Return when every WebSocket has ended."""
        while self._connections:
            self._empty = anyio.Event()
            await self._empty.wait()
