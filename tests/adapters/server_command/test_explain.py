"""`sharedstate-anyio explain`: the entry, each part of its expression, the stamps and the verdict."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_anyio import parse_config
from sharedstate_anyio.server_command.main import main
from sharedstate_core.expressions.bounds import MAX_QUOTED
from tests.support.services.command import started
from tests.support.services.servers import document, write_config
from tests.support.tokens import SECRET

if TYPE_CHECKING:
    from pathlib import Path

CHAT: list[dict[str, Any]] = [
    {
        "path": "/chat/items/{room}",
        "let": {"mine": "item.by == user.id"},
        "read": "user != null && room in user.rooms",
        "insert": "user != null && new.text != ''",
        "update": "mine && new.text != ''",
        "remove": "mine || user.role == 'admin'",
        "stamp": {"insert": {"by": "user.id", "at": "now"}},
    },
    {"path": "/public/*/*", "read": True, "list": "user != null"},
    {
        "path": "/notes/items/*",
        "let": {"mine": "item.by == user.id"},
        "read": "user != null && (mine || item.room in user.rooms || user.role == 'admin')",
    },
    {"path": "/rooms/items/*", "read": "item.room in user.rooms"},
    {"path": "/*/mitems/*", "admin": "user.role == 'admin'", "insert": "new.n / new.of > 1"},
]


@pytest.fixture
def explain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command on these rules and return the exit status, the lines of output, and what it complains of."""

    def run(*arguments: str, **more: object) -> tuple[int, list[str], str]:
        content = {**document(), "rules": CHAT, **more}
        write_config(tmp_path, {key: each for key, each in content.items() if each is not None})
        with pytest.raises(SystemExit) as end:
            main(["explain", str(tmp_path / "config.json"), *arguments])
        said = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return end.value.code, said.out.splitlines(), said.err

    return run


def refused(folder: Path, rules: object, *arguments: str) -> str:
    """Return the line that a wrong question is answered."""
    name = write_config(folder, {**document(), "rules": rules})
    with started("explain", name, *arguments, folder=folder) as command:
        assert command.finish() == 2
    assert command.output == ""
    (line,) = command.errors.splitlines()
    return line


ANN = ("--user", '{"id": "ann", "rooms": ["r1"]}')
OF_ANN = ("--item", '{"id": "m", "by": "ann", "text": "hi"}')
OF_BOB = ("--item", '{"id": "m", "by": "bob", "text": "hi"}')
NEW = ("--new", '{"id": "m", "text": "ho", "by": "eve"}')


def test_an_update_as_a_whole(explain: Any) -> None:
    status, lines, errors = explain("update", "/chat/items/r1", *ANN, *OF_ANN, *NEW)
    assert (status, errors) == (0, "")
    assert lines == [
        'decided by rules[0]: /chat/items/{room}, room is "r1"',
        'stamped: new is {"id": "m", "text": "ho", "by": "ann"}',
        "rules[0].update:",
        "  column 1: mine && new.text != '' is true",
        "    rules[0].let.mine, column 1: item.by == user.id is true",
        '      rules[0].let.mine, column 1: item.by is "ann"',
        '      rules[0].let.mine, column 12: user.id is "ann"',
        "    column 9: new.text != '' is true",
        '      column 9: new.text is "ho"',
        "allowed",
    ]
    status, lines, _ = explain("update", "/chat/items/r1", *ANN, *OF_BOB, *NEW)
    assert status == 1
    assert lines[-1] == (
        "denied (forbidden): rules[0].update: rules[0].let.mine, column 1: "
        "item.by == user.id: it is false"
    )
    assert '"by": "bob"' in lines[1], "what an insert alone sets is kept"


def test_an_insert_is_stamped(explain: Any) -> None:
    insert = ("insert", "/chat/items/r1", *NEW, "--now", "7")
    status, lines, _ = explain(*insert, *ANN)
    assert status == 0
    assert lines[1] == 'stamped: new is {"id": "m", "text": "ho", "by": "ann", "at": 7.0}'
    status, lines, _ = explain(*insert)
    assert (status, lines[-1]) == (
        1,
        "denied (unauthenticated): rules[0].stamp: rules[0].stamp.insert.by, column 1: user.id: a member of null",
    )


def test_an_id_need_not_be_given(explain: Any) -> None:
    for item, new, id in (
        ({}, {"text": "x"}, "some-id"),
        ({}, {"id": "n", "text": "x"}, "n"),
        ({"id": "i"}, {"text": "x"}, "i"),
    ):
        given = ("--item", json.dumps({"by": "ann", **item}), "--new", json.dumps(new))
        status, lines, errors = explain("update", "/chat/items/r1", *ANN, *given)
        assert (status, errors) == (0, "")
        assert ('no id is given: it is "some-id"' in lines) is (id == "some-id")
        (stamped,) = (line for line in lines if line.startswith("stamped: "))
        assert json.loads(stamped.removeprefix("stamped: new is "))["id"] == id


def test_a_reset_removes(explain: Any) -> None:
    status, lines, _ = explain("reset", "/chat/items/r1", *ANN, "--item", '{"by": "ann"}')
    assert (status, lines[-1]) == (0, "allowed")
    assert lines[1:4] == [
        'no id is given: it is "some-id"',
        "a reset removes every item that is there: here is one of them",
        "rules[0].remove:",
    ]
    status, lines, _ = explain("reset", "/chat/items/r1", *ANN, *OF_BOB)
    assert status == 1
    assert lines[-1].startswith("denied (forbidden): rules[0].remove")


def test_an_error_says_where(explain: Any) -> None:
    status, lines, _ = explain("remove", "/chat/items/r1", *ANN, *OF_BOB)
    assert status == 1
    assert (
        "    column 9: user.role == 'admin' is an error: user.role: there is no such member"
        in lines
    )
    assert "      column 9: user.role is an error: there is no such member" in lines
    new = '{"id": "m", "n": 1, "of": 0}'
    status, lines, _ = explain("insert", "/a/mitems/c", "--new", new)
    assert lines[-1] == (
        "denied (unauthenticated): rules[4].insert, column 1: new.n / new.of: division by zero"
    )
    status, lines, _ = explain("insert", "/a/mitems/c", "--new", '{"id": "m", "n": 2, "of": 1}')
    assert (status, lines[-1]) == (0, "allowed")


@pytest.mark.parametrize(
    ("arguments", "verdict"),
    [
        (("read", "/chat/items/r1", *ANN), "allowed"),
        (("read", "/chat/items/r2", *ANN), "denied (forbidden): rules[0].read: it is not true"),
        (("read", "/public/items/a"), "allowed"),
        (
            ("insert", "/public/items/a", *NEW),
            "denied (unauthenticated): rules[1].insert: the entry does not say, and so it is denied",
        ),
        (
            ("read", "/other/items/a", *ANN),
            "denied (forbidden): no entry of rules matches /other/items/a",
        ),
        (("list", "/public/items", *ANN), "allowed"),
        (("list", "/public", *ANN), "allowed"),
        (("list", "/public"), "denied (unauthenticated): rules[1].list: it is not true"),
        (("list", "/a/mitems", "--user", '{"id": "a", "role": "admin"}'), "allowed"),
        (
            ("list", "/chat/items", *ANN),
            "denied (forbidden): rules[0].admin: the entry does not say",
        ),
        (
            ("list", "/apps", *ANN),
            "denied (forbidden): no entry of rules matches all that could be in the list",
        ),
    ],
)
def test_verdicts(arguments: tuple[str, ...], verdict: str, explain: Any) -> None:
    status, lines, errors = explain(*arguments)
    assert errors == ""
    assert lines[-1] == verdict
    assert status == (0 if verdict == "allowed" else 1)


def test_which_items_may_be_read(explain: Any) -> None:
    read = CHAT[2]["read"]
    status, lines, errors = explain("read", "/notes/items/n", *ANN)
    assert (status, errors) == (0, "")
    assert lines == [
        "decided by rules[2]: /notes/items/*",
        "rules[2].read:",
        f"  column 1: {read} depends on the item",
        "    column 1: user != null is true",
        f"    column 18: {read[17:-1]} depends on the item",
        "      rules[2].let.mine, column 1: item.by == user.id depends on the item",
        "        rules[2].let.mine, column 1: item.by depends on the item",
        '        rules[2].let.mine, column 12: user.id is "ann"',
        "      column 26: item.room in user.rooms depends on the item",
        "        column 26: item.room depends on the item",
        '        column 39: user.rooms is ["r1"]',
        "      column 53: user.role == 'admin' is an error: user.role: there is no such member",
        "        column 53: user.role is an error: there is no such member",
        'readable are the items of which this is true: item.by == "ann" || item.room == "r1"',
        "allowed",
    ]
    admin = ("--user", '{"id": "eve", "role": "admin"}')
    status, lines, _ = explain("read", "/notes/items/n", *admin)
    assert (status, lines[-2:]) == (0, ['        column 53: user.role is "admin"', "allowed"])
    status, lines, _ = explain("read", "/notes/items/n")
    assert (status, lines[-1]) == (1, "denied (unauthenticated): rules[2].read: it is not true")


def test_whether_an_item_may_be_read(explain: Any) -> None:
    status, lines, errors = explain("read", "/notes/items/n", *ANN, *OF_ANN)
    assert (status, lines[-1], errors) == (0, "allowed", "")
    assert '        rules[2].let.mine, column 1: item.by is "ann"' in lines
    status, lines, _ = explain("read", "/notes/items/n", *ANN, *OF_BOB)
    assert (status, lines[-1]) == (
        1,
        "denied (forbidden): rules[2].read, column 26: item.room: there is no such member",
    )
    in_r1 = ("--item", '{"by": "bob", "room": "r1"}')
    assert explain("read", "/notes/items/n", *ANN, *in_r1)[0] == 0
    status, lines, _ = explain("read", "/chat/items/r1", *ANN, *OF_BOB)
    assert (status, lines[-1]) == (0, "allowed"), "all may be read, and so this one"


def test_too_many_claims_to_ask_each_item_for(explain: Any) -> None:
    """As the server has it, though an item alone would be allowed."""
    user = ("--user", json.dumps({"id": "x", "rooms": ["r"] * MAX_QUOTED}))
    for item in ((), ("--item", '{"by": "x", "room": "r"}')):
        status, lines, _ = explain("read", "/rooms/items/n", *user, *item)
        assert status == 1
        assert lines[-1] == (
            "denied (forbidden): rules[3].read, column 14: user.rooms: "
            "what is known is too large to become part of an expression"
        )


@pytest.mark.parametrize("path", ["/public/items", "/public", "/a/mitems", "/a", "/apps", "/chat"])
@pytest.mark.parametrize("user", [None, {"id": "a", "role": "admin"}, {"id": "a"}])
def test_lists_as_the_server_decides(path: str, user: dict[str, Any] | None, explain: Any) -> None:
    rules = parse_config({**document(), "rules": CHAT}).rules
    assert rules is not None
    app, service = (*path[1:].split("/"), None)[:2] if path != "/apps" else (None, None)
    allowed = rules.may_list(app, service, user)
    who = () if user is None else ("--user", json.dumps(user))
    assert explain("list", path, *who)[0] == (0 if allowed else 1)


def test_without_rules(explain: Any) -> None:
    lines = ["there are no rules: everybody may do everything", "allowed"]
    assert explain("read", "/a/items/b", rules=None) == (0, lines, "")
    auth = {"jwt": {"secret": SECRET}, "required": True}
    lines = ["denied (unauthenticated): auth.required: nobody is let in without a token"]
    assert explain("read", "/public/items/a", auth=auth) == (1, lines, "")
    assert explain("read", "/public/items/a", *ANN, auth=auth)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("see", "/a/items/b"), "argument ACTION: invalid choice: 'see'"),
        (("read", "/a/items"), "PATH: expected /app/service/collection, three segments"),
        (("read", "/a/../b"), "PATH: path '/a/../b': a segment may not be '..'"),
        (("list", "/a/b/c"), "PATH: expected /app/service, /app or /apps"),
        (("update", "/chat/items/r1", *NEW), "--item: is missing: update needs what is stored"),
        (("insert", "/chat/items/r1"), "--new: is missing: insert needs what would be stored"),
        (("insert", "/chat/items/r1", *NEW, *OF_ANN), "--item: leave it out"),
        (("update", "/chat/items/r1", *OF_ANN, "--new", '{"id": "o"}'), "--new: its id is not"),
        (("reset", "/chat/items/r1"), "--item: is missing: reset needs what is stored"),
        (("remove", "/a/items/b", "--item", '{"id": 7}'), "--item: expected an object, its id a"),
        (("insert", "/a/items/b", "--new", "[]"), "--new: expected an object, its id a text"),
        (("read", "/a/items/b", "--user", "ann"), "--user: expected JSON, found 'ann'"),
        (("read", "/a/items/b", "--user", '{"name": 1}'), "--user: expected an object with an id"),
        (("read", "/a/items/b", "--user", "[" * 5000), "--user: expected JSON"),
        (("read", "/a/items/b", "--now", "nan"), "--now: expected seconds since the Unix epoch"),
    ],
)
def test_wrong_questions(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    assert said in refused(tmp_path, CHAT, *arguments)


def test_wrong_rules(tmp_path: Path) -> None:
    rules = [{"path": "/a/items/b", "read": "user ="}]
    assert "rules[0].read: column 6" in refused(tmp_path, rules, "read", "/a/items/b")


def test_what_is_long_or_moves_the_cursor(explain: Any) -> None:
    user = json.dumps({"id": "\x1b[2J", "rooms": ["x" * 1000]})
    _, lines, _ = explain("read", "/chat/items/r1", "--user", user)
    assert all(line.isprintable() for line in lines)
    assert max(map(len, lines)) < 300


def test_as_a_command(tmp_path: Path) -> None:
    name = write_config(tmp_path, {**document(), "rules": CHAT})
    with started("explain", name, "read", "/public/items/a", folder=tmp_path) as command:
        assert command.finish() == 0
    assert command.output.endswith("\nallowed\n")
    with started("explain", "--help", folder=tmp_path) as command:
        assert command.finish() == 0
    assert "exit status: 0 if it is allowed" in " ".join(command.output.split())
