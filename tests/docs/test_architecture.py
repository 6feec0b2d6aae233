"""The page about how it is built shows the tables that run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.decision_tables import TABLES, markdown

PAGE = (Path(__file__).parents[2] / "ARCHITECTURE.md").read_text("utf-8")


@pytest.mark.parametrize("name", TABLES)
def test_a_decision_table_is_printed(name: str) -> None:
    printed = re.search(f"<!-- table: {name} -->\n\n(.*?)\n\n<!-- end -->", PAGE, re.DOTALL)
    assert printed is not None
    assert printed[1] == markdown(*TABLES[name]), "print it anew: python -m tests.decision_tables"
