"""One entry of the rules, read and ready."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from sharedstate_core.expressions.evaluator import Program
from sharedstate_core.expressions.tree import Literal, Node

from .patterns import Pattern

if TYPE_CHECKING:
    from collections.abc import Mapping

DENIED: Final = Literal(False)
"""What holds where an entry does not say."""


class Stamps(Struct, frozen=True):
    """Members that the server sets, with their expressions, in an insert and in an update."""

    insert: dict[str, Node] = {}
    update: dict[str, Node] = {}

    @property
    def members(self) -> frozenset[str]:
        """All of them: nobody else sets any."""
        return frozenset((*self.insert, *self.update))

    @property
    def kept(self) -> frozenset[str]:
        """Those that are set by an insert alone: an update keeps what is stored."""
        return self.members - frozenset(self.update)


class Entry(Struct, frozen=True, eq=False):
    """One entry.

    Attributes:
        name: where it stands, such as `rules[2]`.
        pattern: of the paths that it decides on.
        trees: the expression of each of `RIGHTS` that it gives, without the names of `let`.
        written: the key that gives each of them, which is `write` for some.
        stamps: members that the server sets.
        programs: these expressions, ready to be evaluated.
        unused: names of `let` that no expression looks at.
    """

    name: str
    pattern: Pattern
    trees: dict[str, Node]
    written: dict[str, str]
    stamps: Stamps
    programs: dict[str, Program]
    unused: tuple[str, ...] = ()

    def tree(self, key: str) -> Node:
        """Return the expression of a right."""
        return self.trees.get(key, DENIED)

    def allows(self, key: str, values: Mapping[str, object]) -> bool:
        """Return whether a right that looks at nothing but these values is given; an error denies."""
        program = self.programs.get(key)
        return program is not None and program.evaluate(values) is True

    def source(self, key: str) -> str:
        """Return the place of a right in the configuration; where it would be, if it is not given."""
        return f"{self.name}.{self.written.get(key, key)}"
