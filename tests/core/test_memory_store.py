"""The reference store keeps its own rules."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sharedstate_core import (
    CollectionPath,
    Committed,
    Condition,
    Cursor,
    Loaded,
    Rejected,
    Update,
    Write,
    condition_holds,
)
from sharedstate_core.testing import MemoryStore

from .histories import HISTORIES, IDS, UPDATES, item

PATH = CollectionPath("a", "items", "c")


@given(HISTORIES, st.sampled_from([0, 2, 100]))
def test_its_rows_in_order_of_insertion_are_the_state(
    history: list[Update], tombstones: int
) -> None:
    store = MemoryStore(tombstones=tombstones)
    for update in history:
        store.commit(PATH, [Write(update)])
        loaded = store.load(PATH, None)
        live = sorted((row.created, row.place, row.id, row.text) for row in loaded.rows if row.text)
        assert [(id, text) for _, _, id, text in live] == list(store.state(PATH).items())
        assert len(loaded.rows) - len(live) <= tombstones
        assert Cursor(loaded.epoch, loaded.version) == store.head(PATH)


@given(HISTORIES, UPDATES, st.integers(-1, 15), st.none() | st.lists(IDS, max_size=3))
def test_a_condition_holds_if_nothing_of_interest_was_touched(
    history: list[Update], update: Update, version: int, ids: list[str] | None
) -> None:
    """With enough tombstones and no reset, exactly then; with a reset, a cursor before it never holds."""
    store = MemoryStore()
    applied = [update for update in history if not update.is_noop]
    for earlier in applied:
        store.commit(PATH, [Write(earlier)])
    later, head = applied[max(0, version) :], len(applied)
    condition = Condition(Cursor("epoch-1", version), None if ids is None else tuple(ids))
    (outcome,) = store.commit(PATH, [Write(update, condition)]).outcomes
    if ids is None:
        expected = version == head
    else:
        present = [set(state.state) for state in store.history(PATH)]
        touched = {
            id
            for number, step in enumerate(later, max(0, version))
            for id in (*(i for i in step.remove if i in present[number]), *step.insert)
        }
        reset = any(step.reset for step in later)
        expected = 0 <= version <= head and not reset and not touched & set(ids)
    assert isinstance(outcome, Committed) == expected
    assert outcome.version == head + (expected and not update.is_noop)


def test_neighbours_of_a_rejected_write_are_stored() -> None:
    store = MemoryStore()
    write = [Write(Update(insert={id: item(id, 1)})) for id in "pqr"]
    outcomes = store.commit(PATH, write, reject={1}).outcomes
    assert outcomes == [
        Committed(1),
        Rejected("forbidden", "the store refuses this", 1),
        Committed(2),
    ]
    assert list(store.state(PATH)) == ["p", "r"]


def test_a_cursor_of_another_epoch_or_of_the_future_is_no_condition_that_holds() -> None:
    for cursor in (Cursor("other", 0), Cursor("epoch-1", 8)):
        condition = Condition(cursor, ())
        assert not condition_holds(condition, epoch="epoch-1", version=7, horizon=0)
    assert condition_holds(None, epoch="epoch-1", version=7, horizon=0)


def test_starting_anew_changes_the_epoch_and_keeps_the_history_for_checks() -> None:
    store = MemoryStore()
    store.commit(PATH, [Write(Update(insert={"p": item("p", 1)}))])
    store.start_anew("epoch-2")
    assert store.head(PATH) == ("epoch-2", 0)
    assert store.load(PATH, Cursor("epoch-1", 1)).base is None
    assert store.state_at(PATH, Cursor("epoch-1", 1)) == {"p": item("p", 1)}
    assert store.state_at(PATH, Cursor("epoch-1", 2)) is None
    assert store.state_at(PATH, Cursor("epoch-3", 0)) == {}
    assert store.collections("items", "a") == []


def test_a_forgotten_collection_goes_on_from_where_it_was() -> None:
    store, other = MemoryStore(), CollectionPath("a", "items", "other")
    for update in (Update(insert={"p": item("p", 1)}), Update(("p",)), Update(("q",))):
        store.commit(PATH, [Write(update)])
    store.commit(other, [Write(Update(insert={"p": item("p", 1)}))])
    assert store.forget(PATH)
    assert not store.forget(PATH)
    assert not store.forget(other)
    assert store.head(PATH) == ("epoch-1", 3)
    assert store.load(PATH, Cursor("epoch-1", 1)) == Loaded("epoch-1", 3, 3, [])
    assert store.head(CollectionPath("a", "items", "never")) == ("epoch-1", 3)
    assert store.state_at(PATH, Cursor("epoch-1", 1)) == {"p": item("p", 1)}
    result = store.commit(PATH, [Write(Update(insert={"r": item("r", 1)}))])
    assert result.outcomes == [Committed(4)]
    assert store.load(PATH, Cursor("epoch-1", 3)).base == 3
    assert store.head(other) == ("epoch-1", 1)
