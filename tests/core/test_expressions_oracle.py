"""What this subset of CEL comes to, beside what Google's implementation makes of the same text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sharedstate_core.expressions.evaluator import Program
from sharedstate_core.expressions.parser import parse
from sharedstate_core.expressions.places import ExpressionError, Failure

from .expression_trees import KINDS, SAMPLES

if TYPE_CHECKING:
    from .expression_trees import Sample

cel: Final[Any] = pytest.importorskip("cel_expr_python.cel")
ENVIRONMENT: Final = cel.NewEnv(variables={f"some_{kind}": cel.Type.DYN for kind in KINDS})
ERROR: Final = "an error"


def theirs(text: str, values: dict[str, Any]) -> Any:
    """Return the value that CEL has, or `ERROR`."""
    result = ENVIRONMENT.compile(text, disable_check=True).eval(data=values)
    return ERROR if result.type() == cel.Type.ERROR else result.plain_value()


def ours(text: str, values: dict[str, Any]) -> Any:
    value = Program(parse(text)).evaluate(values)
    return ERROR if isinstance(value, Failure) else value


def exact(value: Any) -> Any:
    """Return a value so that Python tells apart what CEL does."""
    if isinstance(value, list):
        return [exact(each) for each in value]
    if isinstance(value, dict):
        return {key: exact(each) for key, each in value.items()}
    if isinstance(value, float) and math.isnan(value):
        return "not a number"
    return (type(value).__name__, repr(value))


@settings(max_examples=settings().max_examples * 2)
@given(SAMPLES)
def test_both_have_the_same_value_or_an_error(sample: Sample) -> None:
    text = sample.text
    assert exact(ours(text, sample.values)) == exact(theirs(text, sample.values)), text


TOKENS: Final = (
    *("!", "-", "+", "%", "<", "==", "in", "&&", "||", "?", ":", "(", ")", "[", "]", "{", "}", ","),
    *(
        ".",
        ".a",
        " ",
        "0",
        "1",
        "2.5",
        "1e3",
        "'",
        '"',
        "'a'",
        "\\n",
        "null",
        "true",
        "a",
        "has(",
        "size(",
        "type(",
        "type(1) == int",
        " == string",
        "string",
    ),
)


@given(SAMPLES, st.integers(0, 1000), st.sampled_from(TOKENS), st.integers(0, 2))
def test_whatever_is_read_is_cel(sample: Sample, place: int, token: str, gone: int) -> None:
    """Something is put in somewhere: nearly always it is refused, or means something else."""
    place %= len(sample.text) + 1
    text = sample.text[:place] + token + sample.text[place + gone :]
    try:
        value = ours(text, sample.values)
    except ExpressionError:
        return
    assert exact(value) == exact(theirs(text, sample.values)), text
