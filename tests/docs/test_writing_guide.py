"""docs/writing.md: its page and its scripts, in real Chromium."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.test_browser import SECONDS, run_scenario

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_what_the_page_and_the_scripts_say(loop: str, tmp_path: Path) -> None:
    run_scenario("writing_guide", loop, tmp_path, SECONDS)
