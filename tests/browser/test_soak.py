"""The soak: a few seconds of it in the tests, ten minutes with `make soak`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .test_browser import run_scenario

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_soak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = int(os.environ.get("SOAK_SECONDS", "10"))
    monkeypatch.setenv("SOAK_SECONDS", str(seconds))
    print(run_scenario("soak", "asyncio", tmp_path, seconds + 120))
