"""Rules by path: which entry decides, what it may look at, and what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from sharedstate_core import CollectionPath, parse_collection_path
from sharedstate_core.expressions.bounds import MAX_QUOTED
from sharedstate_core.expressions.printer import text_of
from sharedstate_core.expressions.tree import Literal
from sharedstate_core.rules.entry import Denied
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


def test_a_path_is_not_text() -> None:
    """A wild part is one of a segment, whatever a name looks like."""
    rules = Rules.parse([{"path": "/a/b/{x}", "read": "x == '*'"}])
    found = rules.entry(CollectionPath("a", "b", "*"))
    assert found is not None
    assert found.may_read(None)


# --- what it says ---------------------------------------------------------------------------------


def test_who_may_read() -> None:
    chat = match(CHAT, path="/chat/items/r1")
    assert [chat.may_read(user) for user in (ANN, BOB, None, {"id": "x"})] == [
        True,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("read", "user", "left"),
    [
        ("item.by == user.id", ANN, 'item.by == "ann"'),
        ("item.by == user.id", None, "false"),
        ("item.open || user != null && item.by == user.id", None, "item.open"),
        ("user.role == 'editor' || item.by == user.id", ANN, "true"),
        ("user.role == 'editor' || item.by == user.id", BOB, 'item.by == "bob"'),
        ("c == 'c' && item.room in user.rooms", ANN, 'item.room == "r1"'),
        ("item.room in user.rooms", {"id": "x", "rooms": []}, "item.room in []"),
        (True, None, "true"),
        (False, ANN, "false"),
        ("user == null", ANN, "false"),
    ],
)
def test_which_items_may_be_read(read: object, user: Any, left: str) -> None:
    found = match({"path": "/a/items/{c}", "read": read})
    residual = found.readable(user)
    assert text_of(residual) == left
    assert found.may_read(user) is (residual == Literal(True))


def test_whoever_has_too_many_claims_sees_nothing() -> None:
    found = match({"path": "/*/*/*", "read": "item.room in user.rooms"})
    assert found.readable({"id": "ann", "rooms": ["r"] * (MAX_QUOTED - 1)}) != Literal(False)
    assert found.readable({"id": "ann", "rooms": ["r"] * MAX_QUOTED}) == Literal(False)


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
    either = grant({"insert": "new.by == user.id || user.age > 3"}).check_insert(others, 1.0)
    assert str(either) == (
        "rules[0].insert, column 22: user.age: there is no such member; and `new.by == user.id` is false"
    )
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
