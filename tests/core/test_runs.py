"""Sorting by portions: in order whatever comes, and no step does more than its portion."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from sharedstate_core.items.runs import Runs
from tests.support.work import Work, counting

from .test_turns import NotedText

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZE = 100


def runs_of(portions: Sequence[Sequence[int]]) -> Runs[int]:
    runs: Runs[int] = Runs(lambda number: number)
    for portion in portions:
        runs.add(list(portion))
    return runs


@given(st.lists(st.lists(st.integers(0, 30), max_size=4)))
def test_whatever_comes_leaves_in_order(portions: list[list[int]]) -> None:
    found = list(runs_of(portions).portions(3))
    assert [each for portion in found for each in portion] == sorted(chain.from_iterable(portions))
    assert all(0 < len(portion) <= 4 for portion in found)


def ascending(count: int) -> list[list[int]]:
    return [list(range(n * SIZE, (n + 1) * SIZE)) for n in range(count)]


def descending(count: int) -> list[list[int]]:
    return ascending(count)[::-1]


def interleaved(count: int) -> list[list[int]]:
    return [list(range(n, count * SIZE, count)) for n in range(count)]


def most(portions: list[list[int]]) -> Work:
    """Return the work of the step that does most: to add a portion, or to give one."""
    runs: Runs[int] = Runs(lambda number: number)
    works: list[Work] = []
    with counting() as meter:
        for portion in portions:
            runs.add(portion)
            works.append(meter.take())
        works += [meter.take() for _ in runs.portions(SIZE)]
        works.append(meter.take())
    return max(works)


def test_no_step_grows_with_the_number_of_portions() -> None:
    for order in (ascending, descending, interleaved):
        few, many = most(order(10)), most(order(1000))
        assert many < 1.5 * few, (order, few, many)


def test_what_comes_in_the_opposite_order_is_not_merged() -> None:
    assert most(descending(10)) < most(interleaved(10)) / 2


def test_runs_keep_nothing_of_what_they_have_given() -> None:
    """They may all end at the same moment, and would free all then."""
    freed: list[int] = []
    runs: Runs[NotedText] = Runs(lambda text: text)
    for start in range(4):
        portion = [NotedText(b"%02d" % n) for n in range(start, 40, 4)]
        for each in portion:
            each.freed = freed
        runs.add(portion)
    del portion, each
    largest = 0
    for _ in runs.portions(4):
        largest = max(largest, len(freed))
        freed.clear()
    assert largest <= 8
