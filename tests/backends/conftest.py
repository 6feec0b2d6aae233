"""Stores for the tests; the cases run on asyncio and on trio."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

pytest.register_assert_rewrite("sharedstate_backends.conformance")

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A file's name, in a folder of the test's own."""
    return str(tmp_path / "items.db")
