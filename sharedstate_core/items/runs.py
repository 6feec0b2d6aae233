"""Sorting by portions, for what is too much to be sorted at once.

Each portion is sorted as it comes, and put to the run before it if it goes on from there, at either end: what comes in
order, or in the opposite order, is one run. In the end the runs are merged, again by portions.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush, heapreplace
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
        self._run: deque[list[T]] = (
            deque()
        )  # the latest: portions in order, what comes first at the end of each
        self._others: list[tuple[Any, int, deque[list[T]]]] = []  # a heap, by the first key of each

    def add(self, portion: list[T]) -> None:
        """Add a portion, which may come in any order and belongs to the runs from now on."""
        if not portion:
            return
        key, run = self._key, self._run
        portion.sort(key=key, reverse=True)
        if run and key(portion[0]) < key(run[0][-1]):
            run.appendleft(portion)
            return
        if run and key(portion[-1]) < key(run[-1][0]):
            self._end_run()
        self._run.append(portion)

    def _end_run(self) -> None:
        """Put the latest run to the others, so that the merge need not begin with all of them at once."""
        run, self._run = self._run, deque()
        heappush(self._others, (self._key(run[0][-1]), len(self._others), run))

    def portions(self, size: int) -> Iterator[list[T]]:
        """Yield all of them in order, `size` at a time or as many as came together; nothing is kept of what was."""
        if self._others:
            self._end_run()
        merged = self._merged()
        while portion := list(islice(merged, size)):
            yield portion
        while self._run:
            portion = self._run.popleft()
            portion.reverse()
            yield portion

    def _merged(self) -> Iterator[T]:
        """Yield what there is in several runs, and keep nothing of what was: they may all end at the same moment."""
        runs, key = self._others, self._key
        while runs:
            _, number, run = runs[0]
            portion = run[0]
            yield portion.pop()
            if not portion:
                run.popleft()
            if run:
                heapreplace(runs, (key(run[0][-1]), number, run))
            else:
                heappop(runs)
