"""Laws of rules, for whatever rules: the order of entries, names that stand for expressions, what is not said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hypothesis import given
from hypothesis import strategies as st

from sharedstate_core import CollectionPath
from sharedstate_core.expressions.evaluator import Program
from sharedstate_core.expressions.parser import parse
from sharedstate_core.expressions.tree import Literal
from sharedstate_core.rules.faults import RulesError
from sharedstate_core.rules.keys import KEYS
from sharedstate_core.rules.patterns import Pattern
from sharedstate_core.rules.rules import Rules

if TYPE_CHECKING:
    from sharedstate_core.rules.entry import Denied
    from sharedstate_core.rules.grant import Write

SEGMENTS: Final = ("a", "ab", "abb", "b")
PATTERNS: Final = st.tuples(
    *[
        st.sampled_from(["a", "ab", "*", f"{{{name}}}", "a*", "*b", f"a{{{name}}}b"])
        for name in "xyz"
    ]
).map(lambda each: "/" + "/".join(each))
PATHS: Final = st.builds(CollectionPath, *[st.sampled_from(SEGMENTS)] * 3)
USERS: Final = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {"id": st.sampled_from(["ann", "bob"])},
        optional={
            "role": st.sampled_from(["admin", "x"]),
            "rooms": st.lists(st.sampled_from("ab")),
        },
    ),
)
ITEMS: Final = st.fixed_dictionaries(
    {"id": st.just("i")},
    optional={"by": st.sampled_from(["ann", "bob", None]), "n": st.integers(0, 3)},
)
RULES: Final = {
    "insert": (
        "user.id == new.by",
        "user != null && new.n > 1",
        "user.role == 'admin' || new.n == 1",
    ),
    "update": (
        "item.by == user.id && new.by == item.by",
        "new.n == item.n + 1",
        "now > 5.0 && item.n < 2",
    ),
    "remove": (
        "item.by == user.id || user.role == 'admin'",
        "!(item.n == 1)",
        "session == 's' && item.n",
    ),
}


def fits(pattern: str, path: CollectionPath) -> bool:
    """Return whether a pattern matches, in other words."""
    for one, segment in zip(pattern.strip("/").split("/"), path, strict=True):
        before, wild, after = one.replace("}", "{").partition("{")
        if wild:
            after = after.partition("{")[2]
        else:
            before, wild, after = one.partition("*")
        middle = segment.removeprefix(before).removesuffix(after)
        if segment != before + middle + after or bool(middle) is not bool(wild):
            return False
    return True


@given(st.lists(PATTERNS, max_size=5), PATHS)
def test_the_first_that_matches_decides(patterns: list[str], path: CollectionPath) -> None:
    found = Rules.parse([{"path": each} for each in patterns]).entry(path)
    first = next((each for each in patterns if fits(each, path)), None)
    assert (None if found is None else found.entry.pattern.text) == first


@given(PATTERNS, PATTERNS, PATHS)
def test_what_is_covered_is_matched(one: str, other: str, path: CollectionPath) -> None:
    if Pattern.parse(one).covers(Pattern.parse(other)) and fits(other, path):
        assert fits(one, path)


@given(PATTERNS, PATHS)
def test_a_path_is_made_of_its_variables(pattern: str, path: CollectionPath) -> None:
    values = Pattern.parse(pattern).match(path)
    if values is not None:
        filled = pattern
        for name, value in values.items():
            filled = filled.replace(f"{{{name}}}", value)
        assert fits(filled, path)


@given(st.data(), USERS, ITEMS, ITEMS, st.sampled_from([1.0, 9.0]))
def test_a_grant_says_what_the_rule_does(
    data: st.DataObject, user: Any, item: dict[str, Any], new: dict[str, Any], now: float
) -> None:
    some = {
        "insert": [*RULES["insert"], "true"],
        "update": [*RULES["update"], "true || item.n == 1"],
    }
    texts = {key: data.draw(st.sampled_from(some.get(key, RULES[key])), label=key) for key in RULES}
    given_keys = data.draw(st.sets(st.sampled_from(sorted(RULES))), label="given")
    entry = {key: text for key, text in texts.items() if key in given_keys}
    found = Rules.parse([{"path": "/*/*/*", **entry}]).entry(CollectionPath("a", "b", "c"))
    assert found is not None
    grant = found.for_user(user, "s")
    values = {"user": user, "item": item, "new": new, "now": now, "session": "s"}
    denied: dict[Write, Denied | None] = {
        "insert": grant.check_insert(new, now),
        "update": grant.check_update(item, new, now),
        "remove": grant.check_remove(item, now),
    }
    for name, why in denied.items():
        allowed = name in given_keys and Program(parse(texts[name])).evaluate(values) is True
        assert (why is None) is allowed, name
        if (always := grant.always(name)) is not None:
            assert always is allowed
    if denied["remove"] is None and not grant.depends_on_item(None, now):
        assert grant.check_remove({"id": "other", "n": 1}, now) is None
    if not grant.depends_on_item(new, now):
        assert denied["insert"] is denied["update"] is None
        assert grant.check_update({"id": "other", "n": 1}, new, now) is None


READS: Final = (
    "item.by == user.id",
    "item.n in [1, 2] || user.role == 'admin'",
    "user.id in item.by || item.n == size(user.rooms)",
    "item.id in user.rooms || user == null",
    "user != null && (user.role == 'admin' ? item.n > 1 : !(item.by == user.id))",
    "user == null || item.n",
)


@given(st.sampled_from(READS), USERS, ITEMS)
def test_what_may_be_read_is_what_the_rule_is_true_of(
    text: str, user: Any, item: dict[str, Any]
) -> None:
    found = Rules.parse([{"path": "/*/*/*", "read": text}]).entry(CollectionPath("a", "b", "c"))
    assert found is not None
    residual = found.readable(user)
    allowed = Program(parse(text)).evaluate({"user": user, "item": item}) is True
    assert (Program(residual).evaluate({"item": item}) is True) is allowed
    assert found.may_read(user) is (residual == Literal(True))


@given(
    st.sampled_from([text for each in RULES.values() for text in each]), st.booleans(), USERS, ITEMS
)
def test_names_stand_for_their_expressions(
    text: str, swap: bool, user: Any, item: dict[str, Any]
) -> None:
    """Also of one another, in any order."""
    lets = [("one", f"two && ({text})"), ("two", "three == three"), ("three", "user")]
    entry = {"path": "/*/*/*", "let": dict(lets[::-1] if swap else lets), "update": "one || false"}
    found = Rules.parse([entry]).entry(CollectionPath("a", "b", "c"))
    assert found is not None
    values = {"user": user, "item": item, "new": item, "now": 1.0, "session": "s"}
    allowed = Program(parse(text)).evaluate(values) is True
    assert (found.for_user(user, "s").check_update(item, item, 1.0) is None) is allowed


JSON: Final = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(0, 3), st.sampled_from(["true", "user", "(", "a"])
    ),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from([*KEYS, "a", ""]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.lists(st.dictionaries(st.sampled_from(KEYS), JSON) | JSON, max_size=3), PATTERNS)
def test_whatever_is_configured_is_read_or_refused(config: list[Any], pattern: str) -> None:
    entries = [{**each, "path": pattern} if isinstance(each, dict) else each for each in config]
    try:
        rules = Rules.parse(entries)
    except RulesError as error:
        told = error.faults
    else:
        told = tuple(rules.warnings())
    assert all(str(fault).startswith("rules") and "\n" not in str(fault) for fault in told)
