"""The expressions that look at members of an item."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeGuard

from sharedstate_core.expressions.parser import NO_MEMBERS
from sharedstate_core.expressions.tree import (
    Binary,
    Has,
    Index,
    Literal,
    Name,
    Node,
    Scalar,
    Select,
    TypeIs,
    Unary,
)

if TYPE_CHECKING:
    from sharedstate_core.patches.pointers import Path

ITEM: Final = Name("item")

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def value_at(path: Path) -> Node:
    """Return the expression of a member; it fails if there is none."""
    node: Node = ITEM
    for name in path:
        node = Select(node, name) if _follows_dot(name) else Index(node, Literal(name))
    return node


def present(path: Path) -> Node:
    """Return whether there is a member; it fails if what should hold it is not an object."""
    of, name = value_at(path[:-1]), path[-1]
    return Has(of, name) if _follows_dot(name) else Binary("in", Literal(name), of)


def missing(path: Path) -> tuple[Node, ...]:
    """Return why there may be no member, as parts of `||`: exactly if there is none, one is true before any fails."""
    parts: list[Node] = []
    for end in range(1, len(path) + 1):
        if end > 1:
            parts.append(TypeIs(value_at(path[: end - 1]), "!=", "map"))
        parts.append(Unary("!", present(path[:end])))
    return tuple(parts)


def is_scalar(value: object) -> TypeGuard[Scalar]:
    """Return whether a JSON value is neither a list nor an object."""
    return value is None or isinstance(value, str | int | float | bool)


def _follows_dot(name: str) -> bool:
    return name not in NO_MEMBERS and _NAME.fullmatch(name) is not None
