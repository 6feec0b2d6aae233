"""Comparing values. A bool is not a number here, whatever Python says."""

from __future__ import annotations

import operator
from math import isnan
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from .bounds import MAX_COMPARED
from .values import Fault, Value, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable

    Comparison: TypeAlias = Callable[[Any, Any], bool]

_NUMBERS: Final = (int, float)
_TOO_LARGE: Final = "too large to compare"


def equal(a: Value, b: Value) -> bool:
    """`==`; what Python finds different is, what it finds equal need not be."""
    if a != b:
        return False
    kind, other = a.__class__, b.__class__
    if kind is str or kind is other is int:
        return True
    if kind is list or kind is dict:
        return _alike(a, b)
    return (kind is bool) is (other is bool)


def _alike(a: Value, b: Value) -> bool:
    """Return whether two lists or maps that are equal in Python are."""
    left = MAX_COMPARED
    pairs = [(a, b)]
    while pairs:
        one, other = pairs.pop()
        if isinstance(one, list) and isinstance(other, list):
            inner = list(zip(one, other, strict=True)) if len(one) <= left else None
        elif isinstance(one, dict) and isinstance(other, dict):
            inner = [(each, other[key]) for key, each in one.items()] if len(one) <= left else None
        elif one != other or (one.__class__ is bool) is not (other.__class__ is bool):
            return False
        else:
            continue
        if inner is None:
            raise Fault(_TOO_LARGE)
        left -= len(inner)
        pairs += inner
    return True


def differ(a: Value, b: Value) -> bool:
    """`!=`."""
    return not equal(a, b)


def contained(a: Value, b: Value) -> bool:
    """`in`: an item of a list, or the name of a member of a map."""
    if b.__class__ is list:
        return _listed(a, b)
    if isinstance(b, dict) and a.__class__ in {str, int, float, bool}:
        return a.__class__ is str and a in b
    raise Fault(f"`in` takes a list, or a string and a map; found {kind_of(a)} in {kind_of(b)}")


def _listed(a: Value, items: list[Value]) -> bool:
    """Return whether a list holds a value."""
    if isinstance(a, list | dict):
        return _holds_container(a, items)
    is_bool = a.__class__ is bool
    if a == 0 or a == 1:  # to Python, false and true are these
        items = [each for each in items if (each.__class__ is bool) is is_bool]
    return a in items and not (isinstance(a, float) and isnan(a))  # the same object is found


def _holds_container(a: Value, items: list[Value]) -> bool:
    """Return whether a list holds a list or a map; Python finds those that may be it."""
    at = -1
    for _ in range(MAX_COMPARED // 100):
        try:
            at = items.index(a, at + 1)
        except ValueError:
            return False
        if equal(a, items[at]):
            return True
    raise Fault(_TOO_LARGE)


def _ordered(sign: str, compare: Comparison) -> Comparison:
    def ordered(a: Value, b: Value) -> bool:
        kind, other = a.__class__, b.__class__
        if (kind in _NUMBERS and other in _NUMBERS) or (kind is other and kind in {str, bool}):
            return compare(a, b)
        raise Fault(f"`{sign}` does not compare {kind_of(a)} and {kind_of(b)}")

    return ordered


ORDERINGS: Final = {
    "<": _ordered("<", operator.lt),
    "<=": _ordered("<=", operator.le),
    ">": _ordered(">", operator.gt),
    ">=": _ordered(">=", operator.ge),
}
