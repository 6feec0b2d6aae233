"""A peer with a queue, for transports that have no buffer of their own and write one message after the other.

The rules:

1. Beyond a threshold the peer is *blocked*: the core sends it nothing more, so the queue is bounded. When the last
   message has been taken, it has *drained*.
2. A slow reader shows that it is alive by taking `PROGRESS_BYTES` every now and then.
3. The bytes of a message are counted when it comes and when it goes, never summed up.
"""

from collections import deque
from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar

from .driver import Driver

FULL_BYTES: Final = 256 * 1024
"""What is kept for one peer before it is blocked."""

PROGRESS_BYTES: Final = 64 * 1024
"""What a blocked peer has to take within `Limits.drain_seconds`."""


class OneShotEvent(Protocol):
    """An event that is set once, such as those of anyio and trio; those who wait for it are the transport's tasks."""

    def set(self) -> object:
        """Let those go on who wait."""
        ...


E = TypeVar("E", bound=OneShotEvent)


class QueuedPeer(Generic[E]):
    """A `Peer` for one task that reads and one that writes.

    Args:
        driver: whose peer it is.
        new_event: makes an event: `anyio.Event`, `trio.Event`.
        end: is called when the connection is to end, with True if that has to be at once; else the peer may have some
            seconds to take what was sent. It must end by then: a message may be on its way that the peer never takes.
        full_bytes: what is kept before the peer is blocked.

    Attributes:
        event: is set, and another one in its place, when there may be something to do for either task.
        bytes: of all messages that are kept.
        is_paused: whether no more texts are to be read for now.
        goodbye: close code and reason, once the connection is to be closed; see `is_finished`.
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
        """Return the message to write next, which is kept until it is `taken`; None: there is none."""
        return self._queue[0] if self._queue else None

    @property
    def is_finished(self) -> bool:
        """Whether all has been written, and the goodbye is next."""
        return self.goodbye is not None and not self._queue

    def taken(self, now: float) -> None:
        """The peer has taken what `next` returned."""
        if not self._queue:
            return  # it was dropped meanwhile
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
        """Tell the driver when the queue is empty."""
        if self._queue:
            self._is_awaited = True
        else:
            self._driver.drained(self, self._driver.now)

    def pause_reading(self) -> None:
        """Let the task that reads wait."""
        self.is_paused = True

    def resume_reading(self) -> None:
        """Let the task that reads go on."""
        self.is_paused = False
        self._changed()

    def close(self, code: int, reason: str, *, at_once: bool = False) -> None:
        """Let the task that writes say goodbye, and drop what is kept if it has to be `at_once`."""
        self.goodbye = self.goodbye or (code, reason)
        self._end(at_once)
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
