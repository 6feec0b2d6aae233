"""Galera's table of faults: `python -m tests.support.faults.galera_runs 50000 10`.

Writers on all three nodes; one node is killed, stands still or is cut off from the others, so many times each, and
comes back, until so many updates are acknowledged, one half on each loop.
"""

from __future__ import annotations

import itertools
import random
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio

from sharedstate_backends.items_service import get_service
from tests.backends.opening import opened
from tests.support.services.galera import cluster, settled

from .contention import Tally, contend, lost

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.support.services.galera import Node

_tables = itertools.count()


def killed(node: Node, others: Sequence[Node]) -> None:
    node.kill()
    settled(others)
    node.restart()


def stopped(node: Node, others: Sequence[Node]) -> None:
    node.pause()
    settled(others)
    node.resume()


def isolated(node: Node, others: Sequence[Node]) -> None:
    node.isolate()
    settled(others)
    node.rejoin()


FAULTS: Final[dict[str, Callable[[Node, Sequence[Node]], None]]] = {
    "killed": killed,
    "stopped": stopped,
    "isolated": isolated,
}


async def run(nodes: Sequence[Node], faults: Sequence[str], count: int) -> Tally:
    """Have nodes suffer these faults, one after the other; then write until so many updates are acknowledged.

    Raises:
        AssertionError: anything was lost, doubled, halved or applied though it was refused.
    """
    tally = Tally()
    table = f"contended_{next(_tables)}"
    async with AsyncExitStack() as stack:
        backends = [
            await stack.enter_async_context(
                opened(get_service(node.config(db_table=table, db_timeout=3)))
            )
            for node in nodes
        ]

        async def suffer() -> None:
            for fault in faults:
                node = random.choice(nodes)
                others = [other for other in nodes if other is not node]
                await anyio.to_thread.run_sync(FAULTS[fault], node, others)
                await anyio.to_thread.run_sync(settled, nodes)
                suffered.append(fault)

        suffered: list[str] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(suffer)
            while len(suffered) < len(faults) or len(tally.acknowledged) < count:
                await contend(tally, backends, 100)
        missing = await lost(tally, backends)
    assert not missing, missing
    assert not tally.doubled, tally.doubled
    return tally


def main(count: int, times: int) -> None:
    """Print a row for each fault and loop."""
    heads = (
        "fault",
        "loop",
        "times",
        "acknowledged",
        "refused",
        "in doubt",
        "lost",
        "doubled",
        "s",
    )
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|", flush=True)
    share = count // (2 * (len(FAULTS) + 1))
    total = 0
    with tempfile.TemporaryDirectory() as folder, cluster(Path(folder)) as nodes:
        for fault in ("none", *FAULTS):
            for loop in ("asyncio", "trio"):
                faults = [fault] * -(-times // 2) if fault in FAULTS else []
                since = time.monotonic()
                tally = anyio.run(run, nodes, faults, share, backend=loop)
                seconds = time.monotonic() - since
                total += len(tally.acknowledged)
                print(
                    f"| {fault} | {loop} | {len(faults)} | {len(tally.acknowledged):,} | {len(tally.refused):,} "
                    f"| {len(tally.unknown):,} | 0 | 0 | {seconds:.0f} |",
                    flush=True,
                )
    print(f"{total:,} acknowledged")


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]]
    main(*arguments) if arguments else main(50_000, 10)
