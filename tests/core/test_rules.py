"""Rules by path: which entry decides, what it may look at, what it says, and how mistakes are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from sharedstate_core import CollectionPath, parse_collection_path
from sharedstate_core.expressions.bounds import MAX_NODES
from sharedstate_core.rules.entry import Denied
from sharedstate_core.rules.faults import RulesError
from sharedstate_core.rules.reading import MAX_ENTRIES, MAX_NAMES
from sharedstate_core.rules.rules import Match, Rules

if TYPE_CHECKING:
    from sharedstate_core.rules.grant import Grant

ANN: Final[dict[str, Any]] = {"id": "ann", "rooms": ["r1"], "role": "editor"}
BOB: Final[dict[str, Any]] = {"id": "bob", "rooms": ["r2"]}
CHAT: Final[dict[str, Any]] = {
    "path": "/chat/items/{room}",
    "let": {
        "member": "user != null && room in user.rooms",
        "mine": "item.by == user.id",
        "keeps": "mine && new.by == item.by",
    },
    "read": "member",
    "insert": "member && new.by == user.id",
    "update": "keeps",
    "remove": "mine || user.role == 'admin'",
}


def match(*entries: dict[str, Any], path: str = "/a/items/c") -> Match:
    found = Rules.parse(list(entries)).entry(parse_collection_path(path))
    assert found is not None
    return found


def grant(entry: dict[str, Any], user: Any = ANN, path: str = "/a/items/c") -> Grant:
    return match({"path": "/a/items/{c}", **entry}, path=path).for_user(user, "session-1")


def faults(*entries: Any) -> list[str]:
    """Return what is wrong with rules, without the place of the list."""
    with pytest.raises(RulesError) as caught:
        Rules.parse(list(entries))
    assert isinstance(caught.value, ValueError)
    assert str(caught.value).split("\n") == [str(fault) for fault in caught.value.faults]
    return [str(fault).removeprefix("rules") for fault in caught.value.faults]


# --- which entry decides --------------------------------------------------------------------------


def test_the_first_entry_that_matches_decides() -> None:
    rules = Rules.parse(
        [
            {"path": "/a/items/secret"},
            {"path": "/a/items/*", "read": True},
            {"path": "/*/*/secret", "read": True},
        ]
    )

    def may_read(path: str) -> bool | None:
        entry = rules.entry(parse_collection_path(path))
        return None if entry is None else entry.may_read(None)

    assert may_read("/a/items/secret") is False
    assert may_read("/a/items/other") is True
    assert may_read("/b/items/secret") is True
    assert may_read("/b/items/other") is None


def test_variables_have_the_values_of_their_segments() -> None:
    found = match(
        {"path": "/{app}/items/presence-{room}", "read": "app == 'x' && room == 'lobby'"},
        path="/x/items/presence-lobby",
    )
    assert found.variables == {"app": "x", "room": "lobby"}
    assert found.may_read(None)


@pytest.mark.parametrize(
    "path", ["/x/items/presence-", "/x/items/presence", "/x/mitems/presence-a"]
)
def test_a_part_that_is_wild_is_never_empty(path: str) -> None:
    rules = Rules.parse([{"path": "/*/items/presence-{room}"}])
    assert rules.entry(parse_collection_path(path)) is None


# --- what it says ---------------------------------------------------------------------------------


def test_who_may_read() -> None:
    chat = match(CHAT, path="/chat/items/r1")
    assert [chat.may_read(user) for user in (ANN, BOB, None, {"id": "x"})] == [
        True,
        False,
        False,
        False,
    ]


def test_who_may_write() -> None:
    ann = match(CHAT, path="/chat/items/r1").for_user(ANN, "s")
    mine, others = {"id": "m", "by": "ann"}, {"id": "m", "by": "bob"}
    assert ann.check_insert(mine, 1.0) is None
    assert ann.check_insert(others, 1.0) is not None
    assert ann.check_update(mine, mine, 1.0) is None
    assert ann.check_update(mine, others, 1.0) is not None
    assert ann.check_update(others, mine, 1.0) is not None
    assert ann.check_remove(mine, 1.0) is None
    assert ann.check_remove(others, 1.0) is not None
    admin = match(CHAT, path="/chat/items/r1").for_user({"id": "eve", "role": "admin"}, "s")
    assert admin.check_remove(others, 1.0) is None
    nobody = match(CHAT, path="/chat/items/r1").for_user(None, "s")
    assert nobody.check_remove({"id": "m"}, 1.0) is not None


def test_whether_what_is_stored_matters() -> None:
    ann = match(CHAT, path="/chat/items/r1").for_user(ANN, "s")
    mine = {"id": "m", "by": "ann"}
    assert ann.check_insert(mine, 1.0) is None
    assert ann.depends_on_item(mine, 1.0), "if it is there, it is an update"
    assert ann.depends_on_item(None, 1.0)
    admin = match(CHAT, path="/chat/items/r1").for_user({"id": "eve", "role": "admin"}, "s")
    assert not admin.depends_on_item(None, 1.0)
    assert grant({"insert": True}).depends_on_item(mine, 1.0)
    assert grant({"update": True}).depends_on_item(mine, 1.0)
    assert not grant({"write": True}).depends_on_item(mine, 1.0)
    assert not grant({"write": "new.by == user.id", "remove": False}).depends_on_item(mine, 1.0)
    later = grant({"insert": True, "update": "now > 5.0 || new.free == true || item.by == user.id"})
    assert later.depends_on_item({"id": "x"}, 1.0)
    assert not later.depends_on_item({"id": "x"}, 6.0)
    assert not later.depends_on_item({"id": "x", "free": True}, 1.0)


def test_whether_stamps_depend_on_what_is_stored() -> None:
    both = {"by": "user.id"}
    assert not grant({"write": True, "stamp": both}).depends_on_item({}, 1.0)
    for stamp in ({"insert": both}, {"update": both}, {"insert": both, "update": {"by": "now"}}):
        assert grant({"write": True, "stamp": stamp}).depends_on_item({}, 1.0)


def test_what_is_so_whatever_the_items_are() -> None:
    ann = match(CHAT, path="/chat/items/r1").for_user(ANN, "s")
    assert [ann.always(key) for key in ("insert", "update", "remove")] == [None, None, None]
    admin = match(CHAT, path="/chat/items/r1").for_user({"id": "eve", "role": "admin"}, "s")
    assert admin.always("remove") is True
    assert match(CHAT, path="/chat/items/r1").for_user(BOB, "s").always("insert") is False
    assert grant({"insert": "now > 5.0"}).always("insert") is None


def test_what_an_entry_does_not_say_is_denied() -> None:
    found, granted = match({"path": "/*/*/*"}), grant({})
    assert not found.may_read(ANN)
    assert not found.is_admin(ANN)
    item = {"id": "x"}
    checks = (
        granted.check_insert(item, 1.0),
        granted.check_update(item, item, 1.0),
        granted.check_remove(item, 1.0),
    )
    assert [str(each) for each in checks] == [
        f"rules[0].{key}: the entry does not say, and so it is denied"
        for key in ("insert", "update", "remove")
    ]


def test_write_stands_for_what_is_not_given() -> None:
    granted = grant({"write": "user.id == 'ann'", "remove": False})
    assert granted.always("insert") is True
    assert granted.always("update") is True
    assert granted.always("remove") is False
    assert grant({"write": True}).always("remove") is True
    granted = grant({"write": "item.by == user.id", "insert": True})
    assert granted.check_remove({"id": "x", "by": "ann"}, 1.0) is None
    assert granted.check_remove({"id": "x", "by": "bob"}, 1.0) is not None


def test_why_something_is_denied() -> None:
    ann = match(CHAT, path="/chat/items/r1").for_user(ANN, "s")
    mine, others = {"id": "m", "by": "ann"}, {"id": "m", "by": "bob"}
    assert str(ann.check_insert(others, 1.0)) == (
        "rules[0].insert, column 11: new.by == user.id: it is false"
    )
    assert str(ann.check_insert({"id": "m"}, 1.0)) == (
        "rules[0].insert, column 11: new.by: there is no such member"
    )
    denied = ann.check_update(mine, others, 1.0)
    assert denied is not None
    assert (denied.rule, denied.part.text) == ("rules[0].update", "new.by == item.by")
    assert str(denied) == (
        "rules[0].update: rules[0].let.keeps, column 9: new.by == item.by: it is false"
    )
    assert str(ann.check_remove(others, 1.0)) == (
        "rules[0].remove, column 1: mine || user.role == 'admin': it is false"
    )
    failed = grant({"insert": "user.age > 3"}).check_insert(mine, 1.0)
    assert str(failed) == "rules[0].insert, column 1: user.age: there is no such member"
    counted = grant({"insert": "new.n"}).check_insert({"n": 1}, 1.0)
    assert counted is not None
    assert counted.reason == "expected true or false, found an int"


def test_time_and_session() -> None:
    granted = grant({"write": "new.session == session && new.at > now - 60.0", "remove": False})
    new = {"id": "x", "session": "session-1", "at": 950.0}
    assert granted.check_insert(new, 1000.0) is None
    assert granted.check_insert(new, 1011.0) is not None
    assert granted.check_insert({**new, "session": "session-2"}, 1000.0) is not None


# --- stamps ---------------------------------------------------------------------------------------


def test_a_stamp_is_set_by_the_server() -> None:
    granted = grant({"stamp": {"by": "user.id", "at": "now", "in": "c + '/' + session"}})
    stamped = granted.stamped({"id": "x", "by": "eve", "text": "hi"}, None, 1000.5)
    assert stamped == {"id": "x", "text": "hi", "by": "ann", "at": 1000.5, "in": "c/session-1"}
    assert granted.stamped({"id": "x", "at": 1}, {"id": "x", "by": "bob"}, 2.0) == {
        "id": "x",
        "by": "ann",
        "at": 2.0,
        "in": "c/session-1",
    }
    assert granted.has_stamps


def test_a_stamp_of_an_insert_is_kept() -> None:
    granted = grant({"stamp": {"insert": {"author": "user.id"}, "update": {"editor": "user.id"}}})
    assert granted.stamped({"id": "x", "author": "eve", "editor": "eve"}, None, 1.0) == {
        "id": "x",
        "author": "ann",
    }
    stored = {"id": "x", "author": "bob"}
    assert granted.stamped({"id": "x", "author": "ann", "editor": "bob"}, stored, 1.0) == {
        "id": "x",
        "author": "bob",
        "editor": "ann",
    }
    assert granted.stamped({"id": "x", "author": "ann"}, {"id": "x"}, 1.0) == {
        "id": "x",
        "editor": "ann",
    }


@pytest.mark.parametrize(
    ("stamp", "reason"),
    [
        ("user.id", "a member of null"),
        ("now / 0.0", "its value is not one of JSON"),
        ("[{'a': now / 0.0}]", "its value is not one of JSON"),
    ],
)
def test_a_stamp_without_a_value_denies(stamp: str, reason: str) -> None:
    denied = grant({"stamp": {"by": stamp}}, user=None).stamped({"id": "x"}, None, 1.0)
    assert isinstance(denied, Denied)
    assert denied.rule == "rules[0].stamp"
    assert denied.reason == reason


def test_without_stamps_there_is_nothing_to_set() -> None:
    granted = grant({"write": True})
    assert not granted.has_stamps
    assert granted.stamped({"id": "x", "by": 1}, None, 1.0) == {"id": "x", "by": 1}


# --- lists and administrators ---------------------------------------------------------------------


def test_who_may_list() -> None:
    rules = Rules.parse(
        [
            {"path": "/chat/items/secret", "read": False},
            {"path": "/chat/items/{room}", "list": "user != null"},
            {"path": "/shop/items/*", "admin": "user.id == 'ann'"},
            {"path": "/{app}/{service}/*", "list": "app == 'open' && service == 'items'"},
            {"path": "/*/*/*", "list": True},
        ]
    )
    assert rules.may_list("chat", "items", ANN)
    assert not rules.may_list("chat", "items", None)
    assert rules.may_list("shop", "items", ANN)
    assert not rules.may_list("shop", "items", BOB)
    assert rules.may_list("open", "items", None)
    assert not rules.may_list("open", "mitems", None)
    assert not rules.may_list("open", None, ANN), "the service is not known"
    assert not rules.may_list(None, None, ANN)
    assert not Rules.parse([]).may_list("a", "items", ANN)
    assert Rules.parse([{"path": "/*/*/*", "list": True}]).may_list(None, None, None)


def test_who_is_an_administrator() -> None:
    found = match({"path": "/*/*/{c}", "admin": "user.role == 'admin' && c != 'x'"})
    assert found.is_admin({"id": "a", "role": "admin"})
    assert not found.is_admin({"id": "a"})
    assert not found.is_admin(None)


def test_a_rule_is_explained() -> None:
    values = {"user": ANN, "item": {"by": "bob"}, "new": {"by": "bob"}}
    steps = match(CHAT, path="/chat/items/r1").explain("update", values)
    assert [(each.depth, each.node.at.text, each.value) for each in steps] == [
        (0, "mine && new.by == item.by", False),
        (1, "item.by == user.id", False),
        (2, "item.by", "bob"),
        (3, "item", {"by": "bob"}),
        (2, "user.id", "ann"),
        (3, "user", ANN),
        (1, "new.by == item.by", True),
        (2, "new.by", "bob"),
        (3, "new", {"by": "bob"}),
        (2, "item.by", "bob"),
        (3, "item", {"by": "bob"}),
    ]


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
            {"path": ANY, "read": "true || item.x == 1"},
            "[0].read: column 9: rules that read items need views, which this version has not",
        ),
        (
            {"path": ANY, "read": "now > 1.0"},
            "[0].read: column 1: what may be read cannot depend on",
        ),
        (
            {"path": ANY, "read": "session == c"},
            "[0].read: column 1: `session` is not known in `read`",
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
    ],
)
def test_what_is_probably_not_meant(entry: dict[str, Any], hint: str) -> None:
    (found,) = Rules.parse([{"path": "/*/*/*", **entry}]).warnings()
    assert str(found).startswith(f"rules[0].{hint}")


@pytest.mark.parametrize(
    "entry",
    [
        CHAT,
        {"update": "item.by == user.id && new.by == item.by"},
        {"update": "item.by == user.id", "insert": True, "stamp": {"by": "user.id"}},
        {"read": False, "write": True},
        {"update": "item.by == 'ann'"},
        {"remove": "item.at > now - 60.0 && now > 60 && size(item.x) - 1 > item.n + 1"},
        {"stamp": {"by": "user.id", "of": "[user]", "till": "now + 60.0 * 2.0"}},
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


def test_a_path_is_not_text() -> None:
    """A wild part is one of a segment, whatever a name looks like."""
    rules = Rules.parse([{"path": "/a/b/{x}", "read": "x == '*'"}])
    found = rules.entry(CollectionPath("a", "b", "*"))
    assert found is not None
    assert found.may_read(None)
