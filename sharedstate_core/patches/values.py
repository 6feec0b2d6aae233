"""Values as JSON text: sums that are exact for whole numbers, and which values are equal."""

from __future__ import annotations

import json
from math import isfinite
from typing import Final

import msgspec

MAX_DIGITS: Final = 1_000
"""Maximum length of a whole number that is counted on: Python's own take time by the square of it."""

_DIGITS: Final = frozenset(b"-0123456789")


def is_number(text: bytes) -> bool:
    """Return whether a JSON value is a number."""
    return text[0] in _DIGITS


def is_whole(text: bytes) -> bool:
    """Return whether a number is spelled as a whole one."""
    return not (b"." in text or b"e" in text or b"E" in text)


def total(one: bytes, other: bytes) -> bytes:
    """Return the sum of two numbers: exact if both are spelled as whole numbers, otherwise that of doubles.

    Raises:
        ValueError: it is not finite, or has more than `MAX_DIGITS` digits.
    """
    if is_whole(one) and is_whole(other):
        if max(len(one), len(other)) <= MAX_DIGITS:
            text = b"%d" % (int(one) + int(other))
            if len(text) <= MAX_DIGITS:
                return text
        raise ValueError(f"the sum has more than {MAX_DIGITS} digits")
    value = float(one) + float(other)
    if not isfinite(value):
        raise ValueError("the sum is beyond what a double can be")
    return msgspec.json.encode(value)


def spelling(text: bytes) -> str:
    """Return the one text that all equal JSON values share, and no others.

    Numbers are equal by value (1 and 1.0); of those beyond doubles only what is spelled alike is equal. Objects are
    equal whatever the order of their members. True is not 1. (Values that hash as numbers do would let anybody write
    very many with the same hash.)
    """
    first = text[:1]
    if first in {b"[", b"{"}:
        return _spelled(json.loads(text, parse_int=_number, parse_float=_number))
    if first == b'"':
        return text.decode() if b"\\" not in text else _spelled(json.loads(text))
    return _number(text.decode()) if is_number(text) else text.decode()


class _Number(str):
    """The one text of a number."""

    __slots__ = ()


def _number(text: str) -> _Number:
    if not is_whole(text.encode()):
        value = float(text)
        if not isfinite(value):
            return _Number(text)
        return _Number(int(value) if value.is_integer() else value)
    return _Number(int(text) if len(text) <= MAX_DIGITS else text)


def _spelled(value: object) -> str:
    if isinstance(value, _Number):
        return value
    if isinstance(value, list):
        return f"[{','.join(map(_spelled, value))}]"
    if isinstance(value, dict):
        members = [f"{json.dumps(name)}:{_spelled(inner)}" for name, inner in value.items()]
        return f"{{{','.join(sorted(members))}}}"
    return json.dumps(value, ensure_ascii=False)
