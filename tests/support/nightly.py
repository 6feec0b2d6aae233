"""What is long and rarely fails is left to `make nightly`, which sets HYPOTHESIS_PROFILE=nightly."""

from __future__ import annotations

import os
from typing import Final

import pytest

IS_NIGHTLY: Final = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"


def leave_to_nightly() -> None:
    """Skip the test at hand in any other run."""
    if not IS_NIGHTLY:
        pytest.skip("part of `make nightly`")


def one_loop_by_day(number: int, loop: str) -> None:
    """Run the cases of a list, by their number, on the two loops by turns; in the nightly run each on both."""
    if number % 2 == (loop == "trio"):
        leave_to_nightly()
