"""Compound statements for Galera: `BEGIN NOT ATOMIC …; END`.

In a cluster another node's commit may abort a transaction at any moment. The statement under way, or else the next
packet, gets the error; but between two statements of a packet the abort is silent, and the remaining statements,
including COMMIT, are each executed in a transaction of their own. Within a compound statement the first error ends all
of it.

Only its SELECTs are answered individually. So a marker precedes a COMMIT at the end: an error after the marker's answer
is the COMMIT's, any other came before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

Rows = list[tuple[Any, ...]]
"""The answer to one statement."""

_MARKER: Final = "SELECT 1"


def compound(statements: Sequence[str]) -> str:
    """Return a compound statement."""
    *before, last = statements
    marked = [*before, _MARKER, last] if last == "COMMIT" else statements
    return f"BEGIN NOT ATOMIC {'; '.join(marked)}; END"


def answers(statements: Sequence[str], results: Sequence[Rows]) -> list[Rows]:
    """Return the rows of each statement, empty for one without any; fewer lists if the answer was truncated.

    Args:
        statements: those of the compound statement.
        results: the answers to it.
    """
    waiting = iter(results)
    found: list[Rows] = []
    for statement in statements:
        if statement == "COMMIT" and next(waiting, None) is None:
            return found
        rows = next(waiting, None) if _is_answered(statement) else []
        if rows is None:
            return found
        found.append(rows)
    return (
        found if next(waiting, None) is not None else found[:-1]
    )  # the answer to the compound statement itself


def refused(statements: Sequence[str], answered: int) -> int:
    """Return the index of the statement that failed, or of an earlier one; that of a COMMIT only if the COMMIT failed.

    Args:
        statements: those of the compound statement.
        answered: number of results before the error.
    """
    for index, statement in enumerate(statements[:-1]):
        if not answered:
            return index
        answered -= _is_answered(statement)
    return len(statements) - (1 if answered else 2)


def _is_answered(statement: str) -> bool:
    return statement.startswith("SELECT")
