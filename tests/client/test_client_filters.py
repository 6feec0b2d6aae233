"""Filters as the client core takes them: what can be sent at all, and its one text."""

from __future__ import annotations

import json
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharedstate_core.client.canonical import canonical
from sharedstate_core.client.views import make_filter
from sharedstate_core.errors import RequestError


def test_equal_filters_are_equal_in_whatever_order_and_spelling() -> None:
    one = make_filter({"a": 1, "b": {"gt": 2, "in": [1.0]}}, 5, ["x"])
    assert one == make_filter(MappingProxyType({"b": {"in": (1,), "gt": 2.0}, "a": 1}), 5, ("x",))
    assert one != make_filter({"a": 1, "b": {"gt": 2, "in": [True]}}, 5, ["x"])


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"n": float("nan")}, "where.n: expected JSON, found a number that is too large, or none"),
        ({"n": 10**400}, "where.n: expected JSON, found a number that is too large, or none"),
        ({"n": {"in": [1, Decimal(1)]}}, "where.n.in[1]: expected JSON, found Decimal"),
        ({"n": {1: 2}}, "where.n: expected a str, found 1"),
        ({"n": "\ud800"}, "where.n: holds half of a surrogate pair, which is not Unicode"),
        ({"\ud800": 1}, "where: holds half of a surrogate pair, which is not Unicode"),
    ],
)
def test_what_is_not_json_is_refused(where: Any, message: str) -> None:
    with pytest.raises(RequestError) as error:
        make_filter(where)
    assert (error.value.code, error.value.message) == ("bad_message", message)


def test_what_holds_itself_is_refused() -> None:
    where: dict[str, Any] = {}
    where["not"] = where
    with pytest.raises(RequestError, match="nested too deep"):
        make_filter(where)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"where": '{"n": 1}'}, TypeError, "where: expected a mapping, found str"),
        ({"where": []}, TypeError, "where: expected a mapping, found list"),
        ({"last": "5"}, TypeError, "last: expected a whole number from 1, found str"),
        ({"last": True}, TypeError, "last: expected a whole number from 1, found True"),
        ({"last": 0}, ValueError, "last: expected a whole number from 1, found 0"),
        ({"fields": "a"}, TypeError, "fields: expected a list of names, found str"),
        ({"fields": [1]}, TypeError, r"fields\[0\]: expected a str, found 1"),
        ({"view": 1}, TypeError, "view: expected a str, found 1"),
    ],
)
def test_wrong_types(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make_filter(**arguments)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-1e15, 1e15) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(VALUES)
def test_the_text_says_the_same(value: Any) -> None:
    text = canonical("value", value)
    assert json.loads(text) == value
    assert canonical("value", json.loads(text)) == text
