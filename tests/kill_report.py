"""A pytest plugin for the kill list: what a test failed with, and where, goes to the file KILL_REPORT, a line each."""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

MISFITS = (NameError, AttributeError, ImportError, TypeError)
"""What the core raises if a patch names what is not there any more, or calls it in another way."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note what ended a test."""
    report = yield
    if call.excinfo is not None and report.failed:
        error = call.excinfo.value
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        frames = traceback.extract_tb(error.__traceback__)
        place = frames[-1].filename
        in_core = "/sharedstate_core/" in place and "/testing/" not in place
        word = "crashed" if in_core and isinstance(error, MISFITS) else "found"
        with Path(os.environ["KILL_REPORT"]).open("a") as file:
            file.write(f"{word} {item.nodeid}: {type(error).__name__}: {str(error)[:200]!r}\n")
    return report
