"""What the rules let a user do, through all that a connection may ask for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_core import Access, Commit, Limits, Load, Update
from sharedstate_core.paths import CollectionPath
from sharedstate_core.rules.rules import Rules
from sharedstate_core.testing import MemoryStore, World, check_requests
from tests.support.work import LONG_TURN, work_of

from .scenes import hear, say, under_way

if TYPE_CHECKING:
    from sharedstate_core.testing import Asked

CHAT: list[dict[str, Any]] = [
    {
        "path": "/chat/items/{room}",
        "let": {"member": "user != null && room in user.rooms", "mine": "item.by == user.id"},
        "read": "member",
        "insert": "member",
        "update": "mine",
        "remove": "mine || user.role == 'admin'",
        "list": "user != null",
        "admin": "user.role == 'admin'",
        "stamp": {"insert": {"by": "user.id", "at": "now", "session": "session"}},
    },
    {"path": "/open/items/*", "read": True, "write": True},
    {"path": "/news/items/*", "read": True, "write": "user.role == 'editor'"},
    {"path": "/drop/items/*", "write": True},
]
ROOM = "/chat/items/r1"
ROOM_PATH = CollectionPath("chat", "items", "r1")

ANN = {"id": "ann", "rooms": ["r1"]}
BOB = {"id": "bob", "rooms": ["r1", "r2"]}
ROOT = {"id": "root", "rooms": [], "role": "admin"}


def ruled(*users: dict[str, Any] | None, rules: Any = CHAT, limits: Limits | None = None) -> World:
    """A world with a client for each user; None has not signed in."""
    world = World(
        len(users), store=MemoryStore(), access=Access(rules=Rules.parse(rules)), limits=limits
    )
    for client, user in enumerate(users):
        if user is not None:
            become(world, user, client=client)
    return world


def become(world: World, user: dict[str, Any], *, client: int = 0) -> None:
    world.clients[client].ask("PUT", "/session", {"token": "t", "key": "a-key-of-16-chars"})
    say(world, client)
    (ticket,) = world.proofs
    world.accept(ticket, user)
    world.carry_everything()


def ask(world: World, cmd: Any, path: str, arg: Any = None, *, client: int = 0) -> Asked:
    asked = world.clients[client].ask(cmd, path, arg)
    world.settle()
    return asked


def put(world: World, *ids: str, client: int = 0, path: str = ROOM, **arg: Any) -> Asked:
    items = [{"id": id, **arg.pop("item", {})} for id in ids]
    return ask(world, "PUT", path, {"insert": items, **arg}, client=client)


def watch(world: World, *paths: str, client: int = 0) -> Asked:
    asked = world.clients[client].put_subs({path: {} for path in paths})
    world.settle()
    return asked


def refused(asked: Asked) -> dict[str, str]:
    assert asked.reply is not None
    return {path: error["code"] for path, error in asked.reply.get("errors", [])}


# --- reads ------------------------------------------------------------------------------------------


def test_who_may_read() -> None:
    world = ruled(ANN, ROOT, None)
    read = [ask(world, "GET", ROOM, client=client) for client in range(3)]
    assert [each.code for each in read] == [None, "forbidden", "unauthenticated"]
    read = [ask(world, "GET", "/news/items/x", client=client) for client in range(3)]
    assert all(each.ok for each in read)


@pytest.mark.parametrize("path", ["/chat/items/r2", "/other/items/x", "/drop/items/x"])
def test_what_no_rule_allows_is_denied(path: str) -> None:
    world = ruled(ANN)
    assert ask(world, "GET", path).code == "forbidden"
    assert refused(watch(world, path)) == {path: "forbidden"}


@pytest.mark.parametrize("path", ["chat/items/r2", "/chat//items/r2/", "///chat/items/r2"])
def test_no_spelling_of_a_path_is_forgotten(path: str) -> None:
    world = ruled(ANN)
    assert ask(world, "GET", path).code == "forbidden"
    assert put(world, "p", path=path).code == "forbidden"
    assert refused(watch(world, path)) == {path: "forbidden"}


def test_each_subscription_is_decided_by_itself() -> None:
    world = ruled(ANN)
    asked = watch(world, ROOM, "/chat/items/r2", "/open/items/x")
    assert refused(asked) == {"/chat/items/r2": "forbidden"}
    assert set(world.clients[0].subscribed) == {ROOM, "/open/items/x"}


def test_who_may_list_names() -> None:
    world = ruled(ANN, ROOT, None)
    put(world, "p")
    lists = [ask(world, "GET", "/chat/items", client=client) for client in range(3)]
    assert [each.code for each in lists] == [None, None, "unauthenticated"]
    assert {ask(world, "GET", path).code for path in ("/news/items", "/apps")} == {"forbidden"}
    assert ask(world, "GET", "/").ok


def test_a_claim_that_is_equal_in_python_alone_is_another() -> None:
    world = ruled(ANN | {"admin": True}, rules=[{"path": ROOM, "read": "user.admin == true"}])
    watch(world, ROOM)
    assert set(world.clients[0].subscribed) == {ROOM}
    become(world, ANN | {"admin": 1})
    assert not world.clients[0].subscribed


def test_changed_claims_take_back_what_they_no_longer_allow() -> None:
    world = ruled(BOB)
    put(world, "p")
    watch(world, ROOM, "/chat/items/r2", "/open/items/x")
    become(world, BOB | {"rooms": ["r2"]})
    assert set(world.clients[0].subscribed) == {"/chat/items/r2", "/open/items/x"}
    assert ROOM not in world.clients[0].copies
    put(world, "q", path="/open/items/x")
    world.commit_elsewhere(ROOM_PATH, Update(insert={"z": b'{"id":"z"}'}))
    world.tell(ROOM_PATH)
    assert hear(world) == []


def test_whoever_never_signed_in_keeps_what_is_open_to_all() -> None:
    world = ruled(None)
    watch(world, "/open/items/x")
    assert put(world, "p", path="/open/items/x").ok
    assert put(world, "p", path="/news/items/x").code == "unauthenticated"


# --- updates ----------------------------------------------------------------------------------------


def test_people_edit_their_own_messages() -> None:
    world = ruled(ANN, BOB, ROOT)
    assert put(world, "m", item={"text": "hi"}).ok
    stored = json.loads(world.store.state(ROOM_PATH)["m"])
    assert (stored["by"], stored["text"]) == ("ann", "hi")
    assert stored["at"] == world.now
    assert len(stored["session"]) == 16
    assert put(world, "m", client=1, item={"text": "no", "by": "bob"}).code == "forbidden"
    assert put(world, "m", item={"text": "edited"}).ok
    edited = json.loads(world.store.state(ROOM_PATH)["m"])
    assert (edited["by"], edited["at"], edited["text"]) == ("ann", stored["at"], "edited")
    assert ask(world, "PUT", ROOM, {"remove": ["m"]}, client=1).code == "forbidden"
    assert ask(world, "PUT", ROOM, {"remove": ["m"]}, client=2).ok
    check_requests(world)


def test_nobody_inserts_in_somebody_elses_name() -> None:
    world = ruled(ANN)
    assert put(world, "m", item={"by": "bob"}).ok
    assert json.loads(world.store.state(ROOM_PATH)["m"])["by"] == "ann"


@pytest.mark.parametrize(
    "arg",
    [
        {"reset": True},
        {"reset": True, "insert": [{"id": "mine"}]},
        {"remove": ["theirs"], "insert": [{"id": "theirs"}]},
        {"remove": ["mine", "theirs"]},
        {"insert": [{"id": "new"}, {"id": "theirs"}]},
    ],
)
def test_what_would_touch_somebody_elses_item_is_refused_as_a_whole(arg: Any) -> None:
    world = ruled(ANN, BOB)
    put(world, "mine")
    put(world, "theirs", client=1)
    before = dict(world.store.state(ROOM_PATH))
    asked = ask(world, "PUT", ROOM, arg)
    assert asked.code == "forbidden"
    assert world.store.state(ROOM_PATH) == before


def test_a_reset_tells_nothing_of_what_is_there() -> None:
    rules = {"path": ROOM, "write": True, "remove": "item.by == user.id"}
    world = ruled(ANN, BOB, rules=[rules])
    put(world, "a-long-random-id", item={"by": "bob"}, client=1)
    asked = ask(world, "PUT", ROOM, {"reset": True})
    assert asked.code == "forbidden"
    assert "a-long-random-id" not in json.dumps(asked.reply)


def test_removing_what_is_not_there_tells_nothing() -> None:
    world = ruled(ANN)
    assert ask(world, "PUT", ROOM, {"remove": ["nothing"]}).ok
    assert ask(world, "PUT", "/news/items/x", {"remove": ["nothing"]}).code == "forbidden"


def test_a_rule_that_needs_nothing_that_is_stored_commits_blind() -> None:
    world = ruled(ANN, {"id": "eve", "role": "editor"})
    for client, path in ((0, "/drop/items/x"), (1, "/news/items/x")):
        world.clients[client].ask("PUT", path, {"insert": [{"id": "p"}], "remove": ["q"]})
        say(world, client)
        commit = under_way(world, Commit)
        assert commit.writes[0].condition is None
        world.settle()


def test_a_rule_that_looks_at_what_is_stored_reads_it() -> None:
    world = ruled(ANN)
    world.clients[0].ask("PUT", ROOM, {"insert": [{"id": "p"}]})
    say(world)
    under_way(world, Load)
    world.settle()


def test_an_author_who_may_do_nothing_is_refused_at_once() -> None:
    world = ruled(ANN)
    world.clients[0].ask("PUT", "/other/items/x", {"insert": [{"id": "p"}]})
    say(world)
    assert not world.operations
    assert [each["error"]["code"] for each in hear(world)] == ["forbidden"]


def test_whoever_may_do_nothing_in_any_case_is_told_nothing() -> None:
    world = ruled(None, ANN)
    put(world, "p", client=1)
    assert not world.operations
    for arg in ({"remove": ["p"]}, {"reset": True}, {"insert": [{"id": "p"}]}):
        for condition in ({}, {"if": {"epoch": "epoch-1", "version": 0}}):
            asked = world.clients[0].ask("PUT", ROOM, arg | condition)
            say(world)
            assert not world.operations
            world.settle()
            assert asked.code == "unauthenticated"
            assert asked.reply is not None
            assert "version" not in asked.reply


def test_too_much_that_is_known_denies_nothing() -> None:
    rooms = " || ".join(f"new.r{n} in user.rooms" for n in range(4))
    rules = {"path": ROOM, "insert": f"{rooms} || user.id == 'ann'"}
    world = ruled(ANN | {"rooms": list(range(3_000))}, rules=[rules])
    assert put(world, "p").ok


def test_who_administers_is_told_which_rule_it_was() -> None:
    world = ruled(ROOT | {"rooms": ["r1"]}, BOB)
    put(world, "m", client=1)
    asked = put(world, "m")
    assert asked.reply is not None
    assert "rules[0]" in asked.reply["data"]
    put(world, "n")
    asked = put(world, "n", client=1)
    assert asked.reply is not None
    assert asked.reply["data"] == "you may not update 'n'"


def test_a_number_that_no_rule_can_read() -> None:
    world = ruled(ANN)
    world.clients[0].outbox.append(
        '{"type":"REQUEST","cmd":"PUT","path":"/chat/items/r1","arg":{"insert":[{"id":"p","n":1e999}]},"tunnel":7}'
    )
    say(world)
    while world.operations:
        for ticket in [*world.operations]:
            world.finish(ticket)
    [told] = [json.loads(message) for message in world.links[0].inbox]
    assert told["error"]["code"] == "bad_update"


@pytest.mark.parametrize("arg", [{"insert": [{"id": "p"}]}, {"remove": ["p"]}, {"reset": True}])
@pytest.mark.parametrize("number", [b"1e999", b"-1e999", 5_000 * b"9"])
def test_a_stored_number_that_is_out_of_range(number: bytes, arg: Any) -> None:
    rules = {"path": "/chat/items/*", "write": True, "update": "item.n > 1.0 || item.n < 0.0"}
    world = ruled(ANN, rules=[rules | {"remove": rules["update"]}])
    world.commit_elsewhere(ROOM_PATH, Update(insert={"p": b'{"id":"p","n":%b}' % number}))
    assert ask(world, "PUT", ROOM, arg).ok
    assert world.store.state(ROOM_PATH).get("p") in {None, b'{"id":"p"}'}


def test_clients_that_name_no_session_do_not_share_one() -> None:
    mine = "item.session == session"
    rules = {"path": ROOM, "insert": True, "update": mine, "remove": mine}
    world = ruled(None, None, rules=[rules])
    put(world, "p", item={"session": ""})
    put(world, "q", item={"session": None})
    for id in "pq":
        assert put(world, id, client=1).code == "unauthenticated"
        assert ask(world, "PUT", ROOM, {"remove": [id]}, client=1).code == "unauthenticated"


def test_a_client_that_names_no_session_cannot_be_written_down() -> None:
    world = ruled(None, rules=[{"path": ROOM, "write": True, "stamp": {"session": "session"}}])
    assert put(world, "p").code == "unauthenticated"


def test_what_a_program_asks_for_by_itself_is_not_ruled() -> None:
    world = ruled(ANN)
    world.put("/other/items/x", Update(insert={"p": b'{"id":"p"}'}), "the program")
    world.get("/other/items/x", "again")
    world.put("/other/items/x", Update(), "for a client", client=0)
    world.settle()
    errors = {each.author: each.error for each in world.callers.answers}
    assert errors["the program"] is None
    assert errors["again"] is None
    assert errors["for a client"] is not None


def test_many_rules_cost_no_more_than_few() -> None:
    paths = {"insert": [[f"/chat/items/r{n}", {}] for n in range(300)]}
    work = []
    for more in (0, 900):
        others = [
            {"path": f"/chat/items/a{n}-{{x}}", "read": "x in user.rooms"} for n in range(more)
        ]
        world = ruled(ANN, rules=[*others, *CHAT])
        world.clients[0].ask("PUT", "/subs", paths)
        work.append(work_of(lambda: world.to_server(0)))  # noqa: B023  (called at once)
    assert work[1] < 1.5 * work[0]


def test_what_a_regular_expression_takes_for_more_is_itself() -> None:
    world = ruled(ANN, rules=[{"path": "/a.c/items/x+-*", "read": True}])
    assert ask(world, "GET", "/a.c/items/x+-y").ok
    for path in ("/abc/items/x+-y", "/a.c/items/xx-y", "/a.c/items/x-y"):
        assert ask(world, "GET", path).code == "forbidden"


def test_the_work_of_taking_back_is_bounded() -> None:
    many = 400
    world = ruled(ANN | {"rooms": [f"r{n}" for n in range(many)]})
    watch(world, *(f"/chat/items/r{n}" for n in range(many)))
    world.clients[0].ask("PUT", "/session", {"token": None})
    assert work_of(lambda: world.to_server(0)) < LONG_TURN
    world.settle()
    assert not world.clients[0].subscribed


def test_what_is_kept_of_the_rules_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sharedstate_core.server.rights.KEPT", 3)
    world = ruled(ANN)
    for n in range(20):
        ask(world, "GET", f"/open/items/c{n}")
    assert len(world.server._dispatcher.rights._known) == 3


def test_what_is_kept_of_rules_that_look_at_items_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is left of a rule for a user may be as large as the user's claims."""
    monkeypatch.setattr("sharedstate_core.server.rights.KEPT_NODES", 1_000)
    rules = [{"path": "/a/items/*", "read": "item.list in user.lists", "write": True}]
    world = ruled({"id": "ann", "lists": [f"l{n}" for n in range(300)]}, rules=rules)
    for n in range(20):
        ask(world, "GET", f"/a/items/c{n}")
    rights = world.server._dispatcher.rights
    assert len(rights._known) == 3
    assert rights._nodes == sum(known.nodes for known in rights._known.values())
