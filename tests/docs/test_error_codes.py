"""The tables of errors in the clients' guides: each code that there is, and no other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from sharedstate_anyio import client
from sharedstate_core import ErrorCode, RequestError, SharedStateError

ROOT = Path(__file__).parents[2]


def first_cells(page: str, head: str) -> list[tuple[list[str], list[str]]]:
    """Return the words in code of the first two cells of each row of a table."""
    table = re.search(
        re.escape(head) + r"\n\|[-|]+\|\n((?:\|.*\n)+)", (ROOT / page).read_text("utf-8")
    )
    assert table is not None
    cells = (line.split(" | ") for line in table[1].splitlines())
    return [(re.findall(r"`(\w+)`", one), re.findall(r"`(\w+)`", two)) for one, two, *_ in cells]


def test_codes_of_the_javascript_client() -> None:
    source = (ROOT / "js-client/src/protocol/errors.js").read_text("utf-8")
    known = re.search(r"@typedef \{([^}]*)\} ErrorCode", source)
    assert known is not None
    rows = first_cells("docs/javascript-client.md", "| code | when | what to do |")
    own = {code for codes, _ in rows for code in codes}
    assert set(re.findall(r'"(\w+)"', known[1])) == own | set(get_args(ErrorCode))
    assert not own & set(get_args(ErrorCode))


def test_errors_of_the_python_client() -> None:
    rows = first_cells("docs/python-client.md", "| error | `code` | when |")
    told = {name: codes for names, codes in rows for name in names}
    errors = {
        name: error
        for name in client.__all__
        if isinstance(error := getattr(client, name), type) and issubclass(error, SharedStateError)
    }
    assert told.keys() == errors.keys() - {"SharedStateError"}
    for name, codes in told.items():
        if not issubclass(errors[name], RequestError):
            assert codes == [errors[name].code]
