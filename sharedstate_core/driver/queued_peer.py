"""A peer with a queue, for transports that have no buffer of their own and write one message at a time.

The rules:

1. Beyond a threshold the peer is *blocked*: the core sends it nothing more, so the queue is bounded. When the last
   message has been taken, it has *drained*.
2. A slow reader shows that it is alive by taking `PROGRESS_BYTES` every now and then.
3. A message's bytes are counted when it is queued and when it is taken; the queue is never summed.
"""

from collections import deque
from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar

from .driver import Driver

FULL_BYTES: Final = 256 * 1024
"""Bytes kept for one peer before it is blocked."""

PROGRESS_BYTES: Final = 64 * 1024
"""Bytes that a blocked peer must take within `Limits.drain_seconds`."""


class OneShotEvent(Protocol):
    """An event that is set once, such as those of anyio and trio; the transport's tasks wait for it."""

    def set(self) -> object:
        """Wake the tasks that wait."""
        ...


E = TypeVar("E", bound=OneShotEvent)


class QueuedPeer(Generic[E]):
    """A `Peer` for one task that reads and one that writes.

    Args:
        driver: the driver it belongs to.
        new_event: makes an event: `anyio.Event`, `trio.Event`.
        end: called when the connection should end, with True if at once; otherwise the peer may have a few seconds to
            take what was sent. It must end after that: a message may be on its way that the peer never takes.
        full_bytes: bytes kept before the peer is blocked.

    Attributes:
        event: set, and replaced by a new one, when either task may have something to do.
        bytes: total bytes of the messages kept.
        is_paused: whether reading texts is paused.
        goodbye: close code and reason, once the connection should be closed; see `is_finished`.
    """

    def __init__(
        self,
        driver: Driver["QueuedPeer[E]"],
        new_event: Callable[[], E],
        end: Callable[[bool], None],
        full_bytes: int = FULL_BYTES,
    ) -> None:
        self.event = new_event()
        self.bytes = 0
        self.is_paused = False
        self.goodbye: tuple[int, str] | None = None
        self._driver = driver
        self._new_event = new_event
        self._end = end
        self._full_bytes = full_bytes
        self._queue: deque[bytes] = deque()
        self._is_blocked = False
        self._is_awaited = False
        self._unreported = 0

    # --- for the transport ------------------------------------------------------------------------

    def next(self) -> bytes | None:
        """Return the next message to write, which is kept until it is `taken`; None if there is none."""
        return self._queue[0] if self._queue else None

    @property
    def is_finished(self) -> bool:
        """Whether everything has been written and the goodbye is next."""
        return self.goodbye is not None and not self._queue

    def taken(self, now: float) -> None:
        """Record that the peer has taken the message that `next` returned."""
        if not self._queue:
            return  # dropped meanwhile
        size = len(self._queue.popleft())
        self.bytes -= size
        self._unreported += size
        if not self._queue:
            if self._is_blocked or self._is_awaited:
                self._is_blocked = self._is_awaited = False
                self._driver.drained(self, now)
        elif self._is_blocked and self._unreported >= PROGRESS_BYTES:
            self._block(now)

    # --- for the driver ---------------------------------------------------------------------------

    def send(self, message: bytes) -> None:
        """Queue a message."""
        if self.goodbye is not None:
            return
        self._queue.append(message)
        self.bytes += len(message)
        if self.bytes > self._full_bytes and not self._is_blocked:
            self._block(self._driver.now)
        self._changed()

    def await_drain(self) -> None:
        """Call `Driver.drained` when the queue is empty."""
        if self._queue:
            self._is_awaited = True
        else:
            self._driver.drained(self, self._driver.now)

    def pause_reading(self) -> None:
        """Make the reading task wait."""
        self.is_paused = True

    def resume_reading(self) -> None:
        """Let the reading task continue."""
        self.is_paused = False
        self._changed()

    def close(self, code: int, reason: str, *, at_once: bool = False) -> None:
        """Have the writing task send the goodbye; with `at_once`, drop what is kept."""
        if self.goodbye is None or at_once:
            self._end(at_once)
        self.goodbye = self.goodbye or (code, reason)
        if at_once:
            self._queue.clear()
            self.bytes = 0
        self._changed()

    def _changed(self) -> None:
        event, self.event = self.event, self._new_event()
        event.set()

    def _block(self, now: float) -> None:
        self._is_blocked = True
        self._unreported = 0
        self._driver.blocked(self, tuple(self._queue), now)
