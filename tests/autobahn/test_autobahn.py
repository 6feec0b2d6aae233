"""The cases of the Autobahn test suite, driven by kosoku, against an echo endpoint of our connections."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import anyio

from .echo import echoing

SECONDS = 240
BASE = [f"{chapter}.*" for chapter in (1, 2, 3, 4, 5, 6, 7, 9, 10)]
BASE_CASES = 301
"""All but compression: 247, and the 54 of chapter 9 about limits and speed."""


async def drive(port: int, patterns: list[str]) -> dict[str, list[str]]:
    """Return what the suite says of each case: of its messages, and of its end."""
    script = Path(__file__).with_name("drive.py")
    command = [sys.executable, str(script), f"ws://127.0.0.1:{port}", *patterns]
    with anyio.fail_after(SECONDS):
        run = await anyio.run_process(command, check=False)
    assert run.returncode == 0, run.stderr.decode()
    found: dict[str, Any] = json.loads(run.stdout)
    return found


async def test_the_base_cases() -> None:
    async with echoing() as port:
        found = await drive(port, BASE)
    good = {"OK", "INFORMATIONAL"}
    assert {case: verdict for case, verdict in found.items() if not good.issuperset(verdict)} == {}
    assert len(found) == BASE_CASES
    assert Counter(verdict for verdict, _ in found.values())["OK"] >= BASE_CASES - 5
