"""What the constructors of the stores are handed, checked at once."""

from __future__ import annotations

import re
from typing import Final

from sharedstate_core.arguments import expect

MAX_TABLE_NAME: Final = 47
"""The longest name of a table: MySQL allows 64 characters, and the longest suffix of a table's name has 17."""

TABLE_NAME: Final = re.compile(rf"[A-Za-z_][A-Za-z0-9_]{{0,{MAX_TABLE_NAME - 1}}}")


def check_table(table: object) -> None:
    """Check the name of a table, which goes into statements as it stands.

    Raises:
        TypeError: it is not a str.
        ValueError: it is not a name.
    """
    expect("table", table, str)
    if not TABLE_NAME.fullmatch(str(table)):
        problem = f"expected letters, digits and _, at most {MAX_TABLE_NAME}, no digit first"
        raise ValueError(f"table: {problem}; found {str(table)[:60]!r}")
