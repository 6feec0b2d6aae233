"""What each part of an expression comes to: for a person who asks why."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .evaluator import Program
from .tree import Choice, Literal, Node, operands

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .places import Failure


class Step(NamedTuple):
    """One part of an expression.

    Attributes:
        depth: how many others it is within.
        node: the part; `node.at` is its place in the text.
        value: its value, or why it has none.
    """

    depth: int
    node: Node
    value: object | Failure


def explain(tree: Node, values: Mapping[str, object]) -> Iterator[Step]:
    """Yield each part with its value: an expression before its parts, and these in order.

    All parts of `&&` and `||` are there, also those that could not decide any more; of `?:` those that were used. What
    is written as a literal is left out, unless it is the whole.
    """
    stack = [(0, tree)]
    while stack:
        depth, node = stack.pop()
        value = Program(node).evaluate(values)
        if depth == 0 or not isinstance(node, Literal):
            yield Step(depth, node, value)
        inner = operands(node)
        if isinstance(node, Choice):
            condition = Program(node.condition).evaluate(values)
            inner = (node.condition, *([node.yes] if condition is True else ()))
            if condition is False:
                inner = (node.condition, node.no)
        stack.extend((depth + 1, each) for each in reversed(inner))
