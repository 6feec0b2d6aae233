"""Rows in portions, for loads so large that one list of them all would cost at a stretch what it holds.

A store reads them portion by portion, and the core takes them so. What has been taken is let go.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

from .storage import Row


class Portions(Sequence[Row]):
    """A sequence of rows, which is emptied as it is taken.

    Args:
        portions: lists of rows, which belong to it from now on. They are not copied.
    """

    def __init__(self, portions: Iterable[list[Row]]) -> None:
        self._portions = deque(filter(None, portions))
        self._count = sum(map(len, self._portions))

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Row]:
        return chain.from_iterable(self._portions)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return list(self)[index]
        if index < 0:
            index += self._count
        for row in islice(self, max(index, self._count * (index < 0)), None):
            return row
        raise IndexError(index)

    def take(self) -> list[Row]:
        """Remove and return the first portion; empty if none is left."""
        portion = self._portions.popleft() if self._portions else []
        self._count -= len(portion)
        return portion
