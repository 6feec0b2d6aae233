"""The wall clock as last reported by the embedder; the core itself reads no clock."""

from __future__ import annotations


class WallClock:
    """The time of day, counted on from the embedder's last report."""

    __slots__ = ("_offset",)

    def __init__(self) -> None:
        self._offset: float | None = None

    def set(self, wall: float, now: float) -> None:
        """Record that it is `wall`, in seconds since the Unix epoch, at `now`, in seconds of the monotonic clock."""
        self._offset = wall - now

    def at(self, now: float) -> float | None:
        """Return the wall-clock time at `now`, in seconds since the Unix epoch; None if it was never set."""
        return None if self._offset is None else now + self._offset
