"""Partial evaluation: what is left of a tree once some of the names have values.

The law: for whatever values of the other names, the residual has the value of the tree, and fails where it fails.

What fails whatever the others are becomes `null.error`, which fails, too: it is the same for everybody, says nothing of
what was known, and its place keeps where and why.
"""

from __future__ import annotations

from math import copysign, isfinite, isnan
from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec import Struct

from .bounds import MAX_DEPTH, MAX_QUOTED
from .operations import operation_of
from .places import Failure, Place
from .tree import (
    COMPARISONS,
    METHODS,
    And,
    Binary,
    Call,
    Choice,
    Has,
    ListOf,
    Literal,
    MapOf,
    Name,
    Node,
    Or,
    Select,
    TypeIs,
    Unary,
    operands,
    with_operands,
)
from .values import TOO_DEEP, Fault, Value, expected_bool, failure_at

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Known(Struct, frozen=True, gc=False):
    value: Value


_Result: TypeAlias = Node | _Known | Failure

_INT_BITS: Final = 1_024
"""Python refuses to write numbers of very many digits."""

_FLIPPED: Final = {"==": "==", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}


def specialise(tree: Node, known: Mapping[str, Value]) -> Node:
    """Return the residual of a tree: a `Literal`, if the known names decide.

    Args:
        tree: the expression.
        known: JSON values by name. More than `MAX_QUOTED` values in the residual, or what is nested deeper than
            `MAX_DEPTH` there, is an error value.
    """
    specialiser = _Specialiser(known)
    try:
        return specialiser.node(specialiser.reduced(tree), tree.at)
    except RecursionError:
        return _failing(Failure(tree.at, TOO_DEEP))


class _Specialiser:
    def __init__(self, known: Mapping[str, Value]) -> None:
        self._known = known
        self._left = MAX_QUOTED

    def reduced(self, node: Node) -> _Result:
        """Return what is left of a node: its value, why it has none, or a tree."""
        match node:
            case Literal(value=value):
                return _Known(value)
            case Name(name=name):
                return _Known(self._known[name]) if name in self._known else node
            case And() | Or():
                return self._absorbed(node)
            case Choice():
                return self._chosen(node)
            case _:
                return self._strict(node)

    def _strict(self, node: Node) -> _Result:
        """Reduce what needs all of its operands."""
        parts = operands(node)
        results = [self.reduced(part) for part in parts]
        values: list[Value] = []
        for result in results:
            if isinstance(result, Failure):
                return result
            if isinstance(result, _Known):
                values.append(result.value)
        if len(values) < len(results):
            nodes: list[Node] = []
            for result, part in zip(results, parts, strict=True):
                try:
                    nodes.append(self._tree(result, part.at))
                except Fault as fault:
                    return failure_at(part.at, fault)
            same = all(one is other for one, other in zip(nodes, parts, strict=True))
            return _tidied(node if same else with_operands(node, tuple(nodes)))
        operation = operation_of(node)
        try:
            return _Known(operation(*values))
        except Fault as fault:
            return failure_at(node.at, fault)

    def _absorbed(self, node: And | Or) -> _Result:
        """Reduce `&&` or `||`: a part that decides does, and those that cannot do not matter."""
        kind, decisive = (And, False) if isinstance(node, And) else (Or, True)
        parts: dict[Node, None] = {}
        failure: Failure | None = None
        for part in node.parts:
            result = self.reduced(part)
            if isinstance(result, Node):
                same = result.__class__ is kind
                parts.update(dict.fromkeys(operands(result) if same else (result,)))
            elif isinstance(result, Failure):
                failure = failure or result
            elif result.value is decisive:
                return result
            elif not isinstance(result.value, bool):
                failure = failure or Failure(part.at, expected_bool(result.value))
        neutral = Literal(not decisive, node.at)
        parts.pop(neutral, None)
        if not parts:
            return failure or _Known(not decisive)
        if failure:
            parts.setdefault(_failing(failure))
        if len(parts) > 1:
            return kind(tuple(parts), node.at)
        (only,) = parts
        return only if is_boolean(only) else kind((neutral, only), node.at)

    def _chosen(self, node: Choice) -> _Result:
        condition = self.reduced(node.condition)
        if isinstance(condition, Failure):
            return condition
        if isinstance(condition, _Known):
            if not isinstance(condition.value, bool):
                return Failure(node.condition.at, expected_bool(condition.value))
            return self.reduced(node.yes if condition.value else node.no)
        yes, no = (self.node(self.reduced(each), each.at) for each in (node.yes, node.no))
        return Choice(condition, yes, no, node.at)

    # --- from values to trees ---

    def node(self, result: _Result, place: Place) -> Node:
        """Return the tree of a result; that of a value which cannot become one fails."""
        try:
            return self._tree(result, place)
        except Fault as fault:
            return _failing(failure_at(place, fault))

    def _tree(self, result: _Result, place: Place) -> Node:
        """Return the tree of a result; what cannot become one raises `Fault`."""
        if isinstance(result, Node):
            return result
        if isinstance(result, Failure):
            return _failing(result)
        return self._quoted(result.value, place, 0)

    def _quoted(self, value: Value, place: Place, depth: int) -> Node:
        self._left -= 1
        if self._left < 0 or depth > MAX_DEPTH or _is_long(value):
            raise Fault("what is known is too large to become part of an expression")
        if isinstance(value, float) and not isfinite(value):
            above = 0.0 if isnan(value) else copysign(1.0, value)
            return Binary("/", Literal(above, place), Literal(0.0, place), place)
        if value is None or isinstance(value, bool | int | float | str):
            return Literal(value, place)
        if isinstance(value, list):
            return ListOf(tuple(self._quoted(each, place, depth + 1) for each in value), place)
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            values = tuple(self._quoted(each, place, depth + 1) for each in value.values())
            return MapOf(tuple(value), values, place)
        raise Fault("what is known is not a JSON value")


def _is_long(value: Value) -> bool:
    return isinstance(value, int) and value.bit_length() > _INT_BITS


def _failing(failure: Failure) -> Node:
    place = failure.place
    at = Place(place.source, place.start, place.end, failure.reason)
    return Select(Literal(None, at), "error", at)


def _tidied(node: Node) -> Node:
    """Return one way of writing what can be written in several."""
    match node:
        case Unary(op="!", of=Unary(op="!", of=inner)) if is_boolean(inner):
            return inner
        case Binary(op="in", left=left, right=ListOf(items=(item,)), place=place):
            return _tidied(Binary("==", left, item, place))
        case Binary(op=op, left=left, right=right, place=place) if op in _FLIPPED:
            if _is_constant(left) and not _is_constant(right):
                return Binary(_FLIPPED[op], right, left, place)
    return node


def _is_constant(node: Node) -> bool:
    if isinstance(node, ListOf | MapOf):
        return all(map(_is_constant, operands(node)))
    return isinstance(node, Literal)


def can_hold(node: Node) -> bool:
    """Return whether a residual may be true, as far as that is seen at once.

    If not, it is false or fails, whatever the other names stand for; and so is the tree, unless too much was known.
    """
    match node:
        case Literal(value=value):
            return value is True
        case Select(of=Literal(value=None)):
            return False
        case And(parts=parts):
            return all(map(can_hold, parts))
        case Or(parts=parts):
            return any(map(can_hold, parts))
        case _:
            return True


def is_boolean(node: Node) -> bool:
    """Return whether an expression is true, false or an error, whatever it looks at."""
    match node:
        case And() | Or() | Has() | TypeIs() | Unary(op="!"):
            return True
        case Binary(op=op):
            return op in COMPARISONS
        case Call(function=function):
            return function in METHODS
        case Literal(value=value):
            return isinstance(value, bool)
        case Choice(yes=yes, no=no):
            return is_boolean(yes) and is_boolean(no)
        case _:
            return False
