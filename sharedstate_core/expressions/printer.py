"""From tree to text: one line, with brackets where they are needed. `parse(text_of(tree)) == tree`."""

from __future__ import annotations

import re
from typing import Final

from .parser import LEVELS
from .tree import (
    And,
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
    Or,
    Scalar,
    Select,
    TypeIs,
    Unary,
)

_UNARY: Final = 6
_MEMBER: Final = 7
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_ESCAPED: Final = re.compile(r'["\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]')
_WORDS: Final[dict[Scalar, str]] = {True: "true", False: "false", None: "null"}


def text_of(tree: Node) -> str:
    """Return the text of a tree."""
    return _Printer().at(tree, 0)


def key_of(tree: Node) -> str:
    """Return a text that is the same for trees which differ in nothing but order and repetition below `&&` and `||`."""
    return _Sorting().at(tree, 0)


class _Printer:
    def at(self, node: Node, level: int) -> str:
        """Return the text of a node where what binds less than `level` needs brackets."""
        text, own = self._text(node)
        return f"({text})" if own < level else text

    def _text(self, node: Node) -> tuple[str, int]:
        """Return the text of a node, and how strongly it binds."""
        match node:
            case Unary(op=op, of=of):
                return f"{op}{self.at(of, _MEMBER)}", _UNARY
            case Binary(op=op, left=left, right=right):
                own = LEVELS[op]
                return f"{self.at(left, own)} {op} {self.at(right, own + 1)}", own
            case TypeIs(of=of, op=op, type=name):
                return f"type({self.at(of, 0)}) {op} {name}", LEVELS[op]
            case And(parts=parts):
                return self._joined(" && ", parts, LEVELS["&&"])
            case Or(parts=parts):
                return self._joined(" || ", parts, LEVELS["||"])
            case Choice(condition=condition, yes=yes, no=no):
                one, other = self.at(yes, 1), self.at(no, 0)
                return f"{self.at(condition, 1)} ? {one} : {other}", 0
            case Literal(value=int() | float() as value) if not isinstance(value, bool):
                return repr(value), _UNARY  # it may begin with a minus, or end with digits
            case _:
                return self._whole(node), _MEMBER

    def _whole(self, node: Node) -> str:
        """Return the text of what never needs brackets."""
        match node:
            case Literal(value=value):
                return _literal(value)
            case Name(name=name):
                return name
            case Select(of=of, member=member):
                return f"{self.at(of, _MEMBER)}.{member}"
            case Has(of=of, member=member):
                return f"has({self.at(of, _MEMBER)}.{member})"
            case Index(of=of, key=key):
                return f"{self.at(of, _MEMBER)}[{self.at(key, 0)}]"
            case Call(function="size", arguments=(of,)):
                return f"size({self.at(of, 0)})"
            case Call(function=function, arguments=(of, argument)):
                return f"{self.at(of, _MEMBER)}.{function}({self.at(argument, 0)})"
            case ListOf(items=items):
                return f"[{', '.join(self.at(each, 0) for each in items)}]"
            case MapOf(keys=keys, values=values):
                members = zip(map(_literal, keys), values, strict=True)
                inner = ", ".join(f"{key}: {self.at(each, 0)}" for key, each in members)
                return f"{{{inner}}}"
            case _:
                raise TypeError(f"not an expression: {node!r}")

    def _joined(self, sign: str, parts: tuple[Node, ...], own: int) -> tuple[str, int]:
        return sign.join(self._parts([self.at(part, own + 1) for part in parts])), own

    def _parts(self, texts: list[str]) -> list[str]:
        return texts


class _Sorting(_Printer):
    def _parts(self, texts: list[str]) -> list[str]:
        distinct = sorted(set(texts))
        return distinct if len(distinct) > 1 else distinct * 2  # one alone need not be a bool


def _literal(value: Scalar) -> str:
    if isinstance(value, str):
        return f'"{_ESCAPED.sub(_escape, value)}"'
    return _WORDS[value]


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    return _ESCAPES.get(character) or f"\\u{ord(character):04x}"
