"""`python -m benchmarks [suite ...] [--json FILE]`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks import connections, core, fanout, ingest, mysql, snapshot, update
from benchmarks.measure import as_document, machine, table

SUITES = {
    "core": core.run,
    "fanout": fanout.run,
    "connections": connections.run,
    "snapshot": snapshot.run,
    "update": update.run,
    "ingest": ingest.run,
    "mysql": mysql.run,
}


def main() -> None:
    """Run the suites and print their figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "suites", nargs="*", help=f"which to run (default: all): {', '.join(SUITES)}"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    options = parser.parse_args()
    for name in options.suites:
        if name not in SUITES:
            parser.error(f"no suite {name!r}; there are: {', '.join(SUITES)}")
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    results = [result for name in options.suites or SUITES for result in SUITES[name]()]
    print(table(results))
    if options.json:
        options.json.write_text(json.dumps(as_document(results), indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
