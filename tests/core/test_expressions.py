"""Expressions: what they mean, what is refused and how it is said, and that nothing is unbounded."""

from __future__ import annotations

from typing import Any, Final

import pytest

from sharedstate_core.expressions.bounds import MAX_DEPTH, MAX_MADE, MAX_NODES, MAX_TEXT
from sharedstate_core.expressions.evaluator import Program
from sharedstate_core.expressions.explain import explain
from sharedstate_core.expressions.parser import parse
from sharedstate_core.expressions.places import ExpressionError, Failure
from sharedstate_core.expressions.printer import key_of, text_of
from sharedstate_core.expressions.tree import Literal, names_of

VALUES: Final[dict[str, Any]] = {
    "item": {"id": "i1", "by": "ann", "n": 7, "x": 1.5, "tags": ["red", 1, None], "in": {"a": {}}},
    "user": {"id": "ann", "rooms": ["r1", "r2"]},
    "nobody": None,
    "large": 2**70,
}


def evaluate(text: str, **values: Any) -> Any:
    """Return the value of a text; the reason, if there is none."""
    value = Program(parse(text)).evaluate({**VALUES, **values})
    return f"! {value}" if isinstance(value, Failure) else value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("item.by == user.id && item.n > 5", True),
        ("item['by']", "ann"),
        ("item.tags[1.0]", 1),
        ("has(item.by) && !has(item.gone)", True),
        ("size(item.tags) + size('é😀') + size({'a': 1})", 6),
        ("'ann'.startsWith('a') && 'ann'.endsWith('nn') && 'ann'.contains('')", True),
        ("'r1' in user.rooms && 'by' in item && !(1 in item)", True),
        ("1 == 1.0 && [1, {'a': 2}] == [1.0, {'a': 2.0}]", True),
        (
            "1 == true || 'a' == 1 || null == false || [1] == [true] || {'a': 1} == {'a': true}",
            False,
        ),
        ("1 in [true] || true in [1, 1.0] || [1] in [[true]]", False),
        ("true in [1, true] && 1.0 in [true, 1]", True),
        ("-7 / 2 * 100 + -7 % 2", -301),
        ("7 % -2 - 10 - 3", -12),
        ("2 + 3 * 4 == 14 ? 'yes' : 'no'", "yes"),
        ("1.0 / 0.0 > 1e300 && 0.0 / 0.0 != 0.0 / 0.0", True),
        ("1 < 1.5 && 'a' < 'b' && false < true && '😀' > '\\uffff'", True),
        ("9007199254740993 == 9007199254740992.0", False),
        ("large == 1180591620717411303424.0 && large > item.n", True),
        ("'\\u00e9\\U0001f600\\t\\'\\\"\\\\' + \"'\"", "é😀\t'\"\\'"),
        ("[1] + [2.0, 'x']", [1, 2.0, "x"]),
        ("true || nobody.id", True),
        ("nobody.id || true", True),
        ("nobody.id && false", False),
        ("1 || true", True),
        ("-9223372036854775808", -(2**63)),
        ("1 == 1 == true", True),
        ("type(item.by) == string && type(item.n) == int && type(item.tags) == list", True),
        ("type(1.0) == double && type(1 == 1) == bool && type(item) == map", True),
        ("type(nobody) == null_type && type(nobody) != map", True),
        ("type(1) == double || type(1.0) == int || type(true) == int || type({}) == list", False),
        ("type(item.by) == string == true", True),
        ("(type(item.by)) != string ? 1 : 2", 2),
    ],
)
def test_a_text_has_a_value(text: str, value: Any) -> None:
    found = evaluate(text)
    assert found == value
    assert found.__class__ is value.__class__


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("item.gone", "! column 1: item.gone: there is no such member"),
        ("nobody.id == 'ann'", "! column 1: nobody.id: a member of null"),
        ("has(item.n.x)", "! column 1: has(item.n.x): a member of an int"),
        ("  item.n + 1.5", "`+` is not defined for an int and a double; write 1.0, not 1"),
        ("item.n < item.by", "`<` does not compare an int and a string"),
        ("item.n && true", "! column 1: item.n: expected true or false, found an int"),
        ("true && nobody.id", "column 9: nobody.id: a member of null"),
        ("!1", "expected true or false, found an int"),
        ("-'a'", "`-` is not defined for a string"),
        ("1 / 0", "division by zero"),
        ("1 % 0", "division by zero"),
        ("9223372036854775807 + 1", "more than 64 bits"),
        ("-(-9223372036854775808)", "more than 64 bits"),
        ("-9223372036854775808 % -1", "more than 64 bits"),
        ("large - large", "more than 64 bits"),
        ("1.5 % 1.0", "`%` is not defined for a double and a double"),
        ("item.tags[3]", "there are 3 items"),
        ("item.tags[-1]", "there are 3 items"),
        ("item.tags['0']", "the place in a list is an int, found a string"),
        ("item[0]", "a map has nothing at an int"),
        ("'abc'[0]", "a string has nothing at an int"),
        ("1 in 'abc'", "`in` takes a list, or a string and a map; found an int in a string"),
        ("size(1)", "an int has no size"),
        ("'a'.startsWith(1)", "startsWith is for two strings, found a string and an int"),
        ("item.n ? 1 : 2", "expected true or false, found an int"),
        ("[item.gone]", "there is no such member"),
        ("type(item.gone) == string", "column 6: item.gone: there is no such member"),
        ("unknown", "unknown: it has no value"),
        ("unknown.x", "unknown: it has no value"),
    ],
)
def test_an_error_value_says_where_and_why(text: str, reason: str) -> None:
    assert reason in evaluate(text)
    assert evaluate(f"({text}) == 1 || true") is True


def test_only_true_and_false_decide() -> None:
    decided = Program(parse("item.n")).decide(VALUES)
    assert isinstance(decided, Failure)
    assert decided.reason == "expected true or false, found an int"
    assert Program(parse("item.n == 7")).decide(VALUES) is True
    assert isinstance(Program(parse("item.gone")).decide(VALUES), Failure)


@pytest.mark.parametrize(
    ("text", "problem", "carets"),
    [
        ("", "column 1: expected an expression, found the end", "^"),
        ("item.by = 1", "column 9: a single =; write == to compare", "        ^"),
        ("a & b", "column 3: a single &; write && for and", "  ^"),
        ("a or b", "column 3: expected an operator or the end, found `or`", "  ^^"),
        ("'abc", "column 1: a string that does not end", "^"),
        (
            "a == 'x' 'yz'",
            "column 10: expected an operator or the end, found the string 'yz'",
            None,
        ),
        ("'a\\q'", "column 3: unknown escape \\q", "  ^^"),
        ("'\\ud83d'", "column 2: unknown escape \\ud83d", " ^^^^^^"),
        ("a @ b", "column 3: unexpected '@'", "  ^"),
        ("(a", "column 3: expected `)`, found the end", "  ^"),
        ("[1, ]", "column 5: expected an expression, found `]`", "    ^"),
        ("[1 2]", "column 4: expected `,` or `]`, found `2`", None),
        ("{1: 2}", "column 2: expected a string as the name of a member, found `1`", None),
        ("{'a': 1, 'a': 2}", "column 10: this member is there already", None),
        ("a ? b", "column 6: expected `:` of `?`, found the end", None),
        ("a ? b ? 1 : 2 : 3", "column 7: expected `:` of `?`, found `?`", None),
        ("a.true", "column 3: expected the name of a member, found `true`", "  ^^^^"),
        ("a.1", "column 3: expected the name of a member, found `1`", None),
        ("!!a", "column 2: write !(!...)", " ^"),
        ("- -1", "column 3: write -(-...)", None),
        ("has(a)", "column 5: has takes a member, such as has(item.owner)", "    ^"),
        ("has(a.b, c)", "column 8: expected `)`, found `,`", None),
        ("len(a)", "column 1: unknown function; there are has, size and type", "^^^"),
        ("type(a)", "column 1: compare it with a type, as in type(new.text) == string", "^" * 7),
        ("!type(a) == 1", "column 2: compare it with a type", None),
        ("a == type(a) == 1", "column 6: compare it with a type", None),
        ("type(a) < int", "column 11: `int` is a type; it stands behind type(x) ==", None),
        ("string == type(a)", "column 1: `string` is a type", None),
        ("type(a) == 'string'", "column 12: unknown type; there are null_type, bool, int", None),
        ("type(a) == text", "column 12: unknown type; there are null_type", "           ^^^^"),
        ("type(a) == ", "column 12: unknown type; there are null_type", None),
        ("type(a) == int + 1", "column 16: expected a logical operator or the end", None),
        ("type(a) == string.a", "column 18: expected a logical operator or the end", None),
        ("a.size()", "column 3: unknown method; there are contains, endsWith, startsWith", None),
        ("a.exists(x, true)", "column 3: unknown method", "  ^^^^^^"),
        ("package == 1", "column 1: `package` is a reserved word", "^^^^^^^"),
        ("9223372036854775808", "column 1: a whole number of more than 64 bits", "^" * 19),
        ("-9223372036854775809", "column 1: a whole number of more than 64 bits", "^" * 20),
        ("1" * 400, "column 1: a whole number of more than 64 bits", None),
        ("1e999", "column 1: a number that is too large", "^^^^^"),
        ("007", "column 1: a number does not begin with 0", "^^^"),
        ("a\n  == = b", "line 2, column 6: a single =; write == to compare", "     ^"),
    ],
)
def test_what_is_refused_is_said_in_words(text: str, problem: str, carets: str | None) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text, name="rule")
    assert str(caught.value).startswith(problem)
    line, pointer = caught.value.pointed.split("\n")
    assert len(line) <= 130
    assert pointer.strip("^ ") == ""
    if carets is not None:
        assert pointer == carets


def test_a_long_line_is_cut_around_the_place() -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(f"{'a + ' * 100}= b + {'c + ' * 50} d")
    assert caught.value.place.column == 401
    line, pointer = caught.value.pointed.split("\n")
    assert line[pointer.index("^")] == "="
    assert len(line) <= 120


def test_only_some_names_are_known() -> None:
    names = ("item", "user")
    assert names_of(parse("item.new == user.now", names=names)) == {"item", "user"}
    with pytest.raises(
        ExpressionError, match="column 12: unknown name `new`; known here: item, user"
    ):
        parse("item.new + new", names=names)


def test_a_value_may_have_the_name_of_a_type() -> None:
    """A variable of a path, say: which of the two is meant would not be clear."""
    assert evaluate("item.n == 7") is True
    assert names_of(parse("list in user.lists", names=("list", "user"))) == {"list", "user"}
    with pytest.raises(ExpressionError, match="column 15: `list` is a value here, not the type"):
        parse("type(user) == list", names=("list", "user"))
    assert names_of(parse("type(user) == map", names=("list", "user"))) == {"user"}


# --- bounds ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (" " * MAX_TEXT + "1", f"longer than {MAX_TEXT} characters"),
        ("(" * (MAX_DEPTH + 1) + "1" + ")" * (MAX_DEPTH + 1), "nested too deep"),
        ("[" * 2000, "nested too deep"),
        ("a ? b : " * 100 + "c", "nested too deep"),
        ("a" + ".a" * MAX_DEPTH, "nested too deep"),
        ("1" + " + 1" * MAX_DEPTH, "nested too deep"),
        ("!(" * 2000, "nested too deep"),
        ("[" + "1," * (MAX_NODES - 1) + "1]", f"more than {MAX_NODES} parts"),
    ],
)
def test_a_text_is_bounded(text: str, problem: str) -> None:
    with pytest.raises(ExpressionError, match=problem):
        parse(text)


def test_what_is_as_large_as_may_be_is_evaluated() -> None:
    deep = "a || b && c == d + e * " * 7 + "(" * 20 + "1" + ")" * 20
    wide = " || ".join(["item.gone"] * 300) + " || true"
    for text in (deep, wide, "-(" * 59 + "1" + ")" * 59):
        tree = parse(text)
        assert parse(text_of(tree)) == tree
    assert evaluate(wide) is True


def test_what_plus_makes_is_bounded() -> None:
    doubled = "((((s + s) + (s + s)) + ((s + s) + (s + s))))"
    assert "longer than" in evaluate(doubled, s="x" * (MAX_MADE // 4))
    assert "longer than" in evaluate(doubled, s=[1] * (MAX_MADE // 4))
    assert len(evaluate(doubled, s="x" * (MAX_MADE // 8))) == MAX_MADE


def test_what_is_compared_is_bounded() -> None:
    assert evaluate("a == b", a=[1] * 100_000, b=[2] * 100_000) is False
    assert "too large to compare" in evaluate("a == b", a=[1] * 100_000, b=[1.0] * 100_000)
    assert "too large to compare" in evaluate("[1] in a", a=[[True]] * 100_000)
    assert evaluate("'x' in a", a=["y"] * 100_000 + ["x"]) is True
    assert evaluate("1 in a", a=[True] * 100_000) is False
    assert evaluate("1 in a", a=[True] * 100_000 + [1.0]) is True


def test_values_that_nest_without_end_are_an_error() -> None:
    def nested() -> list[Any]:
        deep: list[Any] = []
        for _ in range(100_000):
            deep = [deep]
        return deep

    assert (
        evaluate("a == b", a=nested(), b=nested())
        == "! column 1: a == b: a value is nested too deep"
    )


# --- printing and explaining ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("(a&&b)&&(c||(d||e))", "a && b && (c || d || e)"),
        ("((a.b))['c'][ 0 ]", 'a.b["c"][0]'),
        ("a-(b-c)-d", "a - (b - c) - d"),
        ("!(a==b)", "!(a == b)"),
        ("-(1) + -1 - -a", "-(1) + -1 - -a"),
        ("(a?b:c)?d:(e?f:g)", "(a ? b : c) ? d : e ? f : g"),
        ("has(a.b) in [size(c), {'x':1.0}]", 'has(a.b) in [size(c), {"x": 1.0}]'),
        ("'\\n\\u0000\\'' .contains( a )", '"\\n\\u0000\'".contains(a)'),
        ("1e300 == 1.0 && 100 == -0.0", "1e+300 == 1.0 && 100 == -0.0"),
    ],
)
def test_a_tree_has_one_text(text: str, printed: str) -> None:
    tree = parse(text)
    assert text_of(tree) == printed
    assert parse(printed) == tree


def test_a_key_does_not_depend_on_order() -> None:
    assert key_of(parse("a && (b || c) && b")) == key_of(parse("b && a && (c || b || c)"))
    assert key_of(parse("a && a")) == "a && a"  # which fails if it is not a bool
    assert key_of(parse("a + b")) != key_of(parse("b + a"))


def test_literals_of_different_types_are_different() -> None:
    values = (0, 0.0, -0.0, False, None, "", 1, 1.0, True)
    assert len({Literal(value) for value in values}) == len(values)
    assert Literal(1) != Literal(True)


def test_each_part_is_explained() -> None:
    tree = parse(
        "item.gone || item.by == user.id && (item.n > 9 ? nobody.x : item.tags[0] == 'red')"
    )
    steps = [(each.depth, each.node.at.text, str(each.value)) for each in explain(tree, VALUES)]
    missing = "column 1: item.gone: there is no such member"
    assert steps[0][0::2] == (0, "True")
    assert steps[1] == (1, "item.gone", missing)
    assert [each[:2] for each in steps[3:5]] == [
        (1, steps[3][1]),
        (2, "item.by == user.id"),
    ]
    values = {text: value for _, text, value in steps}
    assert values["item.by"] == values["user.id"] == "ann"
    assert values["item.n > 9"] == "False"
    assert "nobody.x" not in values
    assert values["item.tags[0] == 'red'"] == "True"
    assert "'red'" not in values
