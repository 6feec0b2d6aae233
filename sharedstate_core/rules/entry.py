"""One entry of the rules, read and ready: what all sessions share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import Struct

from sharedstate_core.expressions.evaluator import Program
from sharedstate_core.expressions.places import Failure, Place
from sharedstate_core.expressions.tree import And, Literal, Node, Or, names_of

from .patterns import Pattern

if TYPE_CHECKING:
    from collections.abc import Mapping

DENIED: Final = Literal(False)
"""What holds where an entry does not say."""

SHOWN: Final = 3
"""False parts that are named beside one that has no value, at the most."""

_FALSE: Final = "it is false"
_MISSING: Final = "the entry does not say, and so it is denied"


class Denied(NamedTuple):
    """Why something is denied; for administrators and logs, since it shows the rules.

    Attributes:
        rule: the place in the configuration, such as `rules[2].update`, which may not be there.
        part: the part of the expression that is false or has no value.
        reason: why, in words.
    """

    rule: str
    part: Place
    reason: str

    def __str__(self) -> str:
        failure = str(Failure(self.part, self.reason))
        return failure if self.part.source.name == self.rule else f"{self.rule}: {failure}"


class Rule:
    """The expression of one key.

    Attributes:
        place: in the configuration, such as `rules[2].update`; it may be `write`, or a key that is not there.
        tree: the expression, without the names of `let`.
    """

    __slots__ = ("_parts", "_program", "place", "tree")

    def __init__(self, place: str, tree: Node) -> None:
        self.place = place
        self.tree = tree
        self._program = Program(tree)
        self._parts: tuple[Program, ...] = ()

    @property
    def is_given(self) -> bool:
        """Whether the entry says anything."""
        return self.tree is not DENIED

    def check(self, values: Mapping[str, object]) -> Denied | None:
        """Return why something is denied; None if it is allowed.

        Args:
            values: those of all names that the expression looks at.
        """
        decided = self._program.decide(values)
        if decided is True:
            return None
        false = self._false_parts(values)
        if not isinstance(decided, Failure):
            part = false[0] if false and isinstance(self.tree, And) else self.tree.at
            return Denied(self.place, part, _FALSE if self.is_given else _MISSING)
        reason = decided.reason
        if isinstance(self.tree, Or) and false:  # an error of one side alone denies nothing
            reason += "".join(f"; and `{part.excerpt}` is false" for part in false[:SHOWN])
        return Denied(self.place, decided.place, reason)

    def constant(self, values: Mapping[str, object]) -> bool | None:
        """Return the answer if it does not depend on further values; None if it may, and if it is an error.

        What has no value is an error, which is absorbed only where it does not matter.

        Args:
            values: those of some names.
        """
        decided = self._program.decide(values)
        return None if isinstance(decided, Failure) else decided

    def _false_parts(self, values: Mapping[str, object]) -> list[Place]:
        """Return the parts of a conjunction, or of what one of several parts has to allow, that are false."""
        if isinstance(self.tree, And | Or) and not self._parts:
            self._parts = tuple(map(Program, self.tree.parts))
        return [part.tree.at for part in self._parts if part.evaluate(values) is False]


class Stamps(Struct, frozen=True):
    """Members that the server sets, with their expressions, in an insert and in an update."""

    insert: dict[str, Program] = {}
    update: dict[str, Program] = {}

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
        rules: what it says on each of `RIGHTS`.
        stamps: members that the server sets.
        unused: names of `let` that no expression looks at.
    """

    name: str
    pattern: Pattern
    rules: dict[str, Rule]
    stamps: Stamps
    unused: tuple[str, ...] = ()

    @property
    def looks_at_users(self) -> bool:
        """Whether an expression looks at `user`."""
        stamps = (*self.stamps.insert.values(), *self.stamps.update.values())
        trees = (*(rule.tree for rule in self.rules.values()), *(each.tree for each in stamps))
        return any("user" in names_of(tree) for tree in trees)

    def allows(self, key: str, values: Mapping[str, object]) -> bool:
        """Return whether a right is given to everything, with these values; an error denies."""
        return self.rules[key].constant(values) is True
