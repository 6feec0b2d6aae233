"""Sorting by portions, for what is too much to be sorted at once.

Each portion is sorted as it comes, and put to the run before it if it goes on from there: what comes in order is one
run. In the end the runs are merged, again by portions.
"""

from __future__ import annotations

import heapq
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")


class Runs(Generic[T]):
    """Things in order of a key.

    Args:
        key: what they are sorted by.
    """

    def __init__(self, key: Callable[[T], Any]) -> None:
        self._key = key
        self._runs: list[deque[list[T]]] = []

    def add(self, portion: list[T]) -> None:
        """Add a portion, which may come in any order and belongs to the runs from now on."""
        if not portion:
            return
        key = self._key
        portion.sort(key=key)
        if self._runs and not key(portion[0]) < key(self._runs[-1][-1][-1]):
            self._runs[-1].append(portion)
        else:
            self._runs.append(deque([portion]))

    def portions(self, size: int) -> Iterator[list[T]]:
        """Yield all of them in order, `size` at a time or as many as came together; nothing is kept of what was."""
        runs, self._runs = self._runs, []
        if len(runs) == 1:
            while runs[0]:
                yield runs[0].popleft()
            return
        merged = heapq.merge(*map(_drained, runs), key=self._key)
        while portion := list(islice(merged, size)):
            yield portion


def _drained(run: deque[list[T]]) -> Iterator[T]:
    """Yield all of a run, and keep nothing of what was: runs may all end at the same moment."""
    while run:
        portion = run.popleft()
        portion.reverse()
        while portion:
            yield portion.pop()
