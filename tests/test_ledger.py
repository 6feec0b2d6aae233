"""The ledger that faults are judged by: it must see what a store has lost, and what is there by half."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_core import Loaded, Row

from .support.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Sequence


def stored(updates: Sequence[dict[str, Any]]) -> list[Row]:
    """Return the rows of a store that has applied these updates whole, in order."""
    rows: dict[str, Row] = {}
    for version, update in enumerate(updates, 1):
        for id in update["remove"]:
            rows.pop(id, None)
        for place, item in enumerate(update["insert"]):
            before = rows.get(item["id"])
            created, at = (before.created, before.place) if before else (version, place)
            text = json.dumps(item).encode()
            rows[item["id"]] = Row(item["id"], text, created, at, version)
    return list(rows.values())


class Scene:
    """Three updates: acknowledged, of unknown outcome, refused."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.updates = [self.ledger.new("somebody")[1] for _ in range(3)]
        first, _, third = (update["insert"][0]["id"] for update in self.updates)
        self.ledger.answered(first, {"ok": True, "version": 1})
        self.ledger.answered(third, {"ok": False, "error": {"code": "unavailable"}})

    def check(self, rows: Sequence[Row], version: int) -> None:
        self.ledger.check(Loaded("epoch", version, 0, rows, None))


@pytest.mark.parametrize("applied", [1, 2])
def test_an_unknown_update_may_be_there_or_not(applied: int) -> None:
    scene = Scene()
    scene.check(stored(scene.updates[:applied]), applied)
    assert (scene.ledger.lost, scene.ledger.halves) == (set(), 0)


def test_a_lost_update_is_found() -> None:
    scene = Scene()
    with pytest.raises(AssertionError, match="acknowledged is not there"):
        scene.check([], 0)
    assert scene.ledger.lost == {"update 0"}


@pytest.mark.parametrize("missing", ["left", "right", "shared 0"])
def test_a_half_update_is_found(missing: str) -> None:
    scene = Scene()
    rows = [row for row in stored(scene.updates[:1]) if row.id != missing]
    with pytest.raises(AssertionError, match="in part"):
        scene.check(rows, 1)
    assert scene.ledger.halves > 0


def test_an_item_of_an_earlier_update_is_found() -> None:
    scene = Scene()
    old = next(row for row in stored(scene.updates[:1]) if row.id == "left")
    rows = [old if row.id == "left" else row for row in stored(scene.updates[:2])]
    with pytest.raises(AssertionError, match="in part"):
        scene.check(rows, 2)
    assert scene.ledger.halves == 1


def test_a_refused_update_that_was_applied_is_found() -> None:
    scene = Scene()
    with pytest.raises(AssertionError, match="refused"):
        scene.check(stored(scene.updates), 3)
