"""The laws of updates: a monoid that acts on states."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sharedstate_core import Diff, Update, apply, compose, diff

from .histories import HISTORIES, UPDATES, Model, item


def _state(history: list[Update]) -> dict[str, bytes]:
    state: dict[str, bytes] = {}
    for update in history:
        state = apply(state, update)
    return state


STATES = HISTORIES.map(_state)


def same(one: Update, other: Update) -> bool:
    """Equal, with the order of their parts."""
    return (one.remove, list(one.insert.items()), one.reset) == (
        other.remove,
        list(other.insert.items()),
        other.reset,
    )


@given(STATES, UPDATES)
def test_apply_is_what_the_naive_model_does(state: dict[str, bytes], update: Update) -> None:
    model = Model(state.items())
    model.apply(update)
    before = list(state.items())
    assert list(apply(state, update).items()) == model.items
    assert list(state.items()) == before


@given(STATES, UPDATES, UPDATES)
def test_composition_acts_as_one_after_the_other(
    state: dict[str, bytes], first: Update, second: Update
) -> None:
    one_by_one = apply(apply(state, first), second)
    assert list(apply(state, compose(first, second)).items()) == list(one_by_one.items())


@given(UPDATES, UPDATES, UPDATES)
def test_composition_is_associative(one: Update, two: Update, three: Update) -> None:
    assert same(compose(compose(one, two), three), compose(one, compose(two, three)))


@given(UPDATES)
def test_the_empty_update_is_the_unit(update: Update) -> None:
    assert same(compose(Update(), update), update)
    assert same(compose(update, Update()), update)


@given(STATES, UPDATES)
def test_an_immediate_replay_changes_nothing(state: dict[str, bytes], update: Update) -> None:
    """Its order too, unless the update moves an item to the end: a replay moves it behind its fellows."""
    once = apply(state, update)
    twice = apply(once, update)
    assert twice == once
    if not set(update.remove) & update.insert.keys():
        assert list(twice) == list(once)


@given(UPDATES)
def test_a_reset_forgets_what_was_before(update: Update) -> None:
    reset = Update(insert={"p": item("p", 9)}, reset=True)
    assert same(compose(update, reset), reset)


@given(UPDATES, STATES)
def test_a_noop_and_only_a_noop_touches_nothing_whatever_the_state(
    update: Update, state: dict[str, bytes]
) -> None:
    if update.is_noop:
        assert apply(state, update) == state
        assert update.touched == 0
    else:
        everything = {id: item(id, "x") for id in "pqrstuv"}
        assert apply(everything, update) != everything


@given(UPDATES)
def test_touched_counts_each_id_once(update: Update) -> None:
    assert update.touched == len({*update.remove, *update.insert})


def test_a_reset_has_nothing_to_remove() -> None:
    assert Update(("p",), {}, reset=True) == Update(reset=True)
    assert not Update(reset=True).is_noop


@given(STATES, STATES)
def test_diff_is_the_net_difference(old: dict[str, bytes], new: dict[str, bytes]) -> None:
    found = diff(old, new)
    assert len({change.id for change in found}) == len(found)
    patched = dict(old)
    kept = [id for id in new if id in old]
    for id, after, before in found:
        if before == after:  # it stood ahead of one that is now ahead of it
            ahead_now, behind_before = set(kept[: kept.index(id)]), list(old)
            assert ahead_now & set(behind_before[behind_before.index(id) :])
        assert before == old.get(id)
        if after is None:
            del patched[id]
        else:
            patched[id] = after
    assert patched == new
    still = [id for id in kept if id not in {change.id for change in found}]
    assert still == [id for id in old if id in still]
    assert bool(found) == (list(old.items()) != list(new.items()))


def test_diff_names_the_removed_first_then_the_others_in_their_new_order() -> None:
    old = {"p": b"1", "q": b"2", "r": b"3"}
    new = {"s": b"4", "q": b"5", "r": b"3"}
    assert diff(old, new) == [Diff("p", None, b"1"), Diff("s", b"4", None), Diff("q", b"5", b"2")]


@given(st.lists(UPDATES, max_size=6), STATES)
def test_many_compose_into_one(updates: list[Update], state: dict[str, bytes]) -> None:
    whole, stepwise = Update(), state
    for update in updates:
        whole = compose(whole, update)
        stepwise = apply(stepwise, update)
    assert list(apply(state, whole).items()) == list(stepwise.items())
