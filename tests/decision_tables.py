"""The core's decision tables as they are printed in ARCHITECTURE: `python -m tests.decision_tables` prints them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sharedstate_core.decisions.collection_step import COLLECTION_STEP
from sharedstate_core.decisions.delivery import DELIVERY
from sharedstate_core.decisions.flow_control import FLOW_CONTROL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_core.decisions.table import Fact, Table

TABLES: Final[dict[str, tuple[str, Table[Any]]]] = {
    "next step": ("a collection …", COLLECTION_STEP),
    "delivery": ("it happens …", DELIVERY),
    "reading": ("reading …", FLOW_CONTROL),
}
"""Each with the words above its decisions."""


def markdown(title: str, table: Table[Any]) -> str:
    """Return a table as it is printed; an empty cell fits whatever there is."""
    head = [*(name.replace("_", " ") for name in table.facts), title, "because"]
    lines = [head, ["---"] * len(head)]
    for row in table.rows:
        cells = [_values(row.when.get(name, ())) for name in table.facts]
        lines.append([*cells, f"**{row.decision}**", row.reason])
    return "\n".join(
        f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in line)}|" for line in lines
    )


def _values(values: Sequence[Fact]) -> str:
    words: dict[Fact, str] = {True: "yes", False: "no"}
    return " or ".join(words.get(value, str(value)) for value in values)


if __name__ == "__main__":
    for name, (title, table) in TABLES.items():
        print(f"<!-- table: {name} -->\n\n{markdown(title, table)}\n\n<!-- end -->\n")
