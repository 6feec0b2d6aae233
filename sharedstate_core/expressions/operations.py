"""What the operators and functions do, apart from `&&`, `||` and `?:`. What has no value raises `Fault`."""

from __future__ import annotations

import math
import operator
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from .bounds import MAX_MADE
from .comparing import ORDERINGS, contained, differ, equal
from .tree import Binary, Call, Has, Index, ListOf, MapOf, Node, Select, TypeIs, Unary
from .values import NO_MEMBER, TYPES, Fault, Value, expected_bool, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable

    Operation: TypeAlias = Callable[..., Value]

_INT_END: Final = 2**63


def _fitting(value: int) -> int:
    if -_INT_END <= value < _INT_END:
        return value
    raise Fault("the result, or what it is of, has more than 64 bits")


def _arithmetic(
    sign: str, whole: Callable[[int, int], int], double: Callable[[float, float], float] | None
) -> Operation:
    def arithmetic(a: Value, b: Value) -> Value:
        if a.__class__ is int and b.__class__ is int:
            return _fitting(whole(_fitting(a), _fitting(b)))
        if a.__class__ is float and b.__class__ is float and double:
            return double(a, b)
        words = f"`{sign}` is not defined for {kind_of(a)} and {kind_of(b)}"
        if {a.__class__, b.__class__} == {int, float}:
            words += "; write 1.0, not 1, beside a double"
        raise Fault(words)

    return arithmetic


def _quotient(a: int, b: int) -> int:
    """Return `a / b` towards zero."""
    if b == 0:
        raise Fault("division by zero")
    return abs(a) // abs(b) if (a < 0) is (b < 0) else -(abs(a) // abs(b))


def _remainder(a: int, b: int) -> int:
    """Return what `_quotient` leaves; it has the sign of `a`."""
    return a - b * _fitting(_quotient(a, b))


def _ratio(a: float, b: float) -> float:
    if b:
        return a / b
    if a == 0 or math.isnan(a):
        return math.nan
    return math.copysign(math.inf, a) * math.copysign(1.0, b)


_sum: Final = _arithmetic("+", operator.add, operator.add)


def _plus(a: Value, b: Value) -> Value:
    if isinstance(a, str) and isinstance(b, str):
        _check_length(len(a) + len(b))
        return a + b
    if isinstance(a, list) and isinstance(b, list):
        _check_length(len(a) + len(b))
        return a + b
    return _sum(a, b)


def _check_length(length: int) -> None:
    if length > MAX_MADE:
        raise Fault(f"longer than {MAX_MADE}")


def _negative(a: Value) -> Value:
    if a.__class__ is int:
        return _fitting(-_fitting(a))
    if isinstance(a, float):
        return -a
    raise Fault(f"`-` is not defined for {kind_of(a)}")


def _opposite(a: Value) -> bool:
    if isinstance(a, bool):
        return not a
    raise Fault(expected_bool(a))


# --- looking into ---


def _member(name: str, of: Value) -> Value:
    """`of.name`."""
    if isinstance(of, dict):
        if name in of:
            return of[name]
        raise Fault(NO_MEMBER)
    raise Fault(f"a member of {kind_of(of)}")


def _has(name: str, of: Value) -> bool:
    if isinstance(of, dict):
        return name in of
    raise Fault(f"a member of {kind_of(of)}")


def _is_of(type_: type, a: Value) -> bool:
    return a.__class__ is type_


def _is_not_of(type_: type, a: Value) -> bool:
    return a.__class__ is not type_


def _item(of: Value, key: Value) -> Value:
    if isinstance(of, list):
        if isinstance(key, float) and key.is_integer():
            key = int(key)
        if key.__class__ is not int:
            raise Fault(f"the place in a list is an int, found {kind_of(key)}")
        if not 0 <= key < len(of):
            raise Fault(f"there are {len(of)} items")
        return of[key]
    if isinstance(of, dict) and isinstance(key, str):
        return _member(key, of)
    raise Fault(f"{kind_of(of)} has nothing at {kind_of(key)}")


def _size(a: Value) -> int:
    if isinstance(a, str | list | dict):
        return len(a)
    raise Fault(f"{kind_of(a)} has no size")


def _method(name: str, test: Callable[[str, str], bool]) -> Operation:
    def method(a: Value, b: Value) -> bool:
        if isinstance(a, str) and isinstance(b, str):
            return test(a, b)
        raise Fault(f"{name} is for two strings, found {kind_of(a)} and {kind_of(b)}")

    return method


def _map(keys: tuple[str, ...], *values: Value) -> dict[str, Value]:
    return dict(zip(keys, values, strict=True))


def _list(*items: Value) -> list[Value]:
    return list(items)


_BINARY: Final[dict[str, Operation]] = {
    **ORDERINGS,
    "==": equal,
    "!=": differ,
    "in": contained,
    "+": _plus,
    "-": _arithmetic("-", operator.sub, operator.sub),
    "*": _arithmetic("*", operator.mul, operator.mul),
    "/": _arithmetic("/", _quotient, _ratio),
    "%": _arithmetic("%", _remainder, None),
}
_CALLS: Final[dict[str, Operation]] = {
    "size": _size,
    "contains": _method("contains", operator.contains),
    "startsWith": _method("startsWith", str.startswith),
    "endsWith": _method("endsWith", str.endswith),
}


def operation_of(node: Node) -> Operation:
    """Return the function from the values of a node's operands to its own, if it needs them all.

    Raises:
        KeyError: it does not: it is one of `&&`, `||` and `?:`, or it has no operands.
    """
    match node:
        case Binary():
            return _BINARY[node.op]
        case Unary():
            return _opposite if node.op == "!" else _negative
        case Call():
            return _CALLS[node.function]
        case Select():
            return partial(_member, node.member)
        case Has():
            return partial(_has, node.member)
        case TypeIs():
            return partial(_is_of if node.op == "==" else _is_not_of, TYPES[node.type])
        case Index():
            return _item
        case ListOf():
            return _list
        case MapOf():
            return partial(_map, node.keys)
        case _:
            raise KeyError(type(node).__name__)
