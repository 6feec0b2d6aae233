"""How a cost is measured here: the best of several rounds, in processor time, beside a yardstick of the same run."""

from __future__ import annotations

import gc
import json
import os
import platform
import sqlite3
import subprocess
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT: Final = Path(__file__).resolve().parent.parent
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
        subject: whose figure it is, where several do the same.
    """

    case: str
    cost: float
    unit: str
    ratio: float | None = None
    yardstick: str | None = None
    measure: str = "µs"
    subject: str = ""

    @property
    def name(self) -> str:
        """The case, and whose it is."""
        return f"{self.subject}: {self.case}" if self.subject else self.case

    def against(self, other: Result) -> Result:
        """Return this figure with its ratio to a yardstick."""
        ratio = self.cost / other.cost
        return replace(self, ratio=ratio, yardstick=other.subject or other.case)


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


@dataclass(frozen=True, slots=True)
class Run:
    """All that a command measured, as it is in a JSON file.

    Attributes:
        machine: what it ran on, by name.
        results: the figures of each suite, in order.
    """

    machine: dict[str, object]
    results: dict[str, list[Result]]

    def dump(self, file: Path) -> None:
        """Write it."""
        document = {
            "machine": self.machine,
            "results": {
                suite: [asdict(each) for each in results] for suite, results in self.results.items()
            },
        }
        file.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read it.

        Raises:
            SystemExit: it cannot be read, or is no such file.
        """
        try:
            document = json.loads(file.read_text("utf-8"))
            results = {
                suite: [Result(**each) for each in results]
                for suite, results in document["results"].items()
            }
            return cls(dict(document["machine"]), results)
        except OSError as error:
            raise SystemExit(f"benchmarks: {file}: {error.strerror}") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SystemExit(f"benchmarks: {file} is no file of results: {error!r}") from None


def machine() -> dict[str, object]:
    """Return what the figures are measured on, and when."""
    return {
        "date": datetime.now(UTC).isoformat(" ", "minutes"),
        "revision": _revision(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("anyio", "trio", "wsproto", "msgspec", "aiosqlite")},
        "sqlite": sqlite3.sqlite_version,
    }


def table(results: list[Result]) -> str:
    """Return the results for a terminal."""
    lines = [f"{'case':<62} {'cost':>10}     {'of one':<12} {'ratio':>7} {'faster':>7}  yardstick"]
    for result in results:
        ratio = "" if result.ratio is None else f"{result.ratio:.2f}"
        faster = "" if not result.ratio else f"{1 / result.ratio:.1f}"
        lines.append(
            f"{result.name:<62} {result.cost:>10.3f} {result.measure:<3} {result.unit:<12} {ratio:>7} {faster:>7}  "
            f"{result.yardstick or ''}".rstrip()
        )
    return "\n".join(lines)


def _revision() -> str:
    """Return the commit that is measured, with a `+` if files differ from it; "" if that is unknown."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=10", "--dirty=+"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123
            names = [
                line.split(":", 1)[1].strip() for line in file if line.startswith("model name")
            ]
    except OSError:
        names = []
    return names[0] if names else platform.processor()
