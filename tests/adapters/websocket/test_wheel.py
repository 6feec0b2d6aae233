"""The timer wheel, against the plainest model of it: a dictionary of deadlines."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from sharedstate_anyio.websocket.wheel import Wheel

STEPS = st.lists(
    st.tuples(st.just("set"), st.integers(0, 5), st.floats(0, 20))
    | st.tuples(st.just("remove"), st.integers(0, 5), st.just(0.0))
    | st.tuples(st.just("tick"), st.just(0), st.just(0.0))
)


@given(STEPS, st.sampled_from([0.25, 1.0, 3.0]))
def test_entries_come_when_they_are_due(steps: list[tuple[str, int, float]], tick: float) -> None:
    wheel, due, now = Wheel[int](tick), dict[int, int](), 0
    for what, entry, seconds in steps:
        if what == "set":
            wheel.set(entry, seconds)
            due[entry] = now + 1 + math.ceil(seconds / tick)
        elif what == "remove":
            wheel.remove(entry)
            due.pop(entry, None)
        else:
            now += 1
            expected = {entry for entry, at in due.items() if at == now}
            came = list(wheel.advance())
            assert set(came) == expected
            assert len(came) == len(expected)
            due = {entry: at for entry, at in due.items() if at != now}
        assert len(wheel) == len(due)


def test_nothing_remains_of_what_was_removed() -> None:
    wheel = Wheel[int](1.0)
    for number in range(1000):
        wheel.set(7, number)
    wheel.remove(7)
    wheel.remove(7)
    assert not wheel._due
    assert not wheel._where
