"""Repair of JSON text that a strict parser rejects."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Final

import msgspec
from msgspec import Raw

_ESCAPE: Final = re.compile(
    r"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_BRACKET: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?|(?P<open>[\[{])|(?P<close>[\]}])', re.DOTALL)
_SHALLOW: Final = 5
"""Deeper than any member of a message except items, values and details."""

_members = msgspec.json.Decoder(dict[str, Raw])
_list = msgspec.json.Decoder(list[Raw])


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


def unique(text: str) -> str:
    """Return a message that spells no member of itself, its `data` or an item twice: the last counts, as in JavaScript.

    Raises:
        msgspec.DecodeError: it is not an object.
    """
    message = _members.decode(text)
    if "data" in message:
        with suppress(msgspec.ValidationError):
            message["data"] = _unique_data(message["data"])
    return msgspec.json.encode(message).decode()


def _unique_data(text: Raw) -> Raw:
    data = _members.decode(text)
    if "insert" in data:
        items = [_members.decode(item) for item in _list.decode(data["insert"])]
        data["insert"] = Raw(msgspec.json.encode(items))
    return Raw(msgspec.json.encode(data))
