"""Views: what is shown is what is stored, filtered, in order; whoever may not see everything hears of nothing else.

With slow readers, connections that are cut and resume, resets, removals that were forgotten, views that nobody saw for
a while, restarts, another server on the same storage, users whose claims change, conditions, and pages.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from .view_histories import history, play

seeds = st.integers(0, 1 << 40)
SEVERAL = 3
"""Histories of one example."""


@given(seeds)
def test_everybody_sees_what_is_stored_filtered_in_order(seed: int) -> None:
    for n in range(SEVERAL):
        play(*history(seed * SEVERAL + n, has_rules=False))


@given(seeds)
def test_everybody_sees_what_rules_allow_and_hears_of_nothing_else(seed: int) -> None:
    for n in range(SEVERAL):
        play(*history(seed * SEVERAL + n, has_rules=True))
