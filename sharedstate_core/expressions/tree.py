"""The syntax tree of an expression. Trees are values: equal if they say the same, wherever that was written.

`&&` and `||` have any number of parts, none of which is another of the same kind: use `both` and `either`.
"""

from __future__ import annotations

from math import copysign
from typing import Final, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from .places import NOWHERE, Place

Scalar: TypeAlias = str | int | float | bool | None


class Node(Struct, frozen=True):
    """Any expression; each has a `place`, which is not compared."""

    @property
    def at(self) -> Place:
        """Where it was written."""
        place: Place = getattr(self, "place", NOWHERE)
        return place


class Literal(Node, frozen=True, eq=False):
    """A value without parts. `1`, `1.0` and `true` are three different ones, and so are `0.0` and `-0.0`."""

    value: Scalar
    place: Place = NOWHERE

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Literal) or self.value.__class__ is not other.value.__class__:
            return False
        one, another = self.value, other.value
        if isinstance(one, float) and isinstance(another, float):
            return one == another and copysign(1.0, one) == copysign(1.0, another)
        return one == another

    def __ne__(self, other: object) -> bool:
        return not self == other  # that of the base compares fields

    def __hash__(self) -> int:
        return hash(self.value)


class Name(Node, frozen=True):
    """A value that is given, by its name."""

    name: str
    place: Place = NOWHERE


class ListOf(Node, frozen=True):
    """A list: `[a, b]`."""

    items: tuple[Node, ...]
    place: Place = NOWHERE


class MapOf(Node, frozen=True):
    """A map: `{"x": a, "y": b}`; no key stands there twice."""

    keys: tuple[str, ...]
    values: tuple[Node, ...]
    place: Place = NOWHERE


class Select(Node, frozen=True):
    """A member: `of.member`."""

    of: Node
    member: str
    place: Place = NOWHERE


class Has(Node, frozen=True):
    """Whether there is a member: `has(of.member)`."""

    of: Node
    member: str
    place: Place = NOWHERE


class TypeIs(Node, frozen=True):
    """Whether a value is of a type, one of `values.TYPES`, or is not: `type(of) == string`, `type(of) != string`."""

    of: Node
    op: str
    type: str
    place: Place = NOWHERE


class Index(Node, frozen=True):
    """An item of a list, or a member: `of[key]`."""

    of: Node
    key: Node
    place: Place = NOWHERE


class Unary(Node, frozen=True):
    """`!of` or `-of`."""

    op: str
    of: Node
    place: Place = NOWHERE


class Binary(Node, frozen=True):
    """One of `+ - * / %`, `== != < <= > >=` and `in`."""

    op: str
    left: Node
    right: Node
    place: Place = NOWHERE


class And(Node, frozen=True):
    """`a && b && c`."""

    parts: tuple[Node, ...]
    place: Place = NOWHERE


class Or(Node, frozen=True):
    """`a || b || c`."""

    parts: tuple[Node, ...]
    place: Place = NOWHERE


class Choice(Node, frozen=True):
    """`condition ? yes : no`."""

    condition: Node
    yes: Node
    no: Node
    place: Place = NOWHERE


class Call(Node, frozen=True):
    """`size(a)`, or a method such as `a.startsWith(b)`: what it is called on is the first argument."""

    function: str
    arguments: tuple[Node, ...]
    place: Place = NOWHERE


METHODS: Final = ("contains", "endsWith", "startsWith")
"""The functions of strings; each takes another string."""

COMPARISONS: Final = ("==", "!=", "<", "<=", ">", ">=", "in")
"""The operators whose value is true or false, if they have one."""


_OPERANDS: Final[dict[type[Node], tuple[str, ...]]] = {
    Select: ("of",),
    Has: ("of",),
    TypeIs: ("of",),
    Unary: ("of",),
    Index: ("of", "key"),
    Binary: ("left", "right"),
    Choice: ("condition", "yes", "no"),
}
_MANY: Final[dict[type[Node], str]] = {
    And: "parts",
    Or: "parts",
    ListOf: "items",
    MapOf: "values",
    Call: "arguments",
}


def operands(node: Node) -> tuple[Node, ...]:
    """Return what an expression is made of, in order."""
    if many := _MANY.get(node.__class__):
        nodes: tuple[Node, ...] = getattr(node, many)
        return nodes
    return tuple(getattr(node, name) for name in _OPERANDS.get(node.__class__, ()))


def with_operands(node: Node, nodes: tuple[Node, ...]) -> Node:
    """Return the same expression of other parts."""
    kind = node.__class__
    if many := _MANY.get(kind):
        return replace(node, **{many: _flat(kind, nodes) if kind in {And, Or} else nodes})
    return replace(node, **dict(zip(_OPERANDS.get(kind, ()), nodes, strict=True)))


def both(parts: tuple[Node, ...], place: Place = NOWHERE) -> And:
    """Return `&&` of at least two parts."""
    return And(_flat(And, parts), place)


def either(parts: tuple[Node, ...], place: Place = NOWHERE) -> Or:
    """Return `||` of at least two parts."""
    return Or(_flat(Or, parts), place)


def _flat(kind: type[Node], parts: tuple[Node, ...]) -> tuple[Node, ...]:
    flat: list[Node] = []
    for part in parts:
        flat += operands(part) if part.__class__ is kind else (part,)
    return tuple(flat)


def size_and_depth(tree: Node) -> tuple[int, int]:
    """Return how many nodes a tree has, and how many of them are at most within one another; it does not recurse."""
    count = depth = 0
    level = [tree]
    while level:
        depth += 1
        count += len(level)
        level = [each for node in level for each in operands(node)]
    return count, depth


def nodes_of(tree: Node) -> list[Node]:
    """Return all nodes of a tree: each before its parts, and these in order."""
    found: list[Node] = []
    stack = [tree]
    while stack:
        found.append(node := stack.pop())
        stack.extend(reversed(operands(node)))
    return found


def names_of(tree: Node) -> frozenset[str]:
    """Return the names that a tree looks at."""
    return frozenset(node.name for node in nodes_of(tree) if isinstance(node, Name))
