"""Ordered decision tables: the first row that fits the facts decides.

A table is data, so that the same rows are run, crossed with every combination of facts by a test, and printed in
ARCHITECTURE. It is crossed once, when it is made: deciding is looking up.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Fact: TypeAlias = str | bool
"""One value of what is looked at."""

A = TypeVar("A", bound=str)
"""What can be decided."""


class Row(NamedTuple, Generic[A]):
    """One row of a table.

    Attributes:
        decision: what comes of it.
        reason: why, in a few words.
        when: the values of each fact that the row asks for; it fits whatever value the others have.
    """

    decision: A
    reason: str
    when: Mapping[str, Sequence[Fact]]

    def fits(self, facts: Mapping[str, Fact]) -> bool:
        """Return whether the row decides on these facts, unless one before it does."""
        return all(facts[name] in values for name, values in self.when.items())


class Table(Generic[A]):
    """An ordered decision table.

    Args:
        facts: each fact with all values that it can have, in the order in which they are given to `decide`.
        rows: in order; the last one fits all that is left.

    Attributes:
        decide: by the values of all facts, as a tuple: what comes of them.

    Raises:
        ValueError: a row asks for what no fact can be, or a combination of facts fits no row.
    """

    def __init__(self, facts: Mapping[str, Sequence[Fact]], rows: Sequence[Row[A]]) -> None:
        self.facts = facts
        self.rows = rows
        for row in rows:
            for name, values in row.when.items():
                if not values or any(value not in facts.get(name, ()) for value in values):
                    raise ValueError(f"{row.decision}: {name} cannot be {values!r}")
        self.decide: Mapping[tuple[Fact, ...], A] = {
            combination: self.row(combination).decision for combination in self.combinations()
        }

    def combinations(self) -> Iterator[tuple[Fact, ...]]:
        """Yield every combination of facts."""
        return product(*self.facts.values())

    def row(self, combination: tuple[Fact, ...]) -> Row[A]:
        """Return the row that decides."""
        named = dict(zip(self.facts, combination, strict=True))
        for row in self.rows:
            if row.fits(named):
                return row
        raise ValueError(f"no row fits {named}")
