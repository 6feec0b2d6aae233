"""Random expressions and values for them, made of bytes: hypothesis makes those short, and so the expressions small."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from hypothesis import strategies as st

from sharedstate_core.expressions.printer import text_of
from sharedstate_core.expressions.tree import (
    Binary,
    Call,
    Choice,
    Has,
    Index,
    ListOf,
    Literal,
    MapOf,
    Name,
    Node,
    Select,
    TypeIs,
    Unary,
    both,
    either,
)
from sharedstate_core.expressions.values import TYPES

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

MEMBERS: Final = ("a", "b", "c", "missing")
SCALARS: Final[dict[str, tuple[Any, ...]]] = {
    "bool": (False, True),
    "int": (0, 1, 2, 3, -1, -7, 2**63 - 1, -(2**63)),
    "double": (0.0, 1.0, 2.5, -0.0, -1.5, 1e300, 1e-7),
    "string": ("", "a", "ab", "b", "é", "😀", "\uffff", 'q"\\\n'),
    "null": (None,),
}
KINDS: Final = (*SCALARS, "list", "map")
SHAPES: Final[dict[str, tuple[str, ...]]] = {
    "bool": ("and", "or", "!", "==", "<", "in", "has", "method", "and", "or", "==", "type"),
    "int": ("+", "-", "*", "/", "%", "neg", "size"),
    "double": ("+", "-", "*", "/", "neg"),
    "string": ("+",),
    "list": ("list", "list", "+"),
    "map": ("map",),
    "null": (),
}
ANYWHERE: Final = ("select", "index", "choice")
LEAVES: Final = ("value", "name", "name", "name")
DEPTH: Final = 4


class Sample(NamedTuple):
    """An expression, and values of all its names."""

    tree: Node
    values: dict[str, Any]
    known: tuple[str, ...]

    @property
    def text(self) -> str:
        return text_of(self.tree)


class Maker:
    """Makes expressions and values out of bytes; where they end, the first there is."""

    def __init__(self, data: bytes) -> None:
        self._data = iter(data)

    def below(self, count: int) -> int:
        return next(self._data, 0) % count

    def one(self, several: tuple[T, ...]) -> T:
        return several[self.below(len(several))]

    def some(self, make: Callable[[], T], least: int = 0) -> tuple[T, ...]:
        return tuple(make() for _ in range(least + self.below(3)))

    # --- values ---

    def value(self, kind: str, depth: int = 2) -> Any:
        if kind == "list":
            return [self.value(self.kind(depth), depth - 1) for _ in range(self.below(4))]
        if kind == "map":
            return {name: self.value(self.kind(depth), depth - 1) for name in self.names()}
        return self.one(SCALARS[kind])

    def kind(self, depth: int) -> str:
        return self.one(KINDS if depth > 0 else tuple(SCALARS))

    def names(self) -> tuple[str, ...]:
        return MEMBERS[: self.below(4)]

    # --- expressions ---

    def tree(self, wanted: str, depth: int = DEPTH) -> Node:
        """Return an expression that is often of the kind that is wanted."""
        kind = self.one(KINDS) if self.below(16) == 15 else wanted
        if depth == 0:
            return self.leaf(kind)
        leaves = LEAVES if depth < DEPTH - 1 else ()
        shape = self.one((*leaves, *ANYWHERE, *SHAPES[kind] * 2))
        match shape:
            case "value" | "name":
                return self.leaf(kind)
            case "select":
                return Select(self.tree("map", depth - 1), self.one(MEMBERS))
            case "has":
                return Has(self.tree("map", depth - 1), self.one(MEMBERS))
            case "index":
                of, key = self.one((("map", "string"), ("list", "int"), ("list", "double")))
                return Index(self.tree(of, depth - 1), self.tree(key, depth - 1))
            case "choice":
                condition = self.tree("bool", depth - 1)
                return Choice(condition, self.tree(kind, depth - 1), self.tree(kind, depth - 1))
            case "and" | "or":
                join = both if shape == "and" else either
                return join(self.some(lambda: self.tree("bool", depth - 1), 2))
            case "list":
                return ListOf(self.some(lambda: self.tree(self.one(KINDS), depth - 1)))
            case "map":
                names = self.names()
                return MapOf(names, tuple(self.tree(self.one(KINDS), depth - 1) for _ in names))
            case _:
                return self.operation(shape, kind, depth)

    def leaf(self, kind: str) -> Node:
        if self.below(3) == 0:
            return Name(f"some_{kind}")
        if kind in {"list", "map"}:
            return ListOf(()) if kind == "list" else MapOf((), ())
        return Literal(self.one(SCALARS[kind]))

    def operation(self, shape: str, kind: str, depth: int) -> Node:
        def some(kind: str) -> Node:
            return self.tree(kind, depth - 1)

        match shape:
            case "!":
                return Unary("!", some("bool"))
            case "neg":
                return Unary("-", some(kind))
            case "size":
                return Call("size", (some(self.one(("string", "list", "map"))),))
            case "type":
                name = self.one(tuple(TYPES))
                return TypeIs(some(self.one(KINDS)), self.one(("==", "!=")), name)
            case "method":
                function = self.one(("contains", "startsWith", "endsWith"))
                return Call(function, (some("string"), some("string")))
            case "in":
                of, item = self.one((("list", self.one(KINDS)), ("map", "string")))
                return Binary("in", some(item), some(of))
            case "==":
                alike = self.one(KINDS)
                return Binary(self.one(("==", "!=")), some(alike), some(alike))
            case "<":
                alike = self.one(("int", "double", "string", "bool"))
                return Binary(self.one(("<", "<=", ">", ">=")), some(alike), some(alike))
            case _:
                return Binary(shape, some(kind), some(kind))


def made(data: bytes) -> Sample:
    """Return what these bytes make."""
    maker = Maker(data)
    values = {f"some_{kind}": maker.value(kind) for kind in KINDS}
    known = tuple(name for name in values if maker.below(2))
    return Sample(maker.tree(maker.one(("bool", "bool", "bool", *KINDS))), values, known)


SAMPLES: Final = st.binary(min_size=150, max_size=150).map(made)
"""Expressions with values for all names, and some of these names."""
