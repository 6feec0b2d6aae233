"""Rewrites code so that it says what it does: its calls, loops, copies and comparisons go by way of a `Hooks`."""

from __future__ import annotations

import ast
from types import CodeType
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX: Final = "__work_"
HOOKS: Final = (
    "call",
    "walk",
    "delegate",
    "step",
    "made",
    "into",
    "operate",
    "equal",
    "contains",
    "delete",
)
"""The names that rewritten code calls, each as `__work_NAME__`."""

OF_ITS_FRAME: Final = frozenset(["super", "locals", "vars", "globals", "dir", "eval", "exec"])
"""Functions that look at who calls them: these are left alone."""

OPERATORS: Final[dict[type[ast.operator], str]] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.Mod: "mod",
    ast.BitOr: "or_",
    ast.BitAnd: "and_",
    ast.BitXor: "xor",
}

COMPARISONS: Final[dict[type[ast.cmpop], str]] = {
    ast.Eq: "equal",
    ast.NotEq: "equal",
    ast.In: "contains",
    ast.NotIn: "contains",
}

T = TypeVar("T", bound=ast.AST)


def rewritten(source: str, file: str) -> Iterator[tuple[CodeType, CodeType]]:
    """Yield each function's code in this module, as it is and rewritten."""
    before = compile(source, file, "exec", dont_inherit=True)
    tree = ast.fix_missing_locations(_Rewriter().visit(ast.parse(source, file)))
    after = compile(tree, file, "exec", dont_inherit=True)
    yield from _paired(before, after)


def _paired(before: CodeType, after: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    """Yield what stands in both, in pairs: rewriting changes no order."""
    inner = [
        [each for each in code.co_consts if isinstance(each, CodeType)] for code in (before, after)
    ]
    for one, other in zip(*inner, strict=True):
        if (one.co_qualname, one.co_firstlineno) != (other.co_qualname, other.co_firstlineno):
            raise AssertionError(f"{one} became {other}")
        yield one, other
        yield from _paired(one, other)


def _hook(name: str, *args: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(f"{PREFIX}{name}__", ast.Load()), list(args), [])


def _load(target: ast.Name | ast.Attribute) -> ast.expr:
    """Return the value of what an augmented assignment changes."""
    if isinstance(target, ast.Name):
        return ast.Name(target.id, ast.Load())
    return ast.Attribute(target.value, target.attr, ast.Load())


def _at(node: T, place: ast.AST) -> T:
    """Let an expression stand where another one stood."""
    return ast.copy_location(node, place)


class _Rewriter(ast.NodeTransformer):
    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in OF_ITS_FRAME:
            return node
        name = ast.Name(f"{PREFIX}call__", ast.Load())
        return _at(ast.Call(name, [node.func, *node.args], node.keywords), node)

    # --- loops ------------------------------------------------------------------------------------

    def visit_For(self, node: ast.For) -> ast.For:
        self.generic_visit(node)
        node.iter = _at(_hook("walk", node.iter), node.iter)
        return node

    def visit_While(self, node: ast.While) -> ast.While:
        self.generic_visit(node)
        node.body.insert(0, _at(ast.Expr(_hook("step")), node.test))
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.comprehension:
        self.generic_visit(node)
        if not node.is_async:
            node.iter = _at(_hook("walk", node.iter), node.iter)
        return node

    def visit_YieldFrom(self, node: ast.YieldFrom) -> ast.YieldFrom:
        self.generic_visit(node)
        node.value = _at(_hook("delegate", node.value), node.value)
        return node

    # --- copies -----------------------------------------------------------------------------------

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Store):
            node.value = _at(_hook("into", node.value), node.value)
        is_slice = isinstance(node.slice, ast.Slice) and isinstance(node.ctx, ast.Load)
        return _at(_hook("made", node), node) if is_slice else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        self.generic_visit(node)
        return _at(_hook("made", node), node)

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.FormattedValue:
        node.value = self.visit(node.value)
        return node  # what its format is made of has to remain one

    def visit_List(self, node: ast.List) -> ast.expr:
        return self._display(node)

    def visit_Tuple(self, node: ast.Tuple) -> ast.expr:
        return self._display(node)

    def visit_Set(self, node: ast.Set) -> ast.expr:
        return self._display(node)

    def _display(self, node: ast.List | ast.Tuple | ast.Set) -> ast.expr:
        self.generic_visit(node)
        if isinstance(getattr(node, "ctx", None), ast.Store):
            return node
        is_copy = any(isinstance(each, ast.Starred) for each in node.elts)
        return _at(_hook("made", node), node) if is_copy else node

    def visit_Dict(self, node: ast.Dict) -> ast.expr:
        self.generic_visit(node)
        return _at(_hook("made", node), node) if None in node.keys else node

    # --- operators --------------------------------------------------------------------------------

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        name = OPERATORS.get(type(node.op))
        if name is None:
            return node
        return _at(_hook("operate", ast.Constant(name), node.left, node.right), node)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        self.generic_visit(node)
        name, target = OPERATORS.get(type(node.op)), node.target
        if name is None or isinstance(target, ast.Subscript):
            return node
        name = "i" + name.rstrip("_")
        value = _hook("operate", ast.Constant(name), _load(target), node.value)
        return _at(ast.Assign([target], _at(value, node)), node)

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        self.generic_visit(node)
        if len(node.ops) > 1:
            return node
        hook = COMPARISONS.get(type(node.ops[0]))
        if hook is None:
            return node
        compared = _at(_hook(hook, node.left, *node.comparators), node)
        is_not = isinstance(node.ops[0], ast.NotEq | ast.NotIn)
        return _at(ast.UnaryOp(ast.Not(), compared), node) if is_not else compared

    def visit_Delete(self, node: ast.Delete) -> list[ast.stmt]:
        self.generic_visit(node)
        held = [each.value for each in node.targets if isinstance(each, ast.Subscript)]
        return [*(_at(ast.Expr(_hook("delete", each)), node) for each in held), node]
