"""What a patch costs, beside replacing the item as a whole: through a server in a process of its own.

Processor time of the server for each acknowledged update; the best of several rounds. 16 writers, 8 updates of each on
their way, one collection.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.ingest import DURABILITIES, LOOPS, Durability
from benchmarks.measure import Result
from benchmarks.writers import COUNTED, PATCHED, REPLACED, Kind, through_server

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS: Final = 4
SECONDS: Final = 1.0

KINDS: Final = {
    "an item replaced": REPLACED,
    "a member patched": PATCHED,
    "a count in one item": COUNTED,
}


def run() -> Iterator[Result]:
    """Yield every figure of patches."""
    for durability in DURABILITIES:
        for loop in LOOPS:
            best = dict.fromkeys(KINDS, float("inf"))
            for _ in range(ROUNDS):
                for name, kind in KINDS.items():
                    best[name] = min(best[name], _cost(durability, loop, kind))
            yardstick: Result | None = None
            for name, cost in best.items():
                result = Result(f"{durability.name}, {loop}: {name}", cost * 1e6, "update")
                yield result if yardstick is None else result.against(yardstick)
                yardstick = yardstick or result


def _cost(durability: Durability, loop: str, kind: Kind) -> float:
    """Return the processor time of an update, in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        config = durability.config(Path(folder))
        return through_server(config, loop, 1, SECONDS, kind=kind).processor[0]
