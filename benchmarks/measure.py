"""How a cost is measured here: the best of several rounds, in processor time, beside a yardstick of the same run."""

from __future__ import annotations

import gc
import os
import platform
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS: Final = 5
ROUND_SECONDS: Final = 0.15
"""Long enough that the clock's own grain and a stray interrupt do not show in the best of `ROUNDS`."""


@dataclass(frozen=True, slots=True)
class Result:
    """One figure.

    Attributes:
        case: what was done.
        cost: of one unit, in the best round: time of the processor, or where the suite says so on the wall.
        unit: what one unit is.
        ratio: the same as a multiple of the yardstick; None if this is one.
        yardstick: the case it is compared with.
        measure: what the cost is counted in.
    """

    case: str
    cost: float
    unit: str
    ratio: float | None = None
    yardstick: str | None = None
    measure: str = "µs"

    def against(self, other: Result) -> Result:
        """Return this figure with its ratio to a yardstick."""
        ratio = self.cost / other.cost
        return replace(self, ratio=ratio, yardstick=other.case)


def measure(case: str, unit: str, count: int, run: Callable[[], object]) -> Result:
    """Return the cost of one unit; `run` does `count` units."""
    run()
    best = float("inf")
    gc.collect()
    for _ in range(ROUNDS):
        runs, start = 0, time.process_time()
        while (spent := time.process_time() - start) < ROUND_SECONDS or not runs:
            run()
            runs += 1
        best = min(best, spent / (runs * count))
    return Result(case, best * 1e6, unit)


def machine() -> dict[str, object]:
    """Return what the figures were measured on."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
    }


def as_document(results: list[Result]) -> dict[str, object]:
    """Return the results as they are written to a JSON file."""
    return {"machine": machine(), "results": [asdict(result) for result in results]}


def table(results: list[Result]) -> str:
    """Return the results for a terminal."""
    lines = [f"{'case':<62} {'cost':>10}     {'of one':<12} {'ratio':>7} {'faster':>7}  yardstick"]
    for result in results:
        ratio = "" if result.ratio is None else f"{result.ratio:.2f}"
        faster = "" if not result.ratio else f"{1 / result.ratio:.1f}"
        lines.append(
            f"{result.case:<62} {result.cost:>10.3f} {result.measure:<3} {result.unit:<12} {ratio:>7} {faster:>7}  "
            f"{result.yardstick or ''}".rstrip()
        )
    return "\n".join(lines)


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123
            names = [
                line.split(":", 1)[1].strip() for line in file if line.startswith("model name")
            ]
    except OSError:
        names = []
    return names[0] if names else platform.processor()
