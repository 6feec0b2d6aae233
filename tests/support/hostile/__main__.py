"""See the package's own docstring."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from functools import partial
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio

from benchmarks.processes import program

from . import crowd

if TYPE_CHECKING:
    from benchmarks.processes import Process

QUIET_SECONDS: Final = 10.0
TURNS: Final = "sharedstate_event_loop_turn_seconds"
LONGEST: Final = "sharedstate_event_loop_longest_turn_seconds"
MOST: Final = 96 << 20
"""Bytes of physical memory that the server may have taken for all of it: far less than its accounts would let it."""


def main() -> None:
    """Run both attacks, first on another server: what somebody waits then is the machine's doing, not the server's."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.hostile")
    parser.add_argument("messages", type=int, nargs="?", default=20_000)
    parser.add_argument("connections", type=int, nargs="?", default=5_000)
    parser.add_argument("--loop", default="asyncio", choices=["asyncio", "trio"])
    rate = (
        "messages, and then connections, a second, at the most; without it as many as there can be"
    )
    parser.add_argument("--rate", type=float, default=inf, help=rate)
    parser.add_argument("--seed", type=int, default=0)
    command = Path(sys.executable).with_name("sharedstate-anyio")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.json"
        file.write_text(json.dumps(_document()), "utf-8")
        start = partial(program, command, file, "--loop", args.loop, until="Ctrl-C")
        with start() as server, start() as elsewhere:
            _run(server, elsewhere, args)


def _document() -> dict[str, object]:
    config = {"db_type": "sqlite", "db_name": ":memory:", "db_table": "items"}
    services = [{"name": "items", "module": "items_service", "config": config}]
    return {"service": {"port": 0}, "services": services}


def _run(server: Process, elsewhere: Process, args: argparse.Namespace) -> None:
    waits = (sys.executable, "-m", "tests.support.hostile.waits", str(server.port))
    attacks = (
        (f"{args.messages:,} messages", crowd.send_messages, args.messages),
        (f"{args.connections:,} connections", crowd.connect, args.connections),
    )
    with program(*waits) as canary:
        time.sleep(1)
        canary.command("")
        time.sleep(QUIET_SECONDS)
        _tell("quiet", server, canary)
        before, _ = server.memory(), server.metrics()  # which begins to count turns
        for name, attack, number in attacks:
            for target, where in ((elsewhere, ", elsewhere"), (server, "")):
                how = {"seed": args.seed, "rate": args.rate}
                anyio.run(partial(attack, target.port, number, **how))
                _tell(name + where, server, canary)
        time.sleep(1)
        left = server.metrics()
        turns = f"{TURNS}_count", f'{TURNS}_bucket{{le="0.01"}}', LONGEST
        count, short, longest = (left[name] for name in turns)
        print(
            f"{count - short:.0f} of {count:.0f} turns over 10 ms, the longest {1e3 * longest:.1f} ms"
        )
        assert server.memory() - before < MOST, "more memory than anything accounts for"
        assert left["sharedstate_connections"] == 1, "somebody is still there"


def _tell(name: str, server: Process, canary: Process) -> None:
    count, median, p99, longest = canary.command("").split()
    print(
        f"{name:>30}: waits median {median} ms, p99 {p99} ms, longest {longest} ms (of {count}); "
        f"server {server.memory() / (1 << 20):.0f} MiB, {server.cpu():.1f} s of CPU",
        flush=True,
    )


if __name__ == "__main__":
    main()
