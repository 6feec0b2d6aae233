"""JSON values as the one text that JavaScript has for them, so that clients in both give equal filters one name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import inf, isfinite
from typing import TYPE_CHECKING, Final

from sharedstate_core.arguments import check_text, found
from sharedstate_core.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Iterable

_FNV_START: Final = 0x811C9DC5
_FNV_PRIME: Final = 0x01000193
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"

_MAX_EXACT: Final = 2**53
"""JavaScript has no whole numbers beyond it, and would round them."""

_MAX_DEPTH: Final = 100
"""Objects and lists inside one another: more than any server takes of a filter."""


def canonical(place: str, value: object) -> str:
    """Return the JSON text of a value: keys in the order of their UTF-16, no spaces, numbers as in JavaScript.

    A whole number above 2^53, which JavaScript would round, has all its digits.

    Args:
        place: of the value, for errors.
        value: JSON: None, a bool, a number, a str, a list or tuple, or a mapping with str for keys.

    Raises:
        RequestError: `bad_message`: it is something else, or nested more than 100 levels deep.
    """
    return _text(place, value, 0)


def _text(place: str, value: object, depth: int) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str):
        return _string(place, value)
    if isinstance(value, int | float):
        return _number(place, value)
    if depth >= _MAX_DEPTH:
        raise _fault(place, "it is nested too deep")
    if isinstance(value, list | tuple):
        parts: Iterable[str] = (
            _text(f"{place}[{index}]", each, depth + 1) for index, each in enumerate(value)
        )
        return f"[{','.join(parts)}]"
    if not isinstance(value, Mapping):
        raise _fault(place, f"expected JSON, found {found(value)}")
    names = {_string(place, name): name for name in value}
    parts = (
        f"{text}:{_text(f'{place}.{name}', value[name], depth + 1)}"
        for text, name in sorted(names.items(), key=lambda each: each[1].encode("utf-16-be"))
    )
    return f"{{{','.join(parts)}}}"


def _string(place: str, value: object) -> str:
    try:
        check_text(place, value, "a")
    except (TypeError, ValueError) as error:
        raise RequestError("bad_message", str(error)) from None
    return json.dumps(value, ensure_ascii=False)


def _number(place: str, value: float) -> str:
    try:
        number = float(value)
    except OverflowError:
        number = inf
    if not isfinite(number):
        raise _fault(place, "expected JSON, found a number that is too large, or none")
    if isinstance(value, int) and abs(value) > _MAX_EXACT:
        return str(value)
    digits, _, exponent = repr(abs(number)).partition("e")
    whole, _, fraction = digits.removesuffix(".0").partition(".")
    significant = (whole + fraction).lstrip("0")
    point = len(significant) - len(fraction) + int(exponent or 0)
    sign = "-" if number < 0 else ""
    return sign + _decimal(significant.rstrip("0"), point) if significant else "0"


def _decimal(digits: str, point: int) -> str:
    """Return `0.digits` times ten to the power of `point`, as ECMAScript writes it (Number::toString)."""
    count = len(digits)
    if count <= point <= 21:
        return digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{digits}"
    mantissa = digits[0] + (f".{digits[1:]}" if count > 1 else "")
    return f"{mantissa}e{point - 1:+d}"


def _fault(place: str, problem: str) -> RequestError:
    return RequestError("bad_message", f"{place}: {problem}")


def short_name(text: str) -> str:
    """Return the FNV-1a hash of a text in UTF-8, 32 bits, in base 36."""
    hashed = _FNV_START
    for byte in text.encode():
        hashed = (hashed ^ byte) * _FNV_PRIME & 0xFFFFFFFF
    digits = ""
    while hashed:
        hashed, digit = divmod(hashed, 36)
        digits = _DIGITS[digit] + digits
    return digits or "0"
