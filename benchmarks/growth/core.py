"""What the operations on the core cost at each size, and how that grows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from benchmarks.measure import Result

from .fit import EXPONENT, exponent
from .operations import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .operations import Operation

SECONDS: Final = 0.3
TIMES: Final = (3, 300)
"""How long, and how many times at least and at most, an operation is done at one size; the quickest one counts."""


def growing(largest: int) -> Iterator[Result]:
    """Yield what each operation costs at its smallest and at its largest size, and the exponent over all of them.

    Args:
        largest: sizes above this one are left out.
    """
    for operation in OPERATIONS:
        costs = {size: _cost(operation, size) for size in operation.sizes if size <= largest}
        if len(costs) < 2:
            continue
        (first, smallest), *_, (last, most) = costs.items()
        few = Result(f"{operation.title}, {first:,}", smallest * 1e6, operation.name)
        yield few
        yield Result(f"{operation.title}, {last:,}", most * 1e6, operation.name).against(few)
        yield Result(operation.title, exponent(costs), operation.over, measure=EXPONENT)


def _cost(operation: Operation, size: int) -> float:
    """Return the seconds of processor time of the quickest of several times."""
    _, ready = operation.prepare(size)
    best, times, end = float("inf"), 0, time.perf_counter() + SECONDS
    least, most = TIMES
    while times < least or (times < most and time.perf_counter() < end):
        do = ready()
        start = time.thread_time()
        do()
        best = min(best, time.thread_time() - start)
        times += 1
    return best
