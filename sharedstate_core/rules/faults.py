"""What is wrong with rules: all of it at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sharedstate_core.errors import SharedStateError

from .keys import WRITES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_core.expressions.places import ExpressionError


class RuleFault(NamedTuple):
    """One mistake in rules, or one thing that is probably not meant.

    Attributes:
        place: in the configuration, such as `rules[2].update`.
        problem: what is wrong, on one line; in an expression with the column.
        pointed: the line of the expression, and one with carets below what is wrong; empty if it is not in one.
    """

    place: str
    problem: str
    pointed: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}"


class RulesError(SharedStateError, ValueError):
    """Rules cannot be used.

    Its text has one line for each mistake.

    Attributes:
        faults: the mistakes, at least one.
    """

    def __init__(self, faults: Sequence[RuleFault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)


class Faults:
    """Collects mistakes, each once: what is written for several keys is read for each of them.

    Attributes:
        found: those so far.
    """

    def __init__(self) -> None:
        self.found: list[RuleFault] = []

    def add(self, place: str, problem: str) -> None:
        """Collect one."""
        self._collect(RuleFault(place, problem))

    def add_expression(self, place: str, error: ExpressionError) -> None:
        """Collect one in an expression; it may stand in another text than that of the key at fault."""
        source = error.place.source.name
        via = "" if source in {place, ""} else f" of {source}"
        problem = f"{error.place.words}{via}: {error.problem}"
        self._collect(RuleFault(place, problem, error.pointed))

    def _collect(self, fault: RuleFault) -> None:
        if fault not in self.found[-len(WRITES) :]:
            self.found.append(fault)
