"""From a filter, decoded JSON, to an expression over `item`.

The rules:

1. An item satisfies the filter exactly if the expression is true. False, an error, anything else: it does not.
2. So a test need not ask whether there is a member, or of which type it is, but one that is negated must. Negations are
   therefore carried down to the tests, each of which is written in one of two ways (`item_tests.py`).
3. What means the same by the order of its parts, or by repeating one, has the same `key_of`.
4. Whatever the JSON, nothing but `RequestError` is raised, and what is returned is small (`MAX_TERMS`, `MAX_DEPTH`,
   `MAX_VALUES`, and `MAX_PATH` of `pointers.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sharedstate_core.errors import RequestError
from sharedstate_core.patches.pointers import inside, path_of

from .connectives import all_of, any_of
from .item_tests import ANY_SCALAR, TESTS, Given, in_order, is_one_of
from .members import is_scalar

if TYPE_CHECKING:
    from sharedstate_core.expressions.tree import Literal, Node
    from sharedstate_core.patches.pointers import Path

MAX_TERMS: Final = 64
"""Maximum number of tests and connectives of a filter. A test counts as often as its path has members."""

MAX_DEPTH: Final = 16
"""Maximum number of `and`, `or` and `not` within one another."""

MAX_VALUES: Final = 1_000
"""Maximum number of values in all the lists of a filter, those of `in`."""

_KNOWN: Final = f"{', '.join(TESTS)}, in; a member of a member is asked for as in /geo/lat"


def parse_where(value: object, place: str) -> Node:
    """Return the expression of a filter: `Program(tree).evaluate({"item": item}) is True` for those it holds for.

    Args:
        value: the filter, as a JSON decoder returns it.
        place: where it stands, such as `sub.where`, for errors.

    Returns:
        A tree over the name `item`; `Literal(True)` for the filter that asks for nothing, `{}`.

    Raises:
        RequestError: `bad_message`, naming the place, such as `sub.where.or[1].room`; `too_many` if it is larger than
            `MAX_TERMS` or `MAX_VALUES` allow.
    """
    return _Reader(place).where(Given(value, place), 0, negated=False)


class _Reader:
    """Reads one filter, and counts what it is made of."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._terms = 0
        self._values = 0

    def where(self, given: Given, depth: int, *, negated: bool) -> Node:
        """Return the expression of a filter, or of a part of one, or of its opposite."""
        if not isinstance(given.value, dict):
            raise given.unexpected("an object")
        parts = (
            self._member(name, _inside(given, name, value), depth, negated=negated)
            for name, value in given.value.items()
        )
        return all_of(parts, negated=negated)

    def _member(self, name: object, given: Given, depth: int, *, negated: bool) -> Node:
        if name not in {"and", "or", "not"}:
            return self._tests(str(name), given, negated=negated)
        self._count()
        if depth == MAX_DEPTH:
            problem = f"expected at most {MAX_DEPTH} of `and`, `or` and `not` within one another"
            raise given.fault(problem)
        if name == "not":
            return self.where(given, depth + 1, negated=not negated)
        filters = _listed(given, "filters")
        if len(filters) > MAX_TERMS:
            raise self._too_many_terms()
        parts = (self.where(each, depth + 1, negated=negated) for each in filters)
        return (all_of if name == "and" else any_of)(parts, negated=negated)

    def _tests(self, member: str, given: Given, *, negated: bool) -> Node:
        """Return the expression of what is asked of one member."""
        try:
            path = path_of(member)
        except ValueError as error:
            raise given.fault(str(error)) from None
        tests = given.value
        if is_scalar(tests):
            return self._test(path, "eq", given, negated=negated)
        if not isinstance(tests, dict):
            raise given.unexpected(f"{ANY_SCALAR}, or an object of tests")
        if not tests:
            self._count(len(path))
        parts = (
            self._test(path, name, _inside(given, name, value), negated=negated)
            for name, value in tests.items()
        )
        return all_of(parts, negated=negated)

    def _test(self, path: Path, name: object, given: Given, *, negated: bool) -> Node:
        """Return the expression of one test, or of its opposite."""
        self._count(len(path))
        if name == "in":
            return is_one_of(path, self._literals(given), negated)
        test = TESTS.get(str(name))
        if test is None:
            raise given.fault(f"unknown test; there are {_KNOWN}")
        return test(path, given, negated)

    def _literals(self, given: Given) -> list[Literal]:
        values = _listed(given, "values")
        self._values += len(values)
        if self._values > MAX_VALUES:
            raise self._too_many(f"{MAX_VALUES} values in its lists")
        return in_order({each.literal() for each in values})

    def _count(self, terms: int = 1) -> None:
        self._terms += terms
        if self._terms > MAX_TERMS:
            raise self._too_many_terms()

    def _too_many_terms(self) -> RequestError:
        return self._too_many(f"{MAX_TERMS} tests and connectives (one of /a/b counts twice)")

    def _too_many(self, most: str) -> RequestError:
        return RequestError("too_many", f"{self._place}: a filter may have at most {most}")


def _listed(given: Given, what: str) -> list[Given]:
    """Return what is in a list."""
    if not isinstance(given.value, list):
        raise given.unexpected(f"a list of {what}")
    return [Given(each, f"{given.place}[{index}]") for index, each in enumerate(given.value)]


def _inside(given: Given, name: object, value: object) -> Given:
    """Return a member of an object."""
    return Given(value, inside(given.place, str(name)))
