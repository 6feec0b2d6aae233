"""An orderly stop: nothing more is accepted, what was accepted is finished, then everybody is closed.

The rules:

1. From the stop on no text is taken in, and whoever connects is closed.
2. When no request waits for storage any more, or when its time is up, every connection is closed, with 1001.
3. Slow readers are not waited for. What one is owed it gets where it resumes, and what it asked and was put off was
   never begun. While the stop lasts they go on as ever: one that drains gets all of that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

from sharedstate_core.effects import C, Effects

if TYPE_CHECKING:
    from collections.abc import Callable


class Shutdown(Generic[C]):
    """Whether the server stops, and until when storage has time.

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
        """Accept nothing more; storage has time until then, whatever was said before."""
        self._until = until
        self.has_begun = True

    def next_deadline(self) -> float | None:
        """Return when its time is up; None if it has not begun, or is over."""
        return None if self.is_over else self._until

    def proceed(self, out: Effects[C]) -> None:
        """Close everybody, if everything is finished or the time is up."""
        if self._until is None or self.is_over or (out.now < self._until and self._is_busy()):
            return
        self.is_over = True
        self._close_all(out)
