"""`&&`, `||` and `!` of any number of parts, as simple as they can be where an error is as good as false."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sharedstate_core.expressions.specialiser import can_hold
from sharedstate_core.expressions.tree import And, Literal, Node, Or, Unary, both, either

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

EVERYTHING: Final = Literal(True)
"""What holds for every item."""

NOTHING: Final = Literal(False)
"""What holds for none."""


def all_of(parts: Iterable[Node], *, negated: bool = False) -> Node:
    """Return what is true if all parts are; or, `negated`, if one is: the parts are opposites, then."""
    return _joined(parts, is_and=not negated)


def any_of(parts: Iterable[Node], *, negated: bool = False) -> Node:
    """Return what is true if one part is; or, `negated`, if all are: the parts are opposites, then."""
    return _joined(parts, is_and=negated)


def opposite(node: Node) -> Node:
    """Return `!` of what is true or false, and never an error."""
    return Unary("!", node)


def simplified(tree: Node) -> Node:
    """Return what is true exactly when an expression is, without those of its parts that do not matter for that.

    It is `EVERYTHING`, or `NOTHING`, if that is seen at once.
    """
    if not can_hold(tree):
        return NOTHING
    match tree:
        case And(parts=parts):
            return all_of(map(simplified, parts))
        case Or(parts=parts):
            return any_of(map(simplified, parts))
        case _:
            return tree


def _joined(parts: Iterable[Node], *, is_and: bool) -> Node:
    decisive, neutral = (NOTHING, EVERYTHING) if is_and else (EVERYTHING, NOTHING)
    distinct: dict[Hashable, Node] = {}
    for part in parts:
        distinct.setdefault(_meaning(part), part)
    if decisive in distinct:
        return decisive
    distinct.pop(neutral, None)
    several = tuple(distinct.values())
    if len(several) < 2:
        return several[0] if several else neutral
    return both(several) if is_and else either(several)


def _meaning(node: Node) -> Hashable:
    """Return what is equal for expressions that differ in the order of parts alone."""
    if isinstance(node, And | Or):
        return node.__class__, frozenset(map(_meaning, node.parts))
    return node
