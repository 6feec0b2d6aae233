"""Repair of JSON text that a strict parser rejects."""

from __future__ import annotations

import re
from typing import Final

_ESCAPE: Final = re.compile(
    r"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_BRACKET: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?|(?P<open>[\[{])|(?P<close>[\]}])', re.DOTALL)
_SHALLOW: Final = 5
"""Deeper than any member of a message except items, values and details."""


def well_formed(text: str) -> str:
    """Return JSON text with U+FFFD in place of each lone surrogate."""
    return _ESCAPE.sub(lambda found: "\\ufffd" if found["lone"] else found[0], text)


def shallow(text: str) -> str:
    """Return JSON text with null in place of whatever is nested more than `_SHALLOW` levels deep."""
    kept: list[str] = []
    depth = start = 0
    for found in _BRACKET.finditer(text):
        if found["open"]:
            if depth == _SHALLOW:
                kept += (text[start : found.start()], "null")
            depth += 1
        elif found["close"]:
            depth -= 1
            if depth == _SHALLOW:
                start = found.end()
    return "".join((*kept, text[start:])) if depth <= _SHALLOW else text
