"""What may be asked of one member, as expressions.

Each test is written in one of two ways. As it is, it may fail where there is no such member, or one of another type: an
error is as good as false. Its opposite must not: it says when the test cannot hold, before it looks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from sharedstate_core.errors import RequestError
from sharedstate_core.expressions.tree import Binary, Call, ListOf, Literal, Node, Scalar, TypeIs
from sharedstate_core.expressions.values import kind_of as type_of

from .connectives import EVERYTHING, NOTHING, all_of, any_of, opposite
from .members import is_scalar, missing, present, value_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from sharedstate_core.patches.pointers import Path

    Test: TypeAlias = Callable[[Path, "Given", bool], Node]

ANY_SCALAR: Final = "a string, a number, true, false or null"

_ORDERS: Final = {"lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
_OPPOSITE: Final = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}

_EXACT: Final = 2**53
"""Below it, every whole number is a double, too."""

_LARGEST: Final = 1.7976931348623157e308
"""The largest double."""


class Given(NamedTuple):
    """A value in a filter, and the place where it stands."""

    value: object
    place: str

    def fault(self, problem: str) -> RequestError:
        """Return the error for something that is wrong here."""
        return RequestError("bad_message", f"{self.place}: {problem}")

    def unexpected(self, expected: str) -> RequestError:
        """Return the error for a value of another kind than is expected."""
        return self.fault(f"expected {expected}; found {self.kind}")

    @property
    def kind(self) -> str:
        """What the value is, in the words of JSON."""
        if isinstance(self.value, bool):
            return "true" if self.value else "false"
        if isinstance(self.value, int | float):
            return "a number"
        return "an object" if isinstance(self.value, dict) else type_of(self.value)

    def literal(self) -> Literal:
        """Return a scalar as an expression; numbers that are equal become the same.

        Raises:
            RequestError: it is no scalar, or a number that no double can be.
        """
        value = self.value
        if not is_scalar(value):
            raise self.unexpected(ANY_SCALAR)
        if isinstance(value, str | bool) or value is None:
            return Literal(value)
        if not abs(value) <= _LARGEST:  # nor is what is not a number
            raise self.fault(f"expected a number of at most {_LARGEST}")
        if abs(value) < _EXACT:
            return Literal(int(value) if value == int(value) else value)
        return Literal(float(value) if value == float(value) else value)


def is_one_of(path: Path, literals: list[Literal], negated: bool) -> Node:
    """Return whether a member is one of some values, each given once, and in order."""
    of = value_at(path)
    if not literals:
        return EVERYTHING if negated else NOTHING
    if len(literals) > 1:
        test: Node = Binary("in", of, ListOf(tuple(literals)))
        return _negated(path, opposite(test)) if negated else test
    if negated:
        return _negated(path, Binary("!=", of, literals[0]))
    return Binary("==", of, literals[0])


def in_order(literals: set[Literal]) -> list[Literal]:
    """Return values in an order that depends on them alone."""

    def rank(literal: Literal) -> tuple[str, Scalar]:
        value = literal.value
        if value is None or isinstance(value, bool):
            return "", str(value)
        return "string" if isinstance(value, str) else "number", value

    return sorted(literals, key=rank)


def _equals(path: Path, given: Given, negated: bool) -> Node:
    return is_one_of(path, [given.literal()], negated)


def _differs(path: Path, given: Given, negated: bool) -> Node:
    return _equals(path, given, not negated)


def _ordered(sign: str) -> Test:
    def ordered(path: Path, given: Given, negated: bool) -> Node:
        if isinstance(given.value, bool) or not isinstance(given.value, str | int | float):
            raise given.unexpected("a number or a string")
        of, value = value_at(path), given.literal()
        if not negated:
            return Binary(sign, of, value)
        types = ("string",) if isinstance(value.value, str) else ("double", "int")
        return _negated(path, _is_none_of(of, *types), Binary(_OPPOSITE[sign], of, value))

    return ordered


def _begins(path: Path, given: Given, negated: bool) -> Node:
    if not isinstance(given.value, str):
        raise given.unexpected("a string")
    of = value_at(path)
    test = Call("startsWith", (of, Literal(given.value)))
    return _negated(path, _is_none_of(of, "string"), opposite(test)) if negated else test


def _contains(path: Path, given: Given, negated: bool) -> Node:
    of = value_at(path)
    test = Binary("in", given.literal(), of)
    if negated:
        return _negated(path, _is_none_of(of, "list"), opposite(test))
    return all_of((TypeIs(of, "==", "list"), test))  # an object, too, may have a member of the name


def _exists(path: Path, given: Given, negated: bool) -> Node:
    if not isinstance(given.value, bool):
        raise given.unexpected("true or false")
    return any_of(missing(path)) if given.value is negated else present(path)


def _negated(path: Path, *reasons: Node) -> Node:
    """Return that a test does not hold: there is no member, or one of the reasons is true."""
    return any_of((*missing(path), *reasons))


def _is_none_of(of: Node, *types: str) -> Node:
    return all_of(TypeIs(of, "!=", each) for each in types)


TESTS: Final[dict[str, Test]] = {
    "eq": _equals,
    "ne": _differs,
    **{name: _ordered(sign) for name, sign in _ORDERS.items()},
    "has": _contains,
    "prefix": _begins,
    "exists": _exists,
}
"""The tests that take one value: each is made of a path, what is given, and whether its opposite is meant."""
