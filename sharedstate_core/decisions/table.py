"""Ordered decision tables: the first row that fits the facts decides.

A table is data, so the same rows are executed, tested against every combination of facts, and printed in ARCHITECTURE.
All combinations are computed once, when the table is created: a decision is a lookup.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Fact: TypeAlias = str | bool
"""One value of a fact."""

A = TypeVar("A", bound=str)
"""The possible decisions."""


class Row(NamedTuple, Generic[A]):
    """One row of a table.

    Attributes:
        decision: the decision it makes.
        reason: why, in a few words.
        when: the accepted values of each fact that matters; other facts may have any value.
    """

    decision: A
    reason: str
    when: Mapping[str, Sequence[Fact]]

    def fits(self, facts: Mapping[str, Fact]) -> bool:
        """Return whether the row matches these facts; it decides if no row before it matches."""
        return all(facts[name] in values for name, values in self.when.items())


class Table(Generic[A]):
    """An ordered decision table.

    Args:
        facts: each fact with all its possible values, in the order in which `decide` takes them.
        rows: the rows, in order; the last one matches everything left.

    Attributes:
        decide: the decision for each tuple of the values of all facts.

    Raises:
        ValueError: a row names a value that its fact cannot have, or a combination of facts matches no row.
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
        """Return the row that decides on a combination of facts."""
        named = dict(zip(self.facts, combination, strict=True))
        for row in self.rows:
            if row.fits(named):
                return row
        raise ValueError(f"no row fits {named}")
