"""docs/tutorial.md, as a reader does it, with real Chromium; `tutorial.scenario.mjs` has the steps."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser.test_browser import SECONDS, run_scenario


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_tutorial(loop: str, tmp_path: Path) -> None:
    command = str(Path(sys.executable).with_name("sharedstate"))
    run_scenario(
        "tutorial", loop, tmp_path, SECONDS, SHAREDSTATE_CLIENT=command, PYTHON=sys.executable
    )


def test_make_serve_is_a_command() -> None:
    root = Path(__file__).parents[2]
    subprocess.run(["make", "-n", "serve"], cwd=root, check=True, capture_output=True)
