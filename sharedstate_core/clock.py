"""The wall clock, as the embedder last read it: the core reads none."""

from __future__ import annotations


class WallClock:
    """What time it is, counted on from when the embedder last said so."""

    __slots__ = ("_offset",)

    def __init__(self) -> None:
        self._offset: float | None = None

    def set(self, wall: float, now: float) -> None:
        """Note that it is `wall`, in seconds since the Unix epoch, at `now`, in seconds of the monotonic clock."""
        self._offset = wall - now

    def at(self, now: float) -> float | None:
        """Return the wall-clock time at `now`, in seconds since the Unix epoch; None as long as nobody has said."""
        return None if self._offset is None else now + self._offset
