"""Random filters, and items for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hypothesis import strategies as st

from sharedstate_core.expressions.evaluator import Program

if TYPE_CHECKING:
    from sharedstate_core.expressions.tree import Node

# --- filters and items that often have to do with one another ---

MEMBERS: Final = ("room", "n", "tags", "geo", "a b", "in", "and", "/x", "")
POINTERS: Final = ("/room", "/geo/lat", "/geo/a b/c", "/and", "/~1x", "/tags/0", "/", "/geo/~0")
NUMBERS: Final = (0, 1, 2, -1, 1.0, 0.0, -0.0, 1.5, 2**53, 2.0**53, 2**53 + 1, 2**64, 1e300)
STRINGS: Final = ("", "a", "b", "ab", "é", "\uffff", "😀", "geo", 'q"\\\n')
SCALARS: Final = st.sampled_from([None, False, True, *NUMBERS, *STRINGS])
ORDERED: Final = st.sampled_from([*NUMBERS, *STRINGS])
TESTS: Final = st.one_of(
    SCALARS,
    st.fixed_dictionaries(
        {},
        optional={
            "eq": SCALARS,
            "ne": SCALARS,
            "lt": ORDERED,
            "lte": ORDERED,
            "gt": ORDERED,
            "gte": ORDERED,
            "in": st.lists(SCALARS, max_size=4),
            "has": SCALARS,
            "prefix": st.sampled_from(["", "a", "ab", "😀"]),
            "exists": st.booleans(),
        },
    ).map(lambda tests: dict(list(tests.items())[:2])),
)
NAMES: Final = st.sampled_from([name for name in MEMBERS if name not in {"and", "/x"}])
FILTERS: Final = st.recursive(
    st.dictionaries(NAMES | st.sampled_from(POINTERS), TESTS, max_size=2),
    lambda inner: st.one_of(
        st.builds(lambda each: {"not": each}, inner),
        st.builds(lambda each: {"or": each}, st.lists(inner, max_size=3)),
        st.builds(lambda each: {"and": each}, st.lists(inner, max_size=3)),
        st.builds(
            lambda one, each, test: {"room": test, "not": one, "or": each},
            inner,
            st.lists(inner, max_size=2),
            TESTS,
        ),
    ),
    max_leaves=8,
)
VALUES: Final = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["lat", "a b", "c", "0", "~", "a", "geo"]), inner, max_size=2
        )
    ),
    max_leaves=5,
)
ITEMS: Final = st.dictionaries(st.sampled_from(MEMBERS), VALUES, max_size=5)


def holds(tree: Node, item: object) -> bool:
    """Return whether an expression is true of an item."""
    return Program(tree).evaluate({"item": item}) is True
