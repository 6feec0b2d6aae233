"""From text to tokens."""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple, TypeAlias

from .bounds import MAX_TEXT
from .places import ExpressionError, Place, Source

Kind: TypeAlias = Literal["name", "number", "string", "sign", "end"]


class Token(NamedTuple):
    """One token.

    Attributes:
        kind: what it is.
        text: as it is written; empty at the end.
        number: the value of a number.
        string: that of a string.
        place: where it stands.
    """

    kind: Kind
    text: str
    place: Place
    number: int | float = 0
    string: str = ""

    @property
    def words(self) -> str:
        """What it is, for an error."""
        if self.kind == "end":
            return "the end"
        return f"the string {self.place.excerpt}" if self.kind == "string" else f"`{self.text}`"


_TOKEN: Final = re.compile(
    r"""(?P<space>[ \t\r\n\f]+)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
    | (?P<string>"(?:[^"\\\n\r]|\\.)*"|'(?:[^'\\\n\r]|\\.)*')
    | (?P<sign>&&|\|\||[=!<>]=|[-!<>+*/%?:.,()\[\]{}])""",
    re.VERBOSE,
)
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_ESCAPED: Final = {
    **dict(zip("nrtbfav", "\n\r\t\b\f\a\v", strict=True)),
    **dict(zip("\\\"'`?", "\\\"'`?", strict=True)),
}
_HINTS: Final = {
    "=": "a single =; write == to compare",
    "&": "a single &; write && for and",
    "|": "a single |; write || for or",
    '"': "a string that does not end",
    "'": "a string that does not end",
}


def tokens_of(source: Source) -> list[Token]:
    """Return the tokens of a text, and one for its end.

    Raises:
        ExpressionError: the text is longer than `MAX_TEXT` characters, or something in it is not a token.
    """
    text = source.text
    if len(text) > MAX_TEXT:
        place = Place(source, MAX_TEXT, MAX_TEXT)
        raise ExpressionError(place, f"longer than {MAX_TEXT} characters")
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            place = Place(source, at, at + 1)
            raise ExpressionError(place, _HINTS.get(text[at], f"unexpected {text[at]!r}"))
        place = Place(source, at, match.end())
        at = match.end()
        written = match[0]
        if match.lastgroup == "name":
            found.append(Token("name", written, place))
        elif match.lastgroup == "number":
            found.append(Token("number", written, place, number=_number(written, place)))
        elif match.lastgroup == "string":
            found.append(Token("string", written, place, string=_string(written, place)))
        elif match.lastgroup == "sign":
            found.append(Token("sign", written, place))
    return [*found, Token("end", "", Place(source, at, at))]


def _number(text: str, place: Place) -> int | float:
    if text.isdigit():
        if len(text) > 1 and text[0] == "0":
            raise ExpressionError(place, "a number does not begin with 0")
        if len(text) > 19:
            raise ExpressionError(place, "a whole number of more than 64 bits")
        return int(text)
    value = float(text)
    if value == float("inf"):
        raise ExpressionError(place, "a number that is too large")
    return value


def _string(text: str, place: Place) -> str:
    def value(match: re.Match[str]) -> str:
        escape = match[1]
        code = int(escape[1:], 16) if escape[0] in "uU" and len(escape) > 1 else -1
        if 0 <= code < 0xD800 or 0xE000 <= code < 0x110000:
            return chr(code)
        if (character := _ESCAPED.get(escape)) is None:
            start = place.start + 1 + match.start()
            at = Place(place.source, start, start + len(match[0]))
            raise ExpressionError(at, f"unknown escape {match[0]}")
        return character

    return _ESCAPE.sub(value, text[1:-1])
