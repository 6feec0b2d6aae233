"""The tables of every store: their names, and the version of their layout."""

from __future__ import annotations

import re
from typing import Final

from sharedstate_core.arguments import expect

MAX_TABLE_NAME: Final = 47
"""Maximum length of a table's name: MySQL allows 64 characters, and the longest suffix has 17."""

TABLE_NAME: Final = re.compile(rf"[A-Za-z_][A-Za-z0-9_]{{0,{MAX_TABLE_NAME - 1}}}")

FORMAT: Final = 1
"""Number of the layout of a new store."""

FORMAT_WITH_FLOOR: Final = 2
"""The number once the store has a floor (see `history`), which version 0.1 would ignore."""

FORMATS: Final = frozenset({str(FORMAT), str(FORMAT_WITH_FLOOR)})
"""Known numbers; a greater one comes from a later version of this package."""


def table_names(table: str) -> tuple[str, str, str]:
    """Return the names of the tables for items, collections and meta data."""
    return table, f"{table}_collections", f"{table}_meta"


def receipts_table(table: str) -> str:
    """Return the name of the table for receipts, which earlier versions neither know nor touch."""
    return f"{table}_receipts"


def check_table(table: object) -> None:
    """Check the name of a table, which is inserted into statements verbatim.

    Raises:
        TypeError: it is not a str.
        ValueError: it is not a valid name.
    """
    expect("table", table, str)
    if not TABLE_NAME.fullmatch(str(table)):
        problem = f"expected letters, digits and _, at most {MAX_TABLE_NAME}, no digit first"
        raise ValueError(f"table: {problem}; found {str(table)[:60]!r}")
