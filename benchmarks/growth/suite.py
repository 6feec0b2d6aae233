"""The suite `growth`, and what in it is not as it should be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from . import core, operations, waits
from .fit import EXPONENT, TURNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from benchmarks.measure import Result

LARGEST: Final = 1_000_000
QUICK: Final = 100_000
"""The largest collection, in items; with `--quick`."""


def run(largest: int = LARGEST) -> Iterator[Result]:
    """Yield every figure of growth."""
    yield from core.growing(largest)
    yield from waits.waiting(largest)


def quick() -> Iterator[Result]:
    """Yield the figures of growth up to smaller sizes."""
    return run(QUICK)


def faults(results: Iterable[Result]) -> Iterator[str]:
    """Yield a line for each cost that grows faster than it may, and for each long turn of the server."""
    bounds = {operation.title: operation.bound for operation in operations.OPERATIONS}
    above = ""
    for result in results:
        if result.measure == EXPONENT and result.cost > bounds.get(result.case, float("inf")):
            bound = bounds[result.case]
            yield f"{result.case}: exponent {result.cost:.2f}, at most {bound} is well"
        if result.measure == TURNS and result.cost:
            yield f"{above}: {result.cost:.0f}{result.case}"
        above = result.case
