"""Laws of expressions, for whatever expression: printing and parsing, evaluating what is left of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharedstate_core.expressions.bounds import MAX_QUOTED
from sharedstate_core.expressions.evaluator import Program
from sharedstate_core.expressions.explain import explain
from sharedstate_core.expressions.parser import parse
from sharedstate_core.expressions.places import ExpressionError, Failure
from sharedstate_core.expressions.printer import key_of, text_of
from sharedstate_core.expressions.specialiser import can_hold, is_boolean, specialise
from sharedstate_core.expressions.tree import Literal, Node, nodes_of

from .expression_trees import SAMPLES

if TYPE_CHECKING:
    from .expression_trees import Sample


def value_of(tree: Node, values: dict[str, Any]) -> str:
    """Return the value as a text that is the same for what is the same; an error is an error."""
    value = Program(tree).evaluate(values)
    return "error" if isinstance(value, Failure) else repr(value)


@given(SAMPLES)
def test_what_is_printed_is_read_again(sample: Sample) -> None:
    assert parse(sample.text) == sample.tree
    assert text_of(parse(sample.text)) == sample.text


@given(SAMPLES)
def test_what_is_left_has_the_same_value(sample: Sample) -> None:
    known = {name: sample.values[name] for name in sample.known}
    rest = {name: value for name, value in sample.values.items() if name not in known}
    residual = specialise(sample.tree, known)
    assert value_of(residual, rest) == value_of(sample.tree, sample.values), text_of(residual)
    assert parse(text_of(residual)) == residual
    assert specialise(residual, {}) == residual, "nothing more can be done"
    assert value_of(parse(key_of(residual)), rest) == value_of(residual, rest)


@given(SAMPLES)
def test_nothing_is_left_of_what_is_known_altogether(sample: Sample) -> None:
    residual = specialise(sample.tree, sample.values)
    value = Program(sample.tree).evaluate(sample.values)
    if isinstance(value, Failure):
        assert text_of(residual) == "null.error"
        assert residual.at.reason is not None
    elif isinstance(value, str | int | bool) or value is None:
        assert residual == Literal(value)


@given(SAMPLES)
def test_what_cannot_hold_does_not(sample: Sample) -> None:
    known = {name: sample.values[name] for name in sample.known}
    if Program(sample.tree).decide(sample.values) is True:
        assert can_hold(specialise(sample.tree, known))


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("item.by == user.name", False),
        ("item.by == user.id", True),
        ("item.x == 1 && item.by == user.name", False),
        ("item.x == 1 || item.by == user.name", True),
        ("user.id == 'bob' || item.by == user.name", False),
        ("user.id == 'ann'", True),
    ],
)
def test_what_cannot_hold(text: str, holds: bool) -> None:
    assert can_hold(specialise(parse(text), {"user": {"id": "ann"}})) is holds


@given(SAMPLES)
def test_a_boolean_is_one(sample: Sample) -> None:
    for node in nodes_of(sample.tree):
        if is_boolean(node):
            value = Program(node).evaluate(sample.values)
            assert isinstance(value, bool | Failure)


@given(SAMPLES)
def test_the_first_step_of_an_explanation_is_the_whole(sample: Sample) -> None:
    first = next(explain(sample.tree, sample.values))
    assert (first.depth, first.node) == (0, sample.tree)
    assert repr(first.value) == repr(Program(sample.tree).evaluate(sample.values))


@given(st.text("ab.1'\"()[]{}<>=!&|?:,-+*/%\\ \n\t intrue", max_size=40))
def test_whatever_is_written_is_read_or_refused(text: str) -> None:
    refused: ExpressionError | None = None
    try:
        tree = parse(text)
    except ExpressionError as error:
        refused = error
    if refused is None:
        assert parse(text_of(tree)) == tree
    else:
        assert refused.pointed
        assert 0 <= refused.place.start <= refused.place.end <= len(text)


@pytest.mark.parametrize(
    ("text", "residual"),
    [
        ("user != null && item.room in user.rooms", 'item.room in ["r1", "r2"]'),
        ("item.by == user.id", 'item.by == "ann"'),
        ("user.id == item.by", 'item.by == "ann"'),
        ("3 > item.n", "item.n < 3"),
        ("item.room in [user.id]", 'item.room == "ann"'),
        ("user.id == 'ann'", "true"),
        ("user.role == 'admin' || item.by == user.id", 'item.by == "ann" || null.error'),
        ("user.role == 'admin' && item.by == user.id", 'item.by == "ann" && null.error'),
        ("user.role == 'admin'", "null.error"),
        ("item.x == user.role", "null.error"),
        ("user.id == 'bob' && item.x", "false"),
        ("user.id == 'ann' && item.x", "true && item.x"),
        ("user.id == 'ann' && item.x && item.y", "item.x && item.y"),
        ("item.x && user.id", "item.x && null.error"),
        ("item.x == 1 && (user.id == 'ann' && item.x == 1)", "item.x == 1"),
        ("has(user.role) ? item.x : item.y", "item.y"),
        ("!(!(item.x == 1))", "item.x == 1"),
        ("!(!item.x)", "!(!item.x)"),
        ("item.x + 1.0 / 0.0", "item.x + 1.0 / 0.0"),
        ("item == {'a': user.rooms}", 'item == {"a": ["r1", "r2"]}'),
    ],
)
def test_what_is_left(text: str, residual: str) -> None:
    known = {"user": {"id": "ann", "rooms": ["r1", "r2"]}}
    assert text_of(specialise(parse(text), known)) == residual


def test_what_is_left_says_why_it_fails() -> None:
    residual = specialise(parse("item.x == 1 || user.role == 'admin'"), {"user": {"id": "ann"}})
    failure = Program(residual).evaluate({"item": {"x": 2}})
    assert isinstance(failure, Failure)
    assert str(failure) == "column 16: user.role: there is no such member"


@pytest.mark.parametrize("value", [["x"] * MAX_QUOTED, {"x": object()}])
def test_what_cannot_become_part_of_an_expression_fails(value: Any) -> None:
    residual = specialise(parse("item.x in user"), {"user": value})
    assert text_of(residual) == "null.error"
    failure = Program(residual).evaluate({"item": {"x": 1}})
    assert isinstance(failure, Failure)
    assert failure.place.text == "user"


def test_all_that_is_known_in_a_tree_is_bounded() -> None:
    tree = parse(" || ".join(f"item.x{n} in user" for n in range(20)))
    residual = specialise(tree, {"user": ["x"] * (MAX_QUOTED // 3)})
    assert len(nodes_of(residual)) < 2 * MAX_QUOTED
    assert "null.error" in text_of(residual)
