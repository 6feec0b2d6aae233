"""The table of faults: `python -m tests.support.faults.runs 10` does each ten times on each loop and prints a row."""

from __future__ import annotations

import itertools
import os
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from tests.support.services import mariadb

from .kinds import MARIADB_RUNS, RUNS
from .stage import ROOT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from .kinds import Run
    from .stage import Stage


@contextmanager
def runs_on_mariadb() -> Iterator[dict[str, Run]]:
    """Start a MariaDB for `MARIADB_RUNS`, and tell each about a table of its own."""
    numbers = itertools.count()
    with tempfile.TemporaryDirectory() as name:
        home = Path(name, "home")
        home.mkdir()
        template = mariadb.make_template(Path(name))
        with mariadb.started(template, home) as database:

            def on_its_own_table(run: Callable[..., Awaitable[Stage]]) -> Run:
                async def run_there(folder: Path, loop: str) -> Stage:
                    table = f"items_{next(numbers)}"
                    return await run(folder, loop, database.config(db_table=table))

                return run_there

            yield {name: on_its_own_table(run) for name, run in MARIADB_RUNS.items()}


def main(times: int) -> None:
    """Print the table."""
    os.environ["PYTHONPATH"] = str(ROOT)
    head = ("fault", "times", "acknowledged", "refused", "in doubt", "lost", "halves", "seconds")
    print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|", flush=True)
    with runs_on_mariadb() as on_mariadb:
        for name, run in (RUNS | on_mariadb).items():
            _report(name, run, times)


def _report(name: str, run: Run, times: int) -> None:
    stages = []
    for number in range(times * 2):
        loop = ("asyncio", "trio")[number % 2]
        with tempfile.TemporaryDirectory() as folder:
            stages.append(anyio.run(run, Path(folder), loop, backend=loop))
    acknowledged = sum(len(stage.ledger.acknowledged) for stage in stages)
    refused = sum(len(stage.ledger.refused) for stage in stages)
    unknown = sum(len(stage.ledger.unknown) for stage in stages)
    lost = sum(len(stage.ledger.lost) for stage in stages)
    halves = sum(stage.ledger.halves for stage in stages)
    slowest = max(stage.seconds for stage in stages)
    print(
        f"| {name} | {len(stages)} | {acknowledged:,} | {refused:,} | {unknown:,} "
        f"| {lost} | {halves} | {slowest:.2f} |",
        flush=True,
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
