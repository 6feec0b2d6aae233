"""The newest items of a view, beside a list of all of them."""

from __future__ import annotations

from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from sharedstate_core.views import window
from sharedstate_core.views.window import Place, Window

steps = st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=20, max_size=60)


def opened(last: int, everything: list[Place]) -> Window:
    """A window on what is there, of which no more is known than there must be."""
    known = everything[-(last + window.SPARE) :]
    return Window(last, known, is_complete=len(known) == len(everything))


@given(st.integers(1, 3), st.sets(st.integers(0, 20)), steps)
def test_it_shows_the_newest(last: int, there: set[int], those: list[tuple[bool, int]]) -> None:
    """Unless it says that others, which it does not know, may have moved in."""
    with patch.object(window, "SPARE", 1):
        everything: list[Place] = [(n, 0, f"{n}") for n in sorted(there)]
        shown = opened(last, everything)
        for comes, n in those:
            place = (n, 0, f"{n}")
            shown.move(place[2], place if comes else None)
            if place in everything:
                everything.remove(place)
            if comes:
                everything = sorted([*everything, place])
            if shown.needs_more:
                shown = opened(last, everything)
            assert shown.shown == {id for _, _, id in everything[-last:]}
            assert shown.has_more or len(everything) <= last
