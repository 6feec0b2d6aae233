"""The keys by which an index finds expressions: whenever one is true of an item, one of its keys is found there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharedstate_core.expressions.parser import parse
from sharedstate_core.expressions.specialiser import specialise
from sharedstate_core.filters.index_keys import MAX_KEYS, keys_of, looked_up, values_at
from sharedstate_core.filters.where import parse_where

from .expression_trees import SAMPLES
from .filter_samples import FILTERS, ITEMS, holds

if TYPE_CHECKING:
    from sharedstate_core.expressions.tree import Node

    from .expression_trees import Sample

ANN: Final = {"id": "ann", "teams": ["red", "blue"], "rank": 3, "levels": {"a": 1, "b": 2}}
RULES: Final = (
    "item.room == user.id",
    "user.id == item.room || item['in']",
    "item.room in user.teams",
    "user.id in item.tags || item.n == user.rank",
    "user.id in [item.room, item.geo]",
    "item.geo in user.levels",
    "item.n == 1 ? item.room == 'a' : item['a b'] == 'b'",
    "!item.room && item.n != 2 || item.geo.lat == 1",
    "item.room == user.unknown || item.room == null",
    "item.n in [user.rank, 1, 1.5, null] && item.tags == []",
    "item.room == user.id && size(item.tags) == 1",
    "'geo' in item && (1 in item.tags || 'a' in item.geo)",
)


def is_found(tree: Node, item: Any) -> bool:
    """Return whether an index finds an expression when it is asked for an item."""
    keys = keys_of(tree)
    if keys is None:
        return True
    index = set(keys)
    places = {(key.kind, key.path) for key in keys}
    return any(
        (kind, path, value) in index
        for kind, path in places
        for value in values_at(item, kind, path)
    )


@given(FILTERS, ITEMS)
def test_a_filter_that_holds_is_found(where: Any, item: Any) -> None:
    tree = parse_where(where, "where")
    if holds(tree, item):
        assert is_found(tree, item)


@given(st.sampled_from(RULES), st.sampled_from([ANN, {"id": "a", "teams": ["a", 1], "rank": 1}]))
def test_the_rules_have_keys(rule: str, user: Any) -> None:
    assert keys_of(specialise(parse(rule), {"user": user})) is not None


@given(st.sampled_from(RULES), ITEMS, st.sampled_from(["ann", "a", "geo"]))
def test_a_rule_that_holds_is_found(rule: str, item: Any, id: str) -> None:
    user = {**ANN, "id": id, "teams": ["a", "b"], "rank": 1}
    tree = specialise(parse(rule), {"user": user})
    if holds(tree, item):
        assert is_found(tree, item)


@given(SAMPLES)
def test_whatever_expression_holds_is_found(sample: Sample) -> None:
    """The names of a sample become members of `item`."""
    text = sample.text.replace("some_", "item.some_")
    tree = parse(text)
    for residual in (tree, specialise(tree, {})):
        if holds(residual, sample.values):
            assert is_found(residual, sample.values)


def keys(text: str) -> list[str] | None:
    found = keys_of(parse(text))
    if found is None:
        return None
    return [f"{key.kind} {'.'.join(key.path)} {key.value!r}" for key in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("item.owner == 'ann'", ["equal owner 'ann'"]),
        ("'ann' == item.owner", ["equal owner 'ann'"]),
        ("item['a b'] == 1", ["equal a b 1"]),
        ("item.geo.lat == 5", ["equal geo.lat 5"]),
        ("item.status in ['a', 'b']", ["equal status 'a'", "equal status 'b'"]),
        ("'ann' in item.members", ["has members 'ann'"]),
        ("'ann' in [item.a, item.b]", ["equal a 'ann'", "equal b 'ann'"]),
        ("item.a in {'x': 1}", ["equal a 'x'"]),
        ("item.open", ["equal open True"]),
        ("!item.hidden", ["equal hidden False"]),
        ("item.a in ['x', 'y'] && item.b == 1 && size(item.c) > 1", ["equal b 1"]),
        ("item.open && item.a == 1", ["equal a 1"]),
        ("item.x == null && item.a in [1, 2]", ["equal a 1", "equal a 2"]),
        ("item.open && item.a > 1", ["equal open True"]),
        ("item.a == 1 || item.b == 2", ["equal a 1", "equal b 2"]),
        ("item.a == 1 || item.b > 2", None),
        ("item.a == 1 ? item.b == 2 : item.c == 3", ["equal a 1", "equal c 3"]),
        ("item.a != 1", None),
        ("item.a == item.b", None),
        ("item.a == [1]", None),
        ("item.a in item.b", None),
        ("item.list[0] == 1", None),
        ("'a' in item", None),
        ("item == 1", None),
        ("true", None),
        ("false", []),
        ("'text'", []),
        ("item.a in []", []),
        ("item.a == 1 && 1 == 2", []),
        ("1 in [1, item.a]", None),
        ("2 in [1, item.a]", ["equal a 2"]),
        ("null.error", []),
    ],
)
def test_the_keys_of_an_expression(text: str, expected: list[str] | None) -> None:
    assert keys(text) == expected


def test_how_many_keys_there_may_be() -> None:
    def found(count: int) -> int:
        return len(keys(f"item.a in {list(range(count))}") or ())

    assert found(MAX_KEYS) == MAX_KEYS
    assert found(MAX_KEYS + 1) == 0
    assert len(keys(f"item.a in {list(range(100))} && item.b == 1") or ()) == 1


@pytest.mark.parametrize(
    ("value", "equal", "has"),
    [
        (5, {5}, set()),
        (None, {None}, set()),
        ([1, "a", [2], {"x": 1}, "a"], set(), {1, "a"}),
        ({"x": 1}, set(), {"x"}),
    ],
)
def test_what_is_looked_up(value: object, equal: object, has: object) -> None:
    item = {"a": {"b": value}}
    assert set(values_at(item, "equal", ("a", "b"))) == equal
    assert set(values_at(item, "has", ("a", "b"))) == has
    for path in (("a", "c"), ("a", "b", "c", "d"), ("b",)):
        assert not values_at(item, "equal", path)
        assert not values_at(item, "has", path)


LARGE: Final = st.one_of(
    st.integers(2**53 - 3, 2**53 + 3),
    st.integers(-(2**53) - 3, -(2**53) + 3),
    st.integers(2**63, 2**64 + 3),
    st.integers(10**308, 10**310),
)


@given(LARGE, LARGE, st.booleans())
def test_equal_numbers_are_looked_up_as_one_however_large(
    one: int, other: int, exact: bool
) -> None:
    value = other if exact or abs(other) > 10**308 else float(other)
    tree = parse(f"item.a == {one} || {one} in item.b") if abs(one) < 2**63 else None
    if tree is not None:
        for item in ({"a": value}, {"b": [value]}):
            if holds(tree, item):
                assert is_found(tree, item)
    if one == value:
        assert looked_up(one) == looked_up(value)


def test_numbers_of_a_list_cannot_have_the_same_hash() -> None:
    """Those that have it as whole numbers take a time that grows with the square of their number."""
    numbers = [k * (2**61 - 1) for k in range(1, 20_000)]
    assert len({hash(number) for number in numbers}) == 1
    found = values_at({"a": numbers}, "has", ("a",))
    assert len({hash(number) for number in found}) > 19_000
