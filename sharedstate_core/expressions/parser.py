"""From text to tree: precedence climbing.

expression  = or ["?" or ":" expression]
or          = and {"||" and}
and         = relation {"&&" relation}
relation    = sum {("==" | "!=" | "<" | "<=" | ">" | ">=" | "in") sum}
sum         = product {("+" | "-") product}
product     = unary {("*" | "/" | "%") unary}
unary       = ["!" | "-"] member
member      = primary {"." name | "." method "(" expression ")" | "[" expression "]"}
primary     = literal | name | "(" expression ")" | list | map | has | size | type

`type(x)` stands nowhere but before `==` or `!=` and the name of a type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .bounds import MAX_DEPTH, MAX_NODES
from .places import ExpressionError, Place, Source
from .tokens import Token, tokens_of
from .tree import (
    COMPARISONS,
    METHODS,
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
    nodes_of,
    operands,
    size_and_depth,
)
from .values import TYPES

if TYPE_CHECKING:
    from collections.abc import Collection

LEVELS: Final = {
    "||": 1,
    "&&": 2,
    **dict.fromkeys(COMPARISONS, 3),
    **dict.fromkeys("+-", 4),
    **dict.fromkeys("*/%", 5),
}
"""How strongly each operator binds, the weakest first."""

WORDS: Final = {"true": True, "false": False, "null": None}
"""Names of values."""

RESERVED: Final = frozenset(
    {"as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in"}
    | {"let", "loop", "null", "package", "namespace", "return", "true", "var", "void", "while"}
)
"""Names that are not those of given values."""

NO_MEMBERS: Final = frozenset({"true", "false", "null", "in"})
"""What does not follow a dot."""

_BEHIND_VALUES: Final = frozenset("+-*/%.[({")
"""What would make more of the name of a type."""

_INT_END: Final = 2**63


def parse(text: str, *, name: str = "", names: Collection[str] | None = None) -> Node:
    """Return the tree of a text.

    Args:
        text: the expression, at most `MAX_TEXT` characters.
        name: of the text, for errors, such as `rules[2].update`.
        names: those it may look at; default: any.

    Raises:
        ExpressionError: it is not an expression, looks at another name, or is too large.
    """
    parser = _Parser(Source(name, text), names)
    tree = parser.expression()
    parser.end()
    nodes, depth = size_and_depth(tree)
    if nodes > MAX_NODES or depth > MAX_DEPTH:
        too = f"more than {MAX_NODES} parts" if nodes > MAX_NODES else "nested too deep"
        raise ExpressionError(tree.at, too)
    for node in nodes_of(tree):
        if _is_type_call(node):
            raise ExpressionError(node.at, "compare it with a type, as in type(new.text) == string")
    return tree


def _is_type_call(node: Node) -> bool:
    return isinstance(node, Call) and node.function == "type"


class _Parser:
    def __init__(self, source: Source, names: Collection[str] | None) -> None:
        self._tokens = tokens_of(source)
        self._names = names
        self._at = 0
        self._depth = 0

    # --- what all use ---

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _sign(self, sign: str) -> Token | None:
        """Take this sign, if it comes next."""
        return self._take() if self._next.text == sign and self._next.kind == "sign" else None

    def _expect(self, sign: str, after: str = "") -> Token:
        if (token := self._sign(sign)) is None:
            raise self._unexpected(f"`{sign}`{after}")
        return token

    def _unexpected(self, expected: str) -> ExpressionError:
        return ExpressionError(self._next.place, f"expected {expected}, found {self._next.words}")

    def end(self) -> None:
        if self._next.kind != "end":
            raise self._unexpected("an operator or the end")

    # --- the grammar ---

    def expression(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ExpressionError(self._next.place, "nested too deep")
        start = self._next.place
        condition = self._binary(1)
        if self._sign("?"):
            yes = self._binary(1)
            self._expect(":", " of `?`")
            no = self.expression()
            condition = Choice(condition, yes, no, start.joined(self._last))
        self._depth -= 1
        return condition

    @property
    def _last(self) -> Place:
        return self._tokens[self._at - 1].place

    def _binary(self, level: int) -> Node:
        start = self._next.place
        left = self._unary()
        while (found := LEVELS.get((token := self._next).text, 0)) >= level:
            self._take()
            if _is_type_call(left) and token.text in {"==", "!="}:
                (of,) = operands(left)
                left = TypeIs(of, token.text, self._type(), start.joined(self._last))
                continue
            parts = [left, self._binary(found + 1)]
            if found <= 2:
                while self._sign(token.text):
                    parts.append(self._binary(found + 1))
                join = both if token.text == "&&" else either
                left = join(tuple(parts), start.joined(self._last))
            else:
                left = Binary(token.text, parts[0], parts[1], start.joined(self._last))
        return left

    def _type(self) -> str:
        """Take the name of a type, and nothing that belongs to it."""
        token = self._take() if self._next.kind == "name" else self._next
        if token.text not in TYPES:
            raise ExpressionError(token.place, f"unknown type; there are {', '.join(TYPES)}")
        if self._names is not None and token.text in self._names:
            raise ExpressionError(token.place, f"`{token.text}` is a value here, not the type")
        if self._next.kind == "sign" and self._next.text in _BEHIND_VALUES:
            raise self._unexpected("a logical operator or the end")
        return token.text

    def _unary(self) -> Node:
        start = self._next.place
        sign = self._sign("!") or self._sign("-")
        if sign is None:
            return self._member(self._primary(), start)
        if self._next.kind == "number" and sign.text == "-":
            return self._member(self._number(self._take(), sign), start)
        if self._next.kind == "sign" and self._next.text in {"!", "-"}:
            raise ExpressionError(self._next.place, f"write {sign.text}({self._next.text}...)")
        inner = self._next.place
        of = self._member(self._primary(), inner)
        return Unary(sign.text, of, start.joined(self._last))

    def _number(self, token: Token, minus: Token | None = None) -> Node:
        """Return a number, of at most 64 bits if it is whole."""
        place = minus.place.joined(token.place) if minus else token.place
        value = token.number if minus is None else -token.number
        if isinstance(value, int) and not -_INT_END <= value < _INT_END:
            raise ExpressionError(place, "a whole number of more than 64 bits")
        return Literal(value, place)

    def _member(self, node: Node, start: Place) -> Node:
        while True:
            if self._sign("."):
                node = self._after_dot(node, start)
            elif self._sign("["):
                key = self.expression()
                self._expect("]")
                node = Index(node, key, start.joined(self._last))
            else:
                return node

    def _after_dot(self, node: Node, start: Place) -> Node:
        if self._next.kind != "name" or self._next.text in NO_MEMBERS:
            raise self._unexpected("the name of a member")
        member = self._take()
        if not self._sign("("):
            return Select(node, member.text, start.joined(member.place))
        if member.text not in METHODS:
            known = ", ".join(METHODS)
            raise ExpressionError(member.place, f"unknown method; there are {known}")
        argument = self.expression()
        self._expect(")")
        return Call(member.text, (node, argument), start.joined(self._last))

    def _primary(self) -> Node:
        token = self._next
        if token.kind == "sign" and token.text in {"(", "[", "{"}:
            self._take()
            if token.text == "[":
                return self._list(token.place)
            if token.text == "{":
                return self._map(token.place)
            inner = self.expression()
            self._expect(")")
            return inner
        if token.kind not in {"name", "number", "string"}:
            raise self._unexpected("an expression")
        self._take()
        if token.kind == "number":
            return self._number(token)
        if token.kind == "string":
            return Literal(token.string, token.place)
        if token.text in WORDS:
            return Literal(WORDS[token.text], token.place)
        return self._call(token) if self._sign("(") else self._name(token)

    def _name(self, token: Token) -> Node:
        if token.text in RESERVED:
            raise ExpressionError(token.place, f"`{token.text}` is a reserved word")
        if token.text in TYPES and token.text not in (self._names or ()):
            problem = f"`{token.text}` is a type; it stands behind type(x) == or type(x) !="
            raise ExpressionError(token.place, problem)
        if self._names is not None and token.text not in self._names:
            known = ", ".join(sorted(self._names)) or "none"
            problem = f"unknown name `{token.text}`; known here: {known}"
            raise ExpressionError(token.place, problem)
        return Name(token.text, token.place)

    def _call(self, token: Token) -> Node:
        if token.text not in {"has", "size", "type"}:
            raise ExpressionError(token.place, "unknown function; there are has, size and type")
        start = self._next.place
        argument = self.expression()
        if token.text == "has" and not isinstance(argument, Select):
            place = start.joined(self._last)
            raise ExpressionError(place, "has takes a member, such as has(item.owner)")
        self._expect(")")
        place = token.place.joined(self._last)
        if isinstance(argument, Select) and token.text == "has":
            return Has(argument.of, argument.member, place)
        return Call(token.text, (argument,), place)

    def _list(self, start: Place) -> Node:
        items: list[Node] = []
        while not self._sign("]"):
            if items:
                self._expect(",", " or `]`")
            items.append(self.expression())
        return ListOf(tuple(items), start.joined(self._last))

    def _map(self, start: Place) -> Node:
        members: dict[str, Node] = {}
        while not self._sign("}"):
            if members:
                self._expect(",", " or `}`")
            if self._next.kind != "string":
                raise self._unexpected("a string as the name of a member")
            key = self._take()
            if (name := key.string) in members:
                raise ExpressionError(key.place, "this member is there already")
            self._expect(":")
            members[name] = self.expression()
        return MapOf(tuple(members), tuple(members.values()), start.joined(self._last))
