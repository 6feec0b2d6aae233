"""Run the Autobahn suite against a URL, as a process of its own: `drive.py URL PATTERN...`; prints JSON."""

from __future__ import annotations

import asyncio
import json
import os
import sys

from kosoku import FailureError, run_fuzzingclient


async def main(url: str, patterns: list[str]) -> None:
    try:
        results = await run_fuzzingclient(url, cases=patterns, concurrency=4)
    except FailureError as error:
        results = error.results
    found = {r.case_id: [r.behavior.value, r.behavior_close.value] for r in results}
    json.dump(found, sys.stdout)


asyncio.run(main(sys.argv[1], sys.argv[2:]))
sys.stdout.flush()
os._exit(0)  # the suite's native parts sometimes abort at the interpreter's end
