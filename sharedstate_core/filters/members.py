"""Members of an item: their names in a filter, and the expressions that look at them.

A member is named by its name, or by a JSON Pointer (RFC 6901), which begins with `/` and goes through objects only.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias, TypeGuard

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

Path: TypeAlias = "tuple[str, ...]"
"""The names of members, each of the one before, the first of the item."""

ITEM: Final = Name("item")

MAX_PATH: Final = 8
"""Maximum number of members of a path: a negated test looks at each of them twice."""

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WRONG: Final = re.compile(r"~(?![01])")


def path_of(member: str) -> Path:
    """Return the path that a name or a pointer stands for.

    Raises:
        ValueError: it is a pointer that is not valid, or is too long; the text says what was expected.
    """
    if not member.startswith("/"):
        return (member,)
    if _WRONG.search(member):
        raise ValueError("expected ~0 or ~1 behind a ~ in a pointer")
    path = member[1:].split("/", MAX_PATH)
    if len(path) > MAX_PATH:
        raise ValueError(f"expected a pointer of at most {MAX_PATH} members")
    return tuple(name.replace("~1", "/").replace("~0", "~") for name in path)


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
