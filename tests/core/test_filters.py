"""Filters: what they become holds for the items that a model says; what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import example, given, reject
from hypothesis import strategies as st

from sharedstate_core.errors import RequestError
from sharedstate_core.expressions.evaluator import Program
from sharedstate_core.expressions.parser import parse
from sharedstate_core.expressions.printer import key_of, text_of
from sharedstate_core.expressions.tree import Literal, size_and_depth
from sharedstate_core.filters.connectives import simplified
from sharedstate_core.filters.where import MAX_DEPTH, MAX_TERMS, MAX_VALUES, parse_where
from sharedstate_core.testing.filters import holds as model

from .expression_trees import SAMPLES
from .filter_samples import FILTERS, ITEMS, holds

if TYPE_CHECKING:
    from .expression_trees import Sample


@given(FILTERS, st.lists(ITEMS, min_size=1, max_size=5))
def test_a_filter_holds_for_the_items_of_the_model(where: Any, items: list[Any]) -> None:
    tree, opposite = parse_where(where, "where"), parse_where({"not": where}, "where")
    for item in items:
        assert holds(tree, item) is model(where, item), text_of(tree)
        assert holds(opposite, item) is not model(where, item), text_of(opposite)


@given(FILTERS)
def test_it_is_an_expression_that_can_be_written(where: Any) -> None:
    tree = parse_where(where, "where")
    assert parse(text_of(tree), names=["item"]) == tree


@given(SAMPLES)
def test_what_is_simplified_is_true_of_the_same(sample: Sample) -> None:
    simple = simplified(sample.tree)
    before = Program(sample.tree).evaluate(sample.values) is True
    assert (Program(simple).evaluate(sample.values) is True) is before
    assert simplified(simple) == simple


def shuffled(value: Any, data: st.DataObject) -> Any:
    """Return a filter that says the same, in another order, some of it twice."""
    if isinstance(value, dict):
        names = data.draw(st.permutations(list(value)))
        return {name: shuffled(value[name], data) for name in names}
    if isinstance(value, list):
        each = [shuffled(each, data) for each in data.draw(st.permutations(value))]
        return each + each[: data.draw(st.integers(0, 1))]
    return value


@given(FILTERS, st.data())
def test_what_says_the_same_has_the_same_key(where: Any, data: st.DataObject) -> None:
    try:
        again = parse_where(shuffled(where, data), "where")
    except RequestError:
        reject()  # too many, by repeating
    assert key_of(again) == key_of(parse_where(where, "where"))


@given(FILTERS, ITEMS)
def test_a_key_says_what_the_filter_says(where: Any, item: Any) -> None:
    tree = parse_where(where, "where")
    assert holds(parse(key_of(tree), names=["item"]), item) is holds(tree, item)


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ({}, "true"),
        ({"room": "r3"}, 'item.room == "r3"'),
        ({"room": {"ne": "r3"}}, '!has(item.room) || item.room != "r3"'),
        ({"not": {"room": "r3"}}, '!has(item.room) || item.room != "r3"'),
        ({"not": {"room": {"ne": "r3"}}}, 'item.room == "r3"'),
        ({"room": "r3", "n": {"gt": 1.0}}, 'item.room == "r3" && item.n > 1'),
        ({"or": [{"a": 1}, {"b": None}]}, "item.a == 1 || item.b == null"),
        ({"not": {"a": 1, "b": {"exists": False}}}, "!has(item.a) || item.a != 1 || has(item.b)"),
        ({"s": {"in": ["b", "a", "b"]}}, 'item.s in ["a", "b"]'),
        ({"s": {"in": ["a", "a"]}}, 'item.s == "a"'),
        ({"n": {"in": [2**53, 2.0**53]}}, "item.n == 9007199254740992.0"),
        ({"n": {"in": [2**53 + 1, 2**53 - 1.0]}}, "item.n in [9007199254740991, 9007199254740993]"),
        ({"s": {"in": []}}, "false"),
        ({"not": {"s": {"in": []}}}, "true"),
        ({"t": {"has": "x"}}, 'type(item.t) == list && "x" in item.t'),
        ({"/geo/lat": 5}, "item.geo.lat == 5"),
        ({"a b": {"exists": True}}, '"a b" in item'),
        ({"/a~1b": 1}, 'item["a/b"] == 1'),
        ({"t": {"prefix": "x"}}, 'item.t.startsWith("x")'),
        ({"a": {}}, "true"),
        ({"and": []}, "true"),
        ({"or": []}, "false"),
        ({"or": [{"or": [{"a": 1}]}, {"a": 1.0}]}, "item.a == 1"),
        ({"or": [{"a": 1, "b": 2}, {"b": 2, "a": 1}]}, "item.a == 1 && item.b == 2"),
        (
            {"/a/b": {"ne": 1}},
            "!has(item.a) || type(item.a) != map || !has(item.a.b) || item.a.b != 1",
        ),
        (
            {"not": {"n": {"lt": 1}}},
            "!has(item.n) || type(item.n) != double && type(item.n) != int || item.n >= 1",
        ),
    ],
)
def test_what_becomes_of_a_filter(where: object, text: str) -> None:
    assert text_of(parse_where(where, "where")) == text


# --- what is refused ---

JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=3)
            | st.sampled_from(["and", "or", "not", "in", "lt", "has", "eq", "/a", "exists", "a"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=20,
)


@given(JSON, JSON)
@example({"a": {"in": [float("nan")]}}, 0)
def test_nothing_else_is_raised(where: object, value: object) -> None:
    error = None
    try:
        tree = parse_where(where, "arg.where")
    except RequestError as refusal:
        error = refusal
    if error is not None:
        assert error.code in {"bad_message", "too_many"}
        assert error.message.encode().startswith(b"arg.where")
        return
    for item in (value, {"a": value}):
        assert holds(tree, item) in {True, False}
    key_of(tree)


def refused(where: object) -> tuple[str, str]:
    with pytest.raises(RequestError) as error:
        parse_where(where, "sub.where")
    return error.value.code, error.value.message


@pytest.mark.parametrize(
    "value",
    [
        2**1024,
        -(2**1024) + 1,
        float("inf"),
        float("nan"),
    ],
)
def test_numbers_that_no_double_can_be(value: float) -> None:
    problem = "expected a number of at most 1.7976931348623157e+308"
    assert refused({"a": {"gt": value}}) == ("bad_message", f"sub.where.a.gt: {problem}")
    assert refused({"a": {"in": [1, value]}}) == ("bad_message", f"sub.where.a.in[1]: {problem}")


def within(count: int, where: object) -> object:
    for _ in range(count):
        where = {"not": where}
    return where


def test_how_large_a_filter_may_be() -> None:
    def many(count: int) -> object:
        return {"or": [{"a": each} for each in range(count - 1)]}

    parse_where(many(MAX_TERMS), "where")
    problem = (
        f"a filter may have at most {MAX_TERMS} tests and connectives (one of /a/b counts twice)"
    )
    assert refused(many(MAX_TERMS + 1)) == ("too_many", f"sub.where: {problem}")
    assert refused({f"m{each}": {} for each in range(1_000)})[0] == "too_many"
    assert refused({"and": [{}] * (MAX_TERMS + 1)})[0] == "too_many"
    deep = [{"/a" * 8: {"exists": True, "ne": each}} for each in range(4)]
    assert refused({"and": deep}) == refused(many(MAX_TERMS + 1))
    parse_where({"and": deep[:3]}, "where")
    parse_where({"a": {"in": list(range(MAX_VALUES))}}, "where")
    assert refused({"a": {"in": [1] * 500}, "b": {"in": [1] * 501}}) == (
        "too_many",
        f"sub.where: a filter may have at most {MAX_VALUES} values in its lists",
    )


def test_how_deep_a_filter_may_be() -> None:
    tree = parse_where(within(MAX_DEPTH, {"a": 1}), "where")
    assert text_of(tree) == "item.a == 1"
    code, message = refused(within(MAX_DEPTH + 1, {"a": 1}))
    assert code == "bad_message"
    assert message.endswith("expected at most 16 of `and`, `or` and `not` within one another")
    assert refused(within(100_000, {}))[0] == "bad_message"
    assert refused({"/a" * 9: 1}) == (
        "bad_message",
        "sub.where['/a/a/a/a/a/a/a/a/a']: expected a pointer of at most 8 members",
    )
    widest = parse_where({"not": {"/a" * 8: {"in": [1, 2]}}}, "where")
    assert size_and_depth(widest)[0] < 150


def test_it_holds_for_everything_only_if_it_says_nothing() -> None:
    assert parse_where({}, "where") == Literal(True)
    assert parse_where({"not": {"or": [{}, {"a": 1}]}}, "where") == Literal(False)
