"""The same scenarios in Chromium, Firefox and WebKit, each as Debian has it: `engines.scenario.mjs`."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.ports import free_port

from .test_browser import SECONDS, run_scenario

if TYPE_CHECKING:
    from pathlib import Path

PROGRAMS = {"firefox": ("firefox-esr", "firefox"), "webkit": ("WebKitWebDriver",)}


NIGHTLY = [("firefox", "trio"), ("webkit", "asyncio")]
"""What a browser does hardly depends on the server's loop."""


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
@pytest.mark.parametrize("engine", ["chromium", "firefox", "webkit"])
def test_engine(engine: str, loop: str, tmp_path: Path) -> None:
    if (engine, loop) in NIGHTLY and os.environ.get("HYPOTHESIS_PROFILE") != "nightly":
        pytest.skip("part of `make nightly`")
    program = next(filter(None, map(shutil.which, PROGRAMS.get(engine, ()))), "")
    assert program or engine == "chromium", f"{engine} is missing: make .stamps/debian"
    extra = {"ENGINE": engine, "FIREFOX": program, "WEBKIT_PORT": str(free_port())}
    run_scenario("engines", loop, tmp_path, SECONDS, **extra)
