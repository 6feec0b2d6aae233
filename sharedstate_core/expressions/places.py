"""Where in a text something stands, and what is wrong there."""

from __future__ import annotations

from typing import Final, NamedTuple

from sharedstate_core.errors import SharedStateError

_SHOWN: Final = 60
"""Characters shown on each side of a place, or of a part of a text."""


class Source(NamedTuple):
    """A text with a name, such as `rules[2].update`."""

    name: str
    text: str


class Place:
    """A part of a text. Any two are equal: where an expression stands is not part of what it is.

    Attributes:
        source: the text.
        start: index of its first character.
        end: index after its last.
        reason: why what stands here fails, if that is known already; else None.
    """

    __slots__ = ("end", "reason", "source", "start")

    def __init__(self, source: Source, start: int, end: int, reason: str | None = None) -> None:
        self.source = source
        self.start = start
        self.end = end
        self.reason = reason

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Place)

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return f"<{self.source.name}, {self.text!r}>"

    @property
    def text(self) -> str:
        """What stands there."""
        return self.source.text[self.start : self.end]

    @property
    def excerpt(self) -> str:
        """What stands there, on one line, and not too long."""
        text = " ".join(self.text.split())
        return text if len(text) <= 2 * _SHOWN else f"{text[: 2 * _SHOWN - 3]}..."

    @property
    def line(self) -> int:
        """Number of the line, from 1."""
        return self.source.text.count("\n", 0, self.start) + 1

    @property
    def column(self) -> int:
        """Number of the first character in its line, from 1."""
        return self.start - self.source.text.rfind("\n", 0, self.start)

    @property
    def words(self) -> str:
        """The column, and the line if there are several."""
        column = f"column {self.column}"
        return f"line {self.line}, {column}" if "\n" in self.source.text else column

    def joined(self, last: Place) -> Place:
        """Return the place from the start of this one to the end of another."""
        return Place(self.source, self.start, last.end)


NOWHERE: Final = Place(Source("", ""), 0, 0)
"""The place of what nobody has written."""


class ExpressionError(SharedStateError, ValueError):
    """A text is not an expression.

    Its text is one line such as `column 9: expected an expression, found the end`.

    Attributes:
        place: where.
        problem: what is wrong, without the place.
    """

    def __init__(self, place: Place, problem: str) -> None:
        super().__init__(f"{place.words}: {problem}")
        self.place = place
        self.problem = problem

    @property
    def pointed(self) -> str:
        """The line of the text, and one with carets below what is wrong; long lines are cut."""
        place = self.place
        first = place.start - place.column + 1
        line = place.source.text[first:].split("\n", 1)[0].replace("\t", " ").rstrip("\r")
        cut = max(0, place.column - 1 - _SHOWN)
        shown = line[cut : place.column - 1 + _SHOWN]
        before = place.column - 1 - cut
        width = max(1, min(place.end - place.start, len(shown) - before))
        return f"{shown}\n{' ' * before}{'^' * width}"


class Failure(NamedTuple):
    """The error value of an expression: what stands at `place` has no value, because of `reason`."""

    place: Place
    reason: str

    def __str__(self) -> str:
        place = self.place
        if not place.text:
            return self.reason
        name = f"{place.source.name}, " if place.source.name else ""
        return f"{name}{place.words}: {place.excerpt}: {self.reason}"
