"""What a `read` that looks at items allows, or costs, and its author probably does not mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sharedstate_core.expressions.tree import (
    And,
    Binary,
    Choice,
    ListOf,
    Literal,
    Node,
    Or,
    both,
    either,
    names_of,
    operands,
)
from sharedstate_core.filters.index_keys import keys_of

from .faults import RuleFault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .entry import Entry

_SOMETHING: Final = Literal("")
"""Stands for whatever a user has."""

_SLOW: Final = (
    "slow with many users: every change is compared with what each of them may read; it is looked up if a member of "
    "the item has to equal something, as in item.owner == user.id, item.team in user.teams, user.id in item.members"
)


def read_hints(entry: Entry) -> Iterator[RuleFault]:
    """Yield one for each thing that is probably not meant."""
    read = entry.rules["read"]
    if not _looks_at_item(read.tree):
        return
    if "user" in names_of(read.tree) and keys_of(_for_any_user(read.tree)) is None:
        yield RuleFault(read.place, _SLOW)
    yield from _blind(entry)


def _blind(entry: Entry) -> Iterator[RuleFault]:
    """Yield the rules by which people may change items that they do not see."""
    read = entry.rules["read"].tree
    told: set[str] = set()
    for key in ("update", "remove"):
        rule = entry.rules[key]
        if rule.tree == Literal(False) or rule.place in told or _looks_at_item(rule.tree):
            continue
        if not _implies(rule.tree, read):
            told.add(rule.place)
            text = "people can change items that they may not read: `read` asks for the item, and this does not"
            yield RuleFault(rule.place, text)


def _implies(one: Node, other: Node) -> bool:
    """Return whether it is plain to see that an expression is true where another one is."""
    if one == other:
        return True
    match one, other:
        case _, And(parts=parts):
            return all(_implies(one, part) for part in parts)
        case Or(parts=parts), _:
            return all(_implies(part, other) for part in parts)
        case _, Or(parts=parts) if any(_implies(one, part) for part in parts):
            return True
        case And(parts=parts), _:
            return any(_implies(part, other) for part in parts)
        case _:
            return False


def _looks_at_item(tree: Node) -> bool:
    return "item" in names_of(tree)


def _for_any_user(tree: Node) -> Node:
    """Return what an expression asks of items, whoever the user is: what it asks of the user alone is left out."""
    match tree:
        case And(parts=parts) | Or(parts=parts):
            return _joined(tree, parts)
        case Choice(condition=condition, yes=yes, no=no):
            if _looks_at_item(condition):
                return Choice(_for_any_user(condition), _for_any_user(yes), _for_any_user(no))
            return _joined(Or((yes, no)), (yes, no))
        case Binary(op=("==" | "in") as op, left=left, right=right):
            right = _something(right)
            if op == "in" and right is _SOMETHING:
                right = ListOf((_SOMETHING,))
            return Binary(op, _something(left), right)
        case _:
            return tree


def _joined(tree: Node, parts: tuple[Node, ...]) -> Node:
    """Return `&&` or `||` of those parts that look at items; there is at least one."""
    left = tuple(_for_any_user(part) for part in parts if _looks_at_item(part))
    if len(left) == 1:
        return left[0]
    return both(left) if isinstance(tree, And) else either(left)


def _something(node: Node) -> Node:
    if not _looks_at_item(node):
        return _SOMETHING
    if isinstance(node, ListOf):
        return ListOf(tuple(each for each in operands(node) if _looks_at_item(each)))
    return node
