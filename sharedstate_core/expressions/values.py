"""What a value is: JSON, as Python has it. None, bool, int, float, str, list, dict."""

from __future__ import annotations

from typing import Final, TypeAlias

from .places import Failure, Place

Value: TypeAlias = object
"""A JSON value."""


NO_MEMBER: Final = "there is no such member"
TOO_DEEP: Final = "a value is nested too deep"


class Fault(Exception):  # noqa: N818 - it does not leave this package: it becomes a `Failure`
    """There is no value.

    Attributes:
        reason: why.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason


def failure_at(place: Place, fault: Fault) -> Failure:
    """Return the error value of what stands at a place; a reason that is known already is that of the place."""
    return Failure(place, place.reason or fault.reason)


_KINDS: Final[dict[object, str]] = {
    type(None): "null",
    bool: "a bool",
    int: "an int",
    float: "a double",
    str: "a string",
    list: "a list",
    dict: "a map",
}


TYPES: Final[dict[str, type]] = {
    "null_type": type(None),
    "bool": bool,
    "int": int,
    "double": float,
    "string": str,
    "list": list,
    "map": dict,
}
"""The types of values, by the names that expressions have for them."""


def kind_of(value: Value) -> str:
    """Return what a value is, in words."""
    return _KINDS.get(value.__class__) or "not a JSON value"


def expected_bool(value: Value) -> str:
    """Return what is wrong with a condition that is not a bool."""
    return f"expected true or false, found {kind_of(value)}"
