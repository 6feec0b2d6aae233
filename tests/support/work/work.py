"""What was counted, and where."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

BYTES_OF_A_UNIT: Final = 64
LONG_TURN: Final = 75_000
"""Units that take 10 ms at the most; dearest, at 0.13 µs, are calls of short functions."""

SHOWN: Final = 8
"""Lines that are shown of a count."""


class Work(int):
    """A number of units that knows where they come from.

    Attributes:
        places: the units of each line, as `module.py:12`.
    """

    places: Mapping[str, int]

    def __new__(cls, places: Mapping[str, int]) -> Self:
        """Add up what was counted at each line."""
        work = super().__new__(cls, sum(places.values()))
        work.places = places
        return work

    def __repr__(self) -> str:
        most = Counter(self.places).most_common(SHOWN)
        return "\n".join([f"{int(self):,} units", *(f"{units:>12,}  {at}" for at, units in most)])

    __str__ = __repr__


class Meter:
    """Counts, by the line that is running; other threads than the one that made it do not count."""

    def __init__(self) -> None:
        self._thread = get_ident()
        self._counts: Counter[tuple[str, int]] = Counter()

    def add(self, frame: FrameType, units: int) -> None:
        """Count units at the line that this frame is at."""
        if get_ident() == self._thread:
            self._counts[frame.f_code.co_filename, frame.f_lineno] += units

    def take(self) -> Work:
        """Return what was counted since the last time."""
        counts, self._counts = self._counts, Counter()
        places: Counter[str] = Counter()
        for (file, line), units in counts.items():
            places[f"{'/'.join(Path(file).parts[-2:])}:{line}"] += units
        return Work(places)
