"""Patterns of paths: `/chat/items/{room}`, `/*/items/presence-{room}`.

A segment is a text, or has one `*` or one `{name}` in it, which stand for one character or more: those of a name become
the value of a variable.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from sharedstate_core.errors import RequestError
from sharedstate_core.paths import CollectionPath, split_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_WILD: Final = re.compile(r"\*|\{([A-Za-z_][A-Za-z0-9_]*)\}")


class Segment(NamedTuple):
    """A pattern of one segment.

    Attributes:
        before: what it begins with; the whole, if it `is_wild` not.
        after: what it ends with.
        is_wild: whether anything is in between.
        name: the variable that this is the value of; empty for none.
    """

    before: str
    after: str = ""
    is_wild: bool = False
    name: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether it matches every segment."""
        return self.is_wild and not self.before and not self.after

    def value(self, segment: str) -> str | None:
        """Return what stands for the wild part, empty if there is none; None if it does not match."""
        if not self.is_wild:
            return "" if segment == self.before else None
        fits = segment.startswith(self.before) and segment.endswith(self.after)
        wild = segment[len(self.before) : len(segment) - len(self.after)]
        return wild if fits and len(segment) > len(self.before) + len(self.after) else None

    def covers(self, other: Segment) -> bool:
        """Return whether it matches whatever another one matches."""
        if not other.is_wild:
            return self.value(other.before) is not None
        begins = other.before.startswith(self.before)
        return self.is_wild and begins and other.after.endswith(self.after)


class Pattern(NamedTuple):
    """A pattern of paths: one of each segment.

    Attributes:
        text: as it is written.
        segments: three.
    """

    text: str
    segments: tuple[Segment, ...]

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Read a pattern.

        Raises:
            ValueError: it is not one; the text is a sentence.
        """
        try:
            path = split_path(text)
        except RequestError as error:
            raise ValueError(error.message) from None
        if not isinstance(path, CollectionPath) or not text.startswith("/"):
            raise ValueError(f"expected /app/service/collection, three segments, found {text!r}")
        pattern = cls(text, tuple(map(_segment, path)))
        if len(set(pattern.names)) < len(pattern.names):
            raise ValueError(f"a variable stands twice in {text!r}")
        return pattern

    @property
    def names(self) -> tuple[str, ...]:
        """The variables."""
        return tuple(segment.name for segment in self.segments if segment.name)

    @property
    def is_whole(self) -> bool:
        """Whether it matches all collections of the apps and services that it matches."""
        return self.segments[-1].is_whole

    def match(self, path: Sequence[str | None]) -> dict[str, str] | None:
        """Return the value of each variable; None if a path does not match.

        Args:
            path: three segments. None stands for all there may be: only what matches every one does.
        """
        values: dict[str, str] = {}
        for pattern, segment in zip(self.segments, path, strict=True):
            if segment is None:
                if not pattern.is_whole:
                    return None
                continue
            value = pattern.value(segment)
            if value is None:
                return None
            if pattern.name:
                values[pattern.name] = value
        return values

    def covers(self, other: Pattern) -> bool:
        """Return whether it matches whatever another one matches."""
        pairs = zip(self.segments, other.segments, strict=True)
        return all(one.covers(another) for one, another in pairs)


class PatternList:
    """Several patterns: the first that matches a path is found at once, since one by one takes long if there are many.

    Args:
        patterns: in order.
    """

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        each = ("".join(map(_expression, pattern.segments)) for pattern in patterns)
        self._expression = re.compile("|".join(rf"{text}\Z()" for text in each))

    def first(self, path: CollectionPath) -> int | None:
        """Return the place of the first pattern that matches; None if none does."""
        found = self._expression.match(str(path))
        return found.lastindex - 1 if found and found.lastindex else None


def _expression(segment: Segment) -> str:
    wild = "[^/]+" if segment.is_wild else ""
    return f"/{re.escape(segment.before)}{wild}{re.escape(segment.after)}"


def _segment(text: str) -> Segment:
    found = _WILD.search(text)
    before, after = (text[: found.start()], text[found.end() :]) if found else (text, "")
    if any(each in before + after for each in "*{}"):
        hint = "a segment has at most one * or {name}, and a name is of letters, digits and _"
        raise ValueError(f"{hint}; found {text!r}")
    return Segment(before, after, found is not None, (found[1] or "") if found else "")
