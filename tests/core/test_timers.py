"""Deadlines against a naive model."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sharedstate_core.timers import Timers
from tests.support.work import work_of

KEYS = st.sampled_from("abcdefgh")
TIMES = st.integers(0, 20)
STEPS = st.lists(
    st.tuples(st.just("set"), KEYS, TIMES)
    | st.tuples(st.just("cancel"), KEYS, st.just(0))
    | st.tuples(st.just("due"), st.just(""), TIMES),
    max_size=60,
)


@given(STEPS)
def test_timers_are_a_map_from_keys_to_deadlines(steps: list[tuple[str, str, int]]) -> None:
    timers: Timers[str] = Timers()
    model: dict[str, float] = {}
    for what, key, at in steps:
        if what == "set":
            timers.set(key, at)
            model[key] = at
        elif what == "cancel":
            timers.cancel(key)
            model.pop(key, None)
        else:
            times = [model.pop(key) for key in timers.due(at)]
            assert times == sorted(times)
            assert all(time <= at for time in times)
            assert all(time > at for time in model.values())
        assert len(timers) == len(model)
        assert timers.next() == min(model.values(), default=None)


def test_a_deadline_that_is_dropped_by_an_earlier_one_does_not_come() -> None:
    timers: Timers[str] = Timers()
    timers.set("first", 1)
    timers.set("second", 2)
    came = []
    for key in timers.due(5):
        came.append(key)
        timers.cancel("second")
    assert came == ["first"]


def test_moving_a_deadline_again_and_again_takes_no_memory() -> None:
    timers: Timers[str] = Timers()
    timers.set("still", 7)
    for at in range(10_000):
        timers.set("moved", at)
    assert len(timers._heap) + len(timers._old) <= 2 * (64 + 2 * 2)
    assert list(timers.due(9_998)) == ["still"]
    assert list(timers.due(9_999)) == ["moved"]


MANY = 500


def test_no_deadline_takes_long_however_many_were_moved() -> None:
    timers: Timers[int] = Timers()
    for key in range(MANY):
        timers.set(key, 0)
    for turn in range(7):
        for key in range(MANY):
            assert work_of(lambda: timers.set(key, MANY * turn + key)) < 100  # noqa: B023
            assert len(timers._heap) + len(timers._old) < 5 * MANY
    assert list(timers.due(6 * MANY + 10)) == list(range(11))


def test_deadlines_that_were_moved_come_up_by_turns() -> None:
    timers: Timers[int] = Timers()
    timers.set(-1, 0)
    for at in (1, 2):
        for key in range(MANY):
            timers.set(key, at)
    assert list(timers.due(0)) == [-1]
    assert work_of(timers.next) < 1500
    came: list[int] = []
    turns = 0
    while (first := timers.next()) is not None:
        assert first <= 2
        assert work_of(lambda: came.extend(timers.due(2, 100))) < 1500
        turns += 1
    assert came == list(range(MANY))
    assert turns > MANY / 100
