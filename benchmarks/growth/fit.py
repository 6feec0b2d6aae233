"""How a cost grows with a size: 0 stays as it is, 1 grows likewise."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

EXPONENT: Final = "exponent"
"""What rows are counted in that tell how a cost grows."""

TURNS: Final = "turns"
"""What rows are counted in that tell of turns of the loop that are too long."""


def exponent(costs: Mapping[int, float]) -> float:
    """Return the exponent of that power of the size which comes nearest to the costs: least squares of logarithms.

    Args:
        costs: by size; at least two of each are needed, all greater than 0.
    """
    xs, ys = [log(size) for size in costs], [log(cost) for cost in costs.values()]
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    slope = sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True))
    return slope / sum((x - x_mean) ** 2 for x in xs)
