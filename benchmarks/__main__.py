"""Benchmarks of SharedState.

python -m benchmarks list                        what there is to measure
python -m benchmarks growth [--quick]            how costs grow; exits with 1 if one grows faster than it may
python -m benchmarks [SUITE ...] [--json FILE]   measure (default: all but `peers`; `all`: these, too)
python -m benchmarks compare BEFORE AFTER        two files, row by row; exits with 1 if a row got worse, 0 if none
python -m benchmarks report FILE [PAGE]          tables for people, as Markdown; PAGE: put them there
python -m benchmarks chart FILE SVG              a picture of the peers
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks import (
    connections,
    core,
    fanout,
    ingest,
    mysql,
    patches,
    slow,
    snapshot,
    tokens,
    transport,
    update,
    views,
)
from benchmarks.chart import chart
from benchmarks.compare import NOISE, compare
from benchmarks.growth import suite as growth
from benchmarks.measure import Run, machine, table
from benchmarks.peers import contenders
from benchmarks.peers import suite as peers
from benchmarks.report import put, report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from benchmarks.measure import Result

SUITES: Final[dict[str, tuple[Callable[[], Iterable[Result]], str]]] = {
    "core": (core.run, "the core alone: decoding, telling, the change index, snapshots"),
    "views": (views.run, "readers of parts of a collection: updates beside the whole, joins"),
    "fanout": (fanout.run, "one delivery to 100, 1,000 and 4,000 readers, beside loops of send()"),
    "connections": (connections.run, "to connect and to be there: time, memory, silence"),
    "tokens": (tokens.run, "to connect with a token of one's own, beside none: time, memory"),
    "snapshot": (snapshot.run, "100,000 items told to one, and to 50 at once"),
    "update": (update.run, "one update without readers, and what part is reading its frame"),
    "transport": (transport.run, "TLS and compression, beside plain text"),
    "slow": (slow.run, "what 100 of 1,000 readers who stop reading do to the others (wall clock)"),
    "ingest": (ingest.run, "updates stored in SQLite, beside the bare driver (wall clock)"),
    "patches": (patches.run, "a member patched, or counted, beside the item replaced as a whole"),
    "mysql": (mysql.run, "the same in MariaDB, on one of its own (wall clock)"),
    "growth": (growth.run, "how costs grow with what there is; what a stranger waits (wall clock)"),
    "peers": (peers.run, "the same crowd before other servers (first: make bench-peers)"),
}
NOT_BY_DEFAULT: Final = frozenset({"peers"})
ALL: Final = "all"
QUICK: Final = {"growth": growth.quick}
"""Suites that there are in small."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    commands = {"list": _list, "compare": _compare, "report": _report, "chart": _chart}
    if words and words[0] in commands:
        return commands[words[0]](words[1:])
    return _measure(words)


def _parser(command: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog=f"python -m benchmarks {command}".rstrip(),
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _list(words: Sequence[str]) -> int:
    _parser("list").parse_args(words)
    for name, (_, what) in SUITES.items():
        print(f"{name:<12} {what}")
    print("\nTaking part in `peers`:")
    for each in contenders.contenders():
        print(f"  {each.name:<22} {each.missing or 'ready'}")
    return 0


def _measure(words: Sequence[str]) -> int:
    parser = _parser("")
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=", ".join(SUITES))
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    parser.add_argument("--quick", action="store_true", help=f"in small: {', '.join(QUICK)}")
    options = parser.parse_args(words)
    suites = options.suites or [name for name in SUITES if name not in NOT_BY_DEFAULT]
    if suites == [ALL]:
        suites = list(SUITES)
    for name in suites:
        if name not in SUITES:
            parser.error(f"no suite {name!r}; there are: {', '.join(SUITES)}")
    run = Run(machine(), {})
    start = time.monotonic()
    for name in suites:
        run.results[name] = []
        if name == "peers":
            run.machine["peers"] = contenders.versions()
        for result in (QUICK if options.quick else {}).get(name, SUITES[name][0])():
            run.results[name].append(result)
            spent = time.monotonic() - start
            line = f"[{spent:4.0f} s] {name}: {result.name}: {result.cost:.2f} {result.measure}"
            print(line, file=sys.stderr, flush=True)
            if options.json:  # each time, so that a run that is broken off is not in vain
                run.dump(options.json)
    print(", ".join(f"{key} {value}" for key, value in run.machine.items()))
    print(table([result for results in run.results.values() for result in results]))
    faults = list(growth.faults(run.results.get("growth", ())))
    for fault in faults:
        print(f"! {fault}")
    return 1 if faults else 0


def _compare(words: Sequence[str]) -> int:
    parser = _parser("compare")
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument(
        "--noise",
        type=float,
        default=NOISE,
        metavar="PERCENT",
        help="a row that changed by no more did not change (default: %(default)g)",
    )
    options = parser.parse_args(words)
    text, worse = compare(Run.load(options.before), Run.load(options.after), options.noise)
    print(text)
    return 1 if worse else 0


def _report(words: Sequence[str]) -> int:
    parser = _parser("report")
    parser.add_argument("file", type=Path)
    parser.add_argument("page", type=Path, nargs="?", help="replace the tables in this page")
    options = parser.parse_args(words)
    text = report(Run.load(options.file))
    if options.page is None:
        print(text)
    else:
        put(text, options.page)
    return 0


def _chart(words: Sequence[str]) -> int:
    parser = _parser("chart")
    parser.add_argument("file", type=Path)
    parser.add_argument("svg", type=Path)
    options = parser.parse_args(words)
    options.svg.write_text(chart(Run.load(options.file)), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
