"""An orderly stop: nothing more is accepted, what was accepted is finished, then all connections are closed.

The rules:

1. From the stop on, no text is accepted, and new connections are closed at once.
2. When no request waits for storage any more, or the time is up, every connection is closed with 1001.
3. The stop does not wait for slow readers: they get what they are owed where they resume, and their deferred requests
   were never begun. While the stop lasts they are served as usual: one that drains gets all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

from sharedstate_core.effects import C, Effects

if TYPE_CHECKING:
    from collections.abc import Callable


class Shutdown(Generic[C]):
    """Whether the server is stopping, and how long it waits for storage.

    Args:
        is_busy: returns whether a request still waits for storage.
        close_all: closes every connection.

    Attributes:
        has_begun: whether nothing more is accepted.
        is_over: whether every connection has been closed.
    """

    def __init__(
        self,
        is_busy: Callable[[], bool],
        close_all: Callable[[Effects[C]], None],
    ) -> None:
        self.has_begun = False
        self.is_over = False
        self._is_busy = is_busy
        self._close_all = close_all
        self._until: float | None = None

    def begin(self, until: float) -> None:
        """Accept nothing more, and wait for storage at most until `until`, which replaces an earlier one."""
        self._until = until
        self.has_begun = True

    def next_deadline(self) -> float | None:
        """Return when the time is up; None if the stop has not begun or is over."""
        return None if self.is_over else self._until

    def proceed(self, out: Effects[C]) -> None:
        """Close all connections if everything is finished or the time is up."""
        if self._until is None or self.is_over or (out.now < self._until and self._is_busy()):
            return
        self.is_over = True
        self._close_all(out)
