"""What a commit does, worked out without a store: held against the naive model for histories found by hypothesis."""

from __future__ import annotations

from hypothesis import given, settings
from msgspec.structs import replace

from sharedstate_backends.conformance.model import Model, check_full, item_text, put
from sharedstate_backends.plan import Head, Known, names, plan
from sharedstate_core.storage import (
    Committed,
    Condition,
    Cursor,
    Loaded,
    Outcome,
    Rejected,
    Row,
    Write,
)
from sharedstate_core.updates import Update

from .sqlite.test_random import COMMITS, _check, _condition


class Table:
    """A collection as a dictionary of rows."""

    def __init__(self) -> None:
        self.head = Head()
        self.rows: dict[str, Row] = {}

    def commit(self, writes: list[Write], max_text: int | None = None) -> list[Outcome]:
        known = {
            id: Known(row.created, row.place, row.version) if (row := self.rows.get(id)) else None
            for id in names(writes)
        }
        planned = plan("epoch", self.head, known, writes, max_text=max_text)
        if planned.reset:
            self.rows.clear()
        self.rows.update(planned.rows)
        for id, row in planned.upserts.items():
            before = self.rows.get(id)
            if before and before.created:
                row = replace(row, created=before.created, place=before.place)  # noqa: PLW2901
            self.rows[id] = row
        for id, version in planned.removals.items():
            before = self.rows.get(id)
            if before and before.created:
                self.rows[id] = Row(id, None, 0, 0, version)
        self.head = planned.head
        return list(planned.outcomes)


@given(commits=COMMITS)
@settings(max_examples=settings().max_examples // 3, deadline=None)
def test_histories(
    commits: list[list[tuple[Update, tuple[int, list[str] | None] | None]]],
) -> None:
    table, model = Table(), Model()
    for commit in commits:
        writes = [
            Write(update, _condition(drawn, "epoch", model.version)) for update, drawn in commit
        ]
        horizon = table.head.horizon
        _check(table.commit(writes), writes, model, "epoch", horizon)
        head = table.head
        check_full(Loaded("epoch", head.version, head.horizon, list(table.rows.values())), model)
        assert head.tombstones >= sum(row.text is None for row in table.rows.values())


def test_names_are_those_of_conditions_each_once() -> None:
    writes = [
        Write(put("a", "b", remove=["c", "a"])),
        Write(Update(), Condition(Cursor("", 0), ("b", "d"))),
        Write(Update(), Condition(Cursor("", 0))),
        Write(Update(), Condition(Cursor("", 0), ("e", "d"))),
    ]
    assert names(writes) == ["b", "d", "e"]


def test_too_large_is_refused_alone() -> None:
    table = Table()
    first, second = table.commit(
        [Write(put("a")), Write(put("b", value="x" * 100))], max_text=len(item_text("a"))
    )
    assert first == Committed(1)
    assert isinstance(second, Rejected)
    assert second.code == "too_large"
    assert list(table.rows) == ["a"]
