"""Versions that were passed over, against the list of those that were seen."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sharedstate_core.items.leaps import MOST, Leaps


@given(st.integers(0, 5), st.lists(st.integers(1, 4), max_size=30))
def test_a_version_was_passed_over_if_it_was_not_seen(base: int, steps: list[int]) -> None:
    leaps, version, seen = Leaps(), base, {base}
    for step in steps:
        leaps.add(version, version + step)
        version += step
        seen.add(version)
    for each in range(base, version + 2):
        assert leaps.passed_over(each) == (each not in seen and each < version)


def test_what_is_remembered_is_bounded_and_what_is_forgotten_is_not_taken_for_seen() -> None:
    leaps = Leaps()
    for base in range(0, 3 * MOST, 2):
        leaps.add(base, base + 2)
    assert len(leaps._to) <= MOST
    assert all(leaps.passed_over(version) for version in range(1, 3 * MOST, 2))
    assert not leaps.passed_over(3 * MOST)
    assert not leaps.passed_over(3 * MOST - 2)
