"""Evaluate a tree: it becomes closures once, which is several times faster than to walk it each time.

A closure takes the given values by name, and returns a value, or a `Failure`. Errors are frequent (a member that is
not there, beside `||`), and to raise them would cost more than all the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from .operations import operation_of
from .places import Failure, Place
from .tree import And, Binary, Choice, ListOf, Literal, Name, Node, Or, Scalar, Select, operands
from .values import NO_MEMBER, TOO_DEEP, Fault, Value, expected_bool, failure_at

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Values: TypeAlias = Mapping[str, Value]
    Closure: TypeAlias = Callable[[Values], Value | Failure]
    Operation: TypeAlias = Callable[..., Value]


class Program:
    """A tree, ready to be evaluated.

    Attributes:
        tree: the tree.
    """

    __slots__ = ("_run", "tree")

    def __init__(self, tree: Node) -> None:
        self.tree = tree
        self._run = _closure(tree)

    def evaluate(self, values: Values) -> Value | Failure:
        """Return the value, or why there is none; whatever the values are, it does not raise.

        Args:
            values: JSON values by name: None, bool, int, float, str, list, and dict with str as keys. They are not
                changed, and the result may be a part of one.
        """
        try:
            return self._run(values)
        except RecursionError:
            return Failure(self.tree.at, TOO_DEEP)

    def decide(self, values: Values) -> bool | Failure:
        """Return the value if it is true or false; anything else is a `Failure`, too."""
        value = self.evaluate(values)
        if value is True or value is False or isinstance(value, Failure):
            return value
        return Failure(self.tree.at, expected_bool(value))


def _closure(node: Node) -> Closure:
    """Return the function that evaluates a node; some that are frequent have shorter ones."""
    match node:
        case Literal(value=value):
            return lambda _: value
        case Name(name=name):
            unknown = Failure(node.at, "it has no value")
            return lambda values: values.get(name, unknown)
        case And(parts=parts):
            return _absorbing(parts, decisive=False)
        case Or(parts=parts):
            return _absorbing(parts, decisive=True)
        case Choice():
            return _choice(node)
        case Select(of=Name(name=name), member=member):
            return _member_of_given(name, member, node)
        case Binary(op="==", left=left, right=Literal(value=str(text))):
            return _is_text(left, text)
        case Binary(op="==", left=left, right=Literal(value=scalar)):
            return _is_scalar(left, scalar)
        case Binary(op="in", left=left, right=ListOf(items=items)) if all(
            isinstance(each, Literal) for each in items
        ):
            return _one_of(left, [each.value for each in items if isinstance(each, Literal)])
        case _:
            return _strict(node)


def _member_of_given(name: str, member: str, node: Node) -> Closure:
    """Return the closure of `name.member`, by far the most frequent one."""
    missing = Failure(node.at, NO_MEMBER)
    otherwise = _strict(node)

    def member_of_given(values: Values) -> Value | Failure:
        of = values.get(name)
        return of.get(member, missing) if of.__class__ is dict else otherwise(values)

    return member_of_given


def _is_text(left: Node, text: str) -> Closure:
    of = _closure(left)

    def is_text(values: Values) -> bool | Failure:
        value = of(values)
        return value if value.__class__ is Failure else value == text

    return is_text


def _is_scalar(left: Node, scalar: Scalar) -> Closure:
    of, is_bool = _closure(left), isinstance(scalar, bool)

    def is_scalar(values: Values) -> bool | Failure:
        value = of(values)
        if value.__class__ is Failure:
            return value
        return value == scalar and (value.__class__ is bool) is is_bool

    return is_scalar


def _one_of(left: Node, scalars: list[Scalar]) -> Closure:
    of = _closure(left)
    bools = frozenset(each for each in scalars if isinstance(each, bool))
    others = frozenset(each for each in scalars if not isinstance(each, bool))

    def one_of(values: Values) -> bool | Failure:
        value = of(values)
        kind = value.__class__
        if kind is str or kind is int or kind is float or value is None:
            return value in others
        if kind is bool:
            return value in bools
        return value if isinstance(value, Failure) else False

    return one_of


def _strict(node: Node) -> Closure:
    """Return the closure of what needs all of its operands."""
    operation, place = operation_of(node), node.at
    parts = tuple(map(_closure, operands(node)))
    if len(parts) == 1:
        return _unary(operation, parts[0], place)
    if len(parts) == 2:
        return _binary(operation, parts[0], parts[1], place)

    def strict(values: Values) -> Value | Failure:
        found = [part(values) for part in parts]
        for value in found:
            if value.__class__ is Failure:
                return value
        return operation(*found)  # a list or a map: there are no others, and they have a value

    return strict


def _unary(operation: Operation, of: Closure, place: Place) -> Closure:
    def unary(values: Values) -> Value | Failure:
        value = of(values)
        if value.__class__ is Failure:
            return value
        try:
            return operation(value)
        except Fault as fault:
            return failure_at(place, fault)

    return unary


def _binary(operation: Operation, left: Closure, right: Closure, place: Place) -> Closure:
    def binary(values: Values) -> Value | Failure:
        a = left(values)
        if a.__class__ is Failure:
            return a
        b = right(values)
        if b.__class__ is Failure:
            return b
        try:
            return operation(a, b)
        except Fault as fault:
            return failure_at(place, fault)

    return binary


def _absorbing(nodes: tuple[Node, ...], *, decisive: bool) -> Closure:
    """Return the closure of `&&` or `||`: a part with the decisive value decides, whatever the others are."""
    parts = tuple((_closure(node), node.at) for node in nodes)
    other = not decisive

    def absorbing(values: Values) -> bool | Failure:
        first: Failure | None = None
        for part, place in parts:
            value = part(values)
            if value is decisive:
                return decisive
            if value is not other and first is None:
                first = as_failure(value, place)
        return other if first is None else first

    return absorbing


def _choice(node: Choice) -> Closure:
    condition, yes, no = map(_closure, operands(node))
    place = node.condition.at

    def choice(values: Values) -> Value | Failure:
        value = condition(values)
        if value is True:
            return yes(values)
        return no(values) if value is False else as_failure(value, place)

    return choice


def as_failure(value: Value | Failure, place: Place) -> Failure:
    """Return why a condition is neither true nor false."""
    return value if isinstance(value, Failure) else Failure(place, expected_bool(value))
