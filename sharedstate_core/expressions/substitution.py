"""Names that stand for expressions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .bounds import MAX_DEPTH, MAX_NODES
from .places import ExpressionError
from .tree import Name, Node, nodes_of, operands, size_and_depth, with_operands

if TYPE_CHECKING:
    from collections.abc import Mapping


def substituted(tree: Node, trees: Mapping[str, Node]) -> Node:
    """Return a tree with the trees that some names stand for in place of them; what is put in keeps its places.

    Raises:
        ExpressionError: it would become too large, or nested too deep.
    """
    sizes = {name: size_and_depth(each)[0] for name, each in trees.items()}
    size = sum(sizes.get(node.name, 1) if isinstance(node, Name) else 1 for node in nodes_of(tree))
    if size > MAX_NODES:
        problem = f"more than {MAX_NODES} parts, together with what its names stand for"
        raise ExpressionError(tree.at, problem)
    result = _replaced(tree, trees)
    if size_and_depth(result)[1] > MAX_DEPTH:
        raise ExpressionError(tree.at, "nested too deep, together with what its names stand for")
    return result


def _replaced(node: Node, trees: Mapping[str, Node]) -> Node:
    if isinstance(node, Name):
        return trees.get(node.name, node)
    before = operands(node)
    after = tuple(_replaced(each, trees) for each in before)
    same = all(one is other for one, other in zip(before, after, strict=True))
    return node if same else with_operands(node, after)
