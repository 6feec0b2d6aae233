"""What was asked of a store and what came of it, held against what the store really has.

Every update inserts one item that no other ever touches, its marker. The version at which a store has that item tells
when the update was applied, so that everything can be replayed in the store's own order.
"""

from __future__ import annotations

import json
import time
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

from tests.support.replica import apply

if TYPE_CHECKING:
    from sharedstate_core import Loaded
    from tests.support.peer import Message
    from tests.support.replica import Item

MARKER: Final = "update "


class Ledger:
    """The updates of one collection.

    Attributes:
        acknowledged: version of each acknowledged update, by its marker's id.
        refused: markers of those that were certainly not applied.
        acknowledged_at: when the last acknowledgement came, on the monotonic clock.
        lost: markers of acknowledged updates that the store has not, as the last `check` found.
        halves: items that differ from those of whole updates, as the last `check` found.
    """

    def __init__(self) -> None:
        self._updates: dict[str, dict[str, Any]] = {}
        self.acknowledged: dict[str, int] = {}
        self.refused: set[str] = set()
        self.acknowledged_at = 0.0
        self.lost: set[str] = set()
        self.halves = 0

    @property
    def unknown(self) -> set[str]:
        """Markers of those of which nobody can say, or not yet."""
        return self._updates.keys() - self.acknowledged.keys() - self.refused

    def new(self, author: str) -> tuple[str, dict[str, Any]]:
        """Return a marker and an update with it, which also replaces, removes and inserts what others do."""
        number = len(self._updates)
        marker = f"{MARKER}{number}"
        items = (marker, "left", "right", f"shared {number % 5}")
        insert = [{"id": id, "by": author, "number": number} for id in items]
        update = {"insert": insert, "remove": [f"shared {(number + 2) % 5}"]}
        self._updates[marker] = update
        return marker, update

    def answered(self, marker: str, reply: Message) -> None:
        """Take down the reply to an update."""
        if reply["ok"]:
            self.acknowledged[marker] = reply["version"]
            self.acknowledged_at = time.monotonic()
            return
        assert reply["error"]["code"] == "unavailable", reply
        if reply["error"].get("outcome") != "unknown":
            self.refused.add(marker)

    def check(self, loaded: Loaded) -> list[Item]:
        """Check that a store has what was acknowledged, some of the unknown, all of it whole, and nothing else.

        Returns:
            The items, in order.
        """
        applied = {row.created: row.id for row in loaded.rows if row.id.startswith(MARKER)}
        markers = set(applied.values())
        assert sorted(applied) == list(range(1, loaded.version + 1)), "a version is missing"
        assert not markers & self.refused, "a refused update was applied"
        assert markers <= self._updates.keys()
        self.lost = {m for m, version in self.acknowledged.items() if applied.get(version) != m}
        assert not self.lost, "what was acknowledged is not there"
        expected: dict[str, Item] = {}
        for version in sorted(applied):
            apply(expected, self._updates[applied[version]])
        rows = sorted(loaded.rows, key=lambda row: (row.created, row.place))
        found = [json.loads(row.text) for row in rows if row.text is not None]
        self.halves = sum(a != b for a, b in zip_longest(found, expected.values()))
        assert not self.halves, "an update is there in part"
        return found
