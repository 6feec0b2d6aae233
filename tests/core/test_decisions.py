"""The tables by which the core decides: every combination of facts, against the rules in other words."""

from __future__ import annotations

from typing import Any

import pytest

from sharedstate_core.decisions.collection_step import COLLECTION_STEP
from sharedstate_core.decisions.delivery import DELIVERY
from sharedstate_core.decisions.flow_control import FLOW_CONTROL
from sharedstate_core.decisions.table import Row, Table
from tests.decision_tables import TABLES


@pytest.mark.parametrize("name", TABLES)
def test_every_row_decides_something(name: str) -> None:
    _, table = TABLES[name]
    deciding = {id(table.row(combination)) for combination in table.combinations()}
    assert [row for row in table.rows if id(row) not in deciding] == []


def test_what_a_collection_does_next() -> None:
    crossed = 0
    for combination in COLLECTION_STEP.combinations():
        facts = dict(zip(COLLECTION_STEP.facts, combination, strict=True))
        content, asked, just_loaded = facts["content"], facts["asked"], facts["just_loaded"]
        if content in {"none", "missing"} and (just_loaded or facts["unencoded"]):
            continue  # a load has brought content; without it there is nothing to encode
        if content == "none" and (facts["watched"] or asked == "read"):
            continue  # content is missing if somebody needs it
        assert COLLECTION_STEP.decide[combination] == next_step(facts), facts
        crossed += 1
    assert crossed > 100


def next_step(facts: dict[str, Any]) -> str:
    """Say what comes next, as a chain of questions."""
    if facts["content"] == "outdated" and facts["just_loaded"]:
        if facts["unencoded"]:
            return "encode"
        if facts["asked"] == "read":
            return "answer"
    if facts["content"] == "outdated" and not facts["watched"]:
        return "forget"
    needs_load = facts["content"] in {"missing", "outdated"}
    if needs_load and facts["retrying"]:
        return "refuse"
    comes_first = not (facts["just_loaded"] and facts["asked"] != "nothing")
    if needs_load and comes_first:
        return "load"
    if facts["unencoded"]:
        return "encode"
    if facts["probe"] and comes_first:
        return "probe"
    return {"nothing": "rest", "read": "answer", "update": "commit"}[facts["asked"]]


def test_what_reaches_a_reader() -> None:
    for combination, decision in DELIVERY.decide.items():
        reader, what, behind = combination
        if reader == "closed":
            assert decision == "never"
        elif behind:
            assert decision == "later"
        else:
            assert (decision == "later") == (reader == "blocked" and what != "update")


def test_whether_more_is_read() -> None:
    for combination, decision in FLOW_CONTROL.decide.items():
        reader, paused, owed, unanswered = combination
        if decision == "pause":
            assert not paused
            assert reader == "blocked" or unanswered == "many"
        elif decision == "resume":
            assert paused
            assert (reader, owed, unanswered) == ("ready", False, "few")
        elif reader == "ready" and not owed:
            assert paused or unanswered != "many"


def test_a_row_that_cannot_fit_is_a_mistake() -> None:
    facts = {"weather": ("dry", "wet")}
    with pytest.raises(ValueError, match="weather cannot be"):
        Table(facts, [Row("walk", "", {"weather": ("sunny",)}), Row("stay", "", {})])
    with pytest.raises(ValueError, match="wind cannot be"):
        Table(facts, [Row("walk", "", {"wind": ("east",)})])


def test_a_combination_without_a_row_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no row fits"):
        Table({"weather": ("dry", "wet")}, [Row("walk", "", {"weather": ("dry",)})])
