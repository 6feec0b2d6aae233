"""Mistakes in rules, all told at once and with their places, and what is probably not meant."""

from __future__ import annotations

from typing import Any, Final

import pytest

from sharedstate_core.expressions.bounds import MAX_NODES
from sharedstate_core.rules.faults import RulesError
from sharedstate_core.rules.reading import MAX_ENTRIES, MAX_NAMES
from sharedstate_core.rules.rules import Rules


def faults(*entries: Any) -> list[str]:
    """Return what is wrong with rules, without the place of the list."""
    with pytest.raises(RulesError) as caught:
        Rules.parse(list(entries))
    assert isinstance(caught.value, ValueError)
    assert str(caught.value).split("\n") == [str(fault) for fault in caught.value.faults]
    return [str(fault).removeprefix("rules") for fault in caught.value.faults]


# --- mistakes -------------------------------------------------------------------------------------

ANY: Final = "/*/*/{c}"


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (None, "[0]: expected an object, found null"),
        ([], "[0]: expected an object, found a list"),
        ({}, "[0].path: is missing"),
        ({"path": 1}, "[0].path: expected a text, found a number"),
        (
            {"path": "/a/b"},
            "[0].path: expected /app/service/collection, three segments, found '/a/b'",
        ),
        ({"path": "a/b/c"}, "[0].path: expected /app/service/collection, three segments"),
        ({"path": "/a/b/../c"}, "[0].path: path '/a/b/../c': a segment may not be '..'"),
        ({"path": "/a/b/{x}{y}"}, "[0].path: a segment has at most one * or {name}"),
        ({"path": "/a/b/{x-y}"}, "[0].path: a segment has at most one * or {name}"),
        ({"path": "/{x}/b/{x}"}, "[0].path: a variable stands twice in '/{x}/b/{x}'"),
        ({"path": "/a/b/{user}"}, "[0].path: `user` has a value already"),
        ({"path": "/a/b/{true}"}, "[0].path: 'true' cannot be the name of a value"),
        ({"path": ANY, "wirte": True}, "[0].wirte: unknown key; there are path, let, read, write"),
        (
            {"path": ANY, "read": 1},
            "[0].read: expected an expression, true or false, found a number",
        ),
        (
            {"path": ANY, "read": None},
            "[0].read: expected an expression, true or false, found null",
        ),
        ({"path": ANY, "read": "c ="}, "[0].read: column 3: a single =; write == to compare"),
        ({"path": ANY, "write": "c ="}, "[0].write: column 3: a single =; write == to compare"),
        (
            {"path": ANY, "read": "d"},
            "[0].read: column 1: unknown name `d`; known here: c, item, new",
        ),
        (
            {"path": ANY, "read": "true || new.x == 1"},
            "[0].read: column 9: what may be read is what is stored: `item`",
        ),
        (
            {"path": ANY, "read": "now > 1.0"},
            "[0].read: column 1: what may be read cannot depend on",
        ),
        (
            {"path": ANY, "read": "session == c"},
            "[0].read: column 1: what may be read cannot depend on the session",
        ),
        (
            {"path": ANY, "insert": "item.x"},
            "[0].insert: column 1: before an insert there is no `item`",
        ),
        (
            {"path": ANY, "write": "item.x"},
            "[0].write: column 1: before an insert there is no `item`",
        ),
        (
            {"path": ANY, "remove": "new.x"},
            "[0].remove: column 1: after a removal there is no `new`",
        ),
        (
            {"path": ANY, "write": True, "insert": True, "update": True, "remove": True},
            "[0].write: insert, update and remove are given, all three",
        ),
        (
            {"path": "/a/b/c", "list": True},
            "[0].list: it is about all names, so the path must end in /*",
        ),
        (
            {"path": "/a/b/x-*", "list": True},
            "[0].list: it is about all names, so the path must end",
        ),
        (
            {"path": ANY, "list": "item.x"},
            "[0].list: column 1: names are listed whatever the items are",
        ),
        (
            {"path": ANY, "admin": "item.x"},
            "[0].admin: column 1: who is an admin cannot depend on items",
        ),
        ({"path": ANY, "list": "c == 'x'"}, "[0].list: column 1: `c` is not known in `list`"),
        ({"path": ANY, "let": []}, "[0].let: expected an object, found a list"),
        ({"path": ANY, "let": {"c": "1"}}, "[0].let.c: `c` has a value already"),
        ({"path": ANY, "let": {"a b": "1"}}, "[0].let.a b: 'a b' cannot be the name of a value"),
        ({"path": ANY, "let": {"a": "a || true"}}, "[0].let.a: it stands for itself: a, a"),
        (
            {"path": ANY, "let": {"a": "b", "b": "d", "d": "a"}, "read": "a"},
            "[0].let.a: it stands for itself: a, b, d, a",
        ),
        ({"path": ANY, "let": {"a": "zz"}, "read": "a"}, "[0].let.a: column 1: unknown name `zz`"),
        (
            {"path": ANY, "let": {"a": "1 == item.x"}, "insert": "true && a"},
            "[0].insert: column 6 of rules[0].let.a: before an insert there is no `item`",
        ),
        ({"path": ANY, "stamp": "now"}, "[0].stamp: expected an object, found a text"),
        ({"path": ANY, "stamp": {"at": True}}, "[0].stamp.at: expected a text, found a boolean"),
        ({"path": ANY, "stamp": {"id": "session"}}, "[0].stamp.id: an id is the client's"),
        (
            {"path": ANY, "stamp": {"by": "new.by"}},
            "[0].stamp.by: column 1: a stamp cannot depend on",
        ),
        (
            {"path": ANY, "stamp": {"insrt": {}}},
            "[0].stamp.insrt: expected a text, found an object",
        ),
        (
            {"path": ANY, "stamp": {"insert": {}, "by": "now"}},
            "[0].stamp.insert: expected a text, found an object",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(entry: Any, problem: str) -> None:
    (found,) = faults(entry)
    assert found.startswith(problem)
    assert "\n" not in found


def test_all_mistakes_are_told_at_once() -> None:
    assert len(faults({"path": "/a/b/c", "read": "x y", "update": "(", "lst": 1}, 3, {})) == 5
    with pytest.raises(RulesError, match=r"^here: expected a list, found an object$"):
        Rules.parse({}, "here")
    with pytest.raises(RulesError) as caught:
        Rules.parse([{"path": "/a/b/c", "read": "user.id = 1"}])
    assert caught.value.faults[0].pointed == "user.id = 1\n        ^"


def test_rules_are_bounded() -> None:
    assert faults(*[{"path": "/a/b/c"}] * (MAX_ENTRIES + 1)) == [
        f": more than {MAX_ENTRIES} entries"
    ]
    many = {f"n{n}": "true" for n in range(MAX_NAMES + 1)}
    assert faults({"path": ANY, "let": many}) == [f"[0].let: more than {MAX_NAMES} names"]
    assert faults({"path": ANY, "stamp": {"insert": many}}) == [
        f"[0].stamp.insert: more than {MAX_NAMES} names"
    ]


def test_names_that_stand_for_names_do_not_grow_without_end() -> None:
    doubling = {"n0": "user != null", **{f"n{n}": f"n{n - 1} == n{n - 1}" for n in range(1, 50)}}
    (found,) = faults({"path": ANY, "let": doubling, "read": "n49"})
    assert f"more than {MAX_NODES} parts, together with what its names stand for" in found
    chain = {"n0": "user != null", **{f"n{n}": f"!n{n - 1}" for n in range(1, 100)}}
    (found,) = faults({"path": ANY, "let": chain, "read": "n99"})
    assert "nested too deep, together with what its names stand for" in found


# --- what is probably not meant -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "hint"),
    [
        (
            {"update": "item.by == user.id"},
            "update: people can give items away: it asks for item.by",
        ),
        ({"update": "user.id in item.owners"}, "update: people can give items away"),
        (
            {"let": {"mine": "user.id == item.by"}, "update": "mine"},
            "update: people can give items",
        ),
        ({"write": "item.by == user.id", "insert": False}, "write: people can give items away"),
        (
            {"update": "item.by == user.id && new.by == item.by", "insert": "user != null"},
            "insert: people can insert items in the name of others: it does not ask for new.by",
        ),
        ({"let": {"x": "true"}}, "let.x: nothing looks at it"),
        ({"read": "1 == 2"}, "read: it is never true"),
        ({"write": "1.0 == 2.0"}, "write: it is never true"),
        (
            {"remove": "item.at > now - 60"},
            "remove: column 11: now - 60: it is always an error: a whole number beside a double",
        ),
        (
            {"let": {"old": "item.at + 1 < -now * 2 + item.n"}, "remove": "old"},
            "remove: column 15 of rules[0].let.old: -now * 2: it is always an error",
        ),
        ({"stamp": {"n": "size(user.id) % 2.0"}}, "stamp.n: column 1: size(user.id) % 2.0: it is"),
        (
            {"stamp": {"update": {"till": "now + 60"}, "insert": {"till": "now + 60.0"}}},
            "stamp.update.till: column 1: now + 60: it is always an error",
        ),
        ({"stamp": {"by": "user"}}, "stamp.by: it is the whole user, with all claims"),
        ({"stamp": {"insert": {"by": "user"}}}, "stamp.insert.by: it is the whole user"),
        (
            {"read": "item.level <= user.level"},
            "read: slow with many users: every change is compared",
        ),
        (
            {"read": "user != null && (item.by == user.id || item.level < user.level)"},
            "read: slow with many users: every change is compared",
        ),
        (
            {"read": "user.staff ? item.level < user.level : item.by == user.id"},
            "read: slow with many users: every change is compared",
        ),
        (
            {"read": "item.by == user.id", "write": "user != null"},
            "write: people can change items that they may not read: `read` asks for the item",
        ),
        (
            {"read": "item.open || item.by == user.id", "remove": "user.role == 'staff'"},
            "remove: people can change items that they may not read",
        ),
        ({"read": "item.open && user != null", "write": True}, "write: people can change items"),
    ],
)
def test_what_is_probably_not_meant(entry: dict[str, Any], hint: str) -> None:
    (found,) = Rules.parse([{"path": "/*/*/*", **entry}]).warnings()
    assert str(found).startswith(f"rules[0].{hint}")


@pytest.mark.parametrize(
    "entry",
    [
        {
            "let": {"mine": "item.by == user.id", "keeps": "mine && new.by == item.by"},
            "insert": "user != null && new.by == user.id",
            "update": "keeps",
            "remove": "mine || user.role == 'admin'",
        },
        {"update": "item.by == user.id && new.by == item.by"},
        {"update": "item.by == user.id", "insert": True, "stamp": {"by": "user.id"}},
        {"read": False, "write": True},
        {"update": "item.by == 'ann'"},
        {"remove": "item.at > now - 60.0 && now > 60 && size(item.x) - 1 > item.n + 1"},
        {"stamp": {"by": "user.id", "of": "[user]", "till": "now + 60.0 * 2.0"}},
        {"read": "item.level < 5"},
        {"read": "user != null && item.level < 5 && item.by == user.id"},
        {"read": "user.role == 'staff' || item.by == user.id", "write": "user.role == 'staff'"},
        {
            "read": "user != null && (item.open || user.staff)",
            "remove": "user != null && user.staff",
        },
        {"read": "item.open || item.room in user.rooms || user.id in item.members"},
        {"read": "user.id in [item.by, item.to, user.boss]"},
        {"read": "user.staff ? item.open : user.levels[0] == item.level"},
        {"read": "item.a == user.a ? item.b == user.b : item.c == user.c"},
        {"read": "item.by == user.id", "remove": "item.old", "update": False},
    ],
)
def test_what_may_be_meant(entry: dict[str, Any]) -> None:
    assert Rules.parse([{"path": "/*/*/*", **entry}]).warnings() == []


@pytest.mark.parametrize(
    ("first", "second", "covers"),
    [
        ("/*/*/*", "/a/b/c", True),
        ("/a/b/{x}", "/a/b/x-{y}", True),
        ("/a/b/x-*", "/a/b/x-y-*", True),
        ("/a/b/x*y", "/a/b/xzy", True),
        ("/a/b/x*y", "/a/b/xx*yy", True),
        ("/a/b/c", "/a/b/c", True),
        ("/a/b/x*y", "/a/b/xy", False),
        ("/a/b/x-*", "/a/b/*", False),
        ("/a/b/c", "/a/b/*", False),
        ("/a/*/c", "/*/b/c", False),
    ],
)
def test_an_entry_that_no_path_reaches(first: str, second: str, covers: bool) -> None:
    found = Rules.parse([{"path": first}, {"path": second}]).warnings()
    told = [f"rules[1].path: no path reaches this entry: rules[0] matches all of {second}"]
    assert list(map(str, found)) == (told if covers else [])
