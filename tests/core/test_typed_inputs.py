"""Requests as calls: an author who has no connection, and one who has no JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sharedstate_core import (
    Answer,
    Commit,
    Cursor,
    Limits,
    Load,
    LocalProtocolError,
    Server,
    Update,
)
from sharedstate_core.testing import MemoryStore, World, check_copies, check_rest

from .scenes import P, stored, under_way, watching

Q = "/a/items/d"
MILK = Update(insert={"milk": b'{"id":"milk"}'})


def test_a_commit_without_any_connection() -> None:
    server: Server[object] = Server(["items"])
    store = MemoryStore()
    (commit,) = server.put(P, MILK, 0.0, author="me")
    assert isinstance(commit, Commit)
    result = store.commit(commit.collection, commit.writes)
    assert server.commit_succeeded(commit.ticket, result, 0.0) == [
        Answer("me", 1, Cursor("epoch-1", 1))
    ]
    (load,) = server.get(P, 1.0, author=("a", "reader"))
    assert isinstance(load, Load)
    (answer,) = server.load_succeeded(load.ticket, store.load(load.collection, load.since), 1.0)
    assert answer == Answer(("a", "reader"), b'[{"id":"milk"}]', Cursor("epoch-1", 1))
    assert not server.is_busy


def test_subscribers_see_what_the_program_writes() -> None:
    world = watching(2)
    world.put(P, MILK, author=1)
    world.settle()
    assert [list(client.copies[P].state) for client in world.clients] == [["milk"], ["milk"]]
    assert world.callers.answers == [Answer(1, 1, Cursor("epoch-1", 1))]


def test_nobody_is_told_if_nobody_asks() -> None:
    world = watching(1)
    world.put(P, MILK)
    world.put("/a/nothing/there", MILK)
    world.settle()
    assert world.callers.answers == []
    assert list(world.clients[0].copies[P].state) == ["milk"]


def test_a_condition_that_does_not_hold() -> None:
    world = World(1, store=stored("p"))
    world.put(P, MILK, author=1, condition=Cursor("epoch-1", 0))
    world.put(P, MILK, author=2, condition=Cursor("epoch-1", 1))
    world.settle()
    first, second = world.callers.answers
    assert (first.author, first.data, first.cursor) == (1, None, Cursor("epoch-1", 1))
    assert first.error is not None
    assert (first.error.code, first.outcome_unknown) == ("conflict", False)
    assert second == Answer(2, 1, Cursor("epoch-1", 2))


def test_storage_that_fails_and_an_outcome_that_nobody_knows() -> None:
    world = World(1)
    world.put(P, MILK, author=1)
    world.fail(under_way(world, Commit).ticket)
    world.put(P, MILK, author=2)
    world.lose(under_way(world, Commit).ticket, applied=True)
    assert [
        (a.author, a.error and a.error.code, a.outcome_unknown) for a in world.callers.answers
    ] == [
        (1, "unavailable", False),
        (2, "unavailable", True),
    ]


@pytest.mark.parametrize(
    ("path", "code"),
    [("/a/b", "bad_path"), ("/a/nothing/c", "no_service")],
)
def test_what_a_peer_may_get_wrong_is_an_answer(path: str, code: str) -> None:
    world = World(1)
    world.put(path, MILK, author=1)
    (answer,) = world.callers.answers
    assert answer.error is not None
    assert answer.error.code == code
    assert answer.error.__traceback__ is None


def test_the_limits_hold_for_the_program_too() -> None:
    world = World(1, limits=Limits(items=2, id_bytes=4, depth=2, pending_bytes=10))
    deep = Update(insert={"x": b'{"id":"x","a":[[]]}'})
    names = Update(("a", "b", "c"))
    for author, update in enumerate((names, deep, Update(("abcde",)), Update(("a",)), MILK)):
        world.put(P, update, author=author)
    codes = {answer.author: answer.error and answer.error.code for answer in world.callers.answers}
    assert codes == {0: "too_many", 1: "bad_update", 2: "bad_update", 4: "unavailable"}
    world.put(P, MILK, author=5, condition=Cursor("epoch-1", 0))
    world.settle()
    assert {answer.author for answer in world.callers.answers} == {0, 1, 2, 3, 4, 5}


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        ((3, MILK, 0.0), "path"),
        ((P, "milk", 0.0), "update"),
        ((P, Update(insert={"x": b"{}"}), 0.0), r"insert\['x'\]"),
        ((P, MILK, None), "now"),
    ],
)
def test_what_only_the_program_can_get_wrong_is_raised(arguments: Any, place: str) -> None:
    server: Server[str] = Server(["items"])
    with pytest.raises((TypeError, ValueError), match=f"^{place}"):
        server.put(*arguments, author="me")
    assert not server.is_busy
    with pytest.raises(LocalProtocolError, match="not open"):
        server.put(P, MILK, 0.0, author="me", connection="nobody")


def test_an_update_is_a_copy() -> None:
    world = World(1)
    insert = dict(MILK.insert)
    world.put(P, Update(("a", "a"), insert), author=1)
    insert.clear()
    world.settle()
    assert world.callers.answers == [Answer(1, 2, Cursor("epoch-1", 1))]
    world.get(P, author=2)
    world.settle()
    assert world.callers.answers[-1].data == b'[{"id":"milk"}]'


def test_other_paths_can_be_read() -> None:
    world = World(1, store=stored("p"), services=("items", "other"))
    paths = ["/", "/clock", "/a/items", "/a", "/apps", "/subs", "/a/b/c/d"]
    for path in paths:
        world.get(path, author=path)
    world.settle()
    data = {answer.author: answer.data for answer in world.callers.answers}
    assert data["/"] == ("items", "other")
    assert data["/clock"] == world.now
    assert (data["/a/items"], data["/a"], data["/apps"]) == (["c"], ["items"], ["a"])
    codes = {answer.author: answer.error and answer.error.code for answer in world.callers.answers}
    assert codes["/subs"] == codes["/a/b/c/d"] == "bad_path"


def test_on_behalf_of_a_connection_the_copy_shows_it_before_the_answer() -> None:
    world = watching(1)
    world.block(0)
    world.put(P, MILK, author=1, client=0)
    world.finish(under_way(world, Commit).ticket)
    world.get(P, author=2, client=0)
    assert world.callers.answers == []
    world.drain(0)
    assert world.links[0].inbox
    assert [answer.author for answer in world.callers.answers] == [1, 2]
    world.settle()
    check_copies(world)


def test_on_behalf_of_a_connection_it_keeps_the_order_of_its_messages() -> None:
    world = World(1, store=stored("p"))
    world.block(0)
    world.get(P, author="read", client=0)
    world.put(P, Update(("p",)), author="write", client=0)
    world.clients[0].put(P, insert=[{"id": "q"}])
    world.to_server(0, even_if_paused=True)
    world.settle()
    data = {answer.author: answer.data for answer in world.callers.answers}
    assert json.loads(data["read"])[0]["id"] == "p"  # type: ignore[arg-type]
    assert data["write"] == 1
    check_rest(world)


def test_on_behalf_of_a_connection_it_counts_as_a_request() -> None:
    world = World(1, limits=Limits(unanswered=4))
    for number in range(6):
        world.put(P, MILK, author=number, client=0)
    assert not world.links[0].reading
    refused = [a.author for a in world.callers.answers if a.error and a.error.code == "too_many"]
    assert refused == [4, 5]
    world.settle()
    assert len(world.callers.answers) == 6
    assert world.links[0].reading


def test_the_answer_comes_also_when_the_connection_has_left() -> None:
    world = World(1)
    world.put(P, MILK, author=1, client=0)
    world.cut(0)
    world.settle()
    assert world.callers.answers == [Answer(1, 1, Cursor("epoch-1", 1))]


def test_a_subscription_without_a_message() -> None:
    world = World(1, store=stored("p"))
    connection, server = world.connection(0), world.server
    effects = server.subscribe(
        connection, P, world.now, since=Cursor("epoch-1", 1), parts=True, author="me"
    )
    answer, load = effects
    assert answer == Answer("me")
    assert isinstance(load, Load)
    (session,) = server._sessions.values()
    (subscription,) = session.subscriptions.values()
    assert json.loads(subscription.sub) == {
        "since": {"epoch": "epoch-1", "version": 1},
        "parts": True,
    }
    world._perform([load])
    world.finish(load.ticket)
    (message,) = world.links[0].inbox
    assert json.loads(message)["base"] == 1
    assert server.unsubscribe(connection, P, world.now, author="me") == [Answer("me")]
    assert not session.subscriptions
    assert server.unsubscribe(connection, Q, world.now) == []


def test_a_part_of_a_collection_without_a_message() -> None:
    world = World(1, store=stored("p", "q"))
    connection, server = world.connection(0), world.server
    part: dict[str, Any] = {"where": {"id": "q"}, "last": 1}
    answer, load = server.subscribe(connection, P, world.now, part=part, view="v", author="me")
    assert answer == Answer("me")
    world._perform([load])
    world.finish(load.ticket)  # type: ignore[union-attr]
    message = json.loads(world.links[0].inbox[-1])
    assert message["view"] == "v"
    assert [item["id"] for item in message["data"]["insert"]] == ["q"]
    (answer,) = server.get(P, world.now, author="a page", part={"last": 1})
    assert isinstance(answer, Answer)
    assert json.loads(answer.data)[0]["id"] == "q"  # type: ignore[arg-type]
    assert answer.at is not None
    assert answer.more
    (answer,) = server.get(P, world.now, author="a page", part={"where": {"a": []}})
    assert isinstance(answer, Answer)
    assert answer.error is not None
    assert answer.error.code == "bad_message"
    assert server.unsubscribe(connection, P, world.now, view="v", author=1) == [Answer(1)]
    mistakes: list[Any] = [[], {"where": {"a": float("nan")}}, {"where": {"a": object()}}]
    for wrong in mistakes:
        with pytest.raises((TypeError, ValueError), match="part: "):
            server.get(P, world.now, author="a page", part=wrong)


def test_a_subscription_that_cannot_be() -> None:
    world = World(1, limits=Limits(subscriptions=1))
    connection, server = world.connection(0), world.server
    (answer,) = server.subscribe(connection, "/a/nothing/c", world.now, author="me")
    assert isinstance(answer, Answer)
    assert answer.error is not None
    assert answer.error.code == "no_service"
    world._perform(server.subscribe(connection, P, world.now))
    (answer,) = server.subscribe(connection, Q, world.now, author="me")
    assert isinstance(answer, Answer)
    assert answer.error is not None
    assert answer.error.code == "too_many"
    with pytest.raises(TypeError, match=r"^since"):
        server.subscribe(connection, P, world.now, since="yesterday")  # type: ignore[arg-type]


def test_nothing_is_accepted_after_a_stop_and_what_was_is_finished() -> None:
    world = World(0)
    world.put(P, MILK, author=1)
    world.stop(10.0)
    world.put(P, MILK, author=2)
    world.get(P, author=3)
    world.finish(under_way(world, Commit).ticket)
    told = [(answer.author, answer.error and answer.error.code) for answer in world.callers.answers]
    assert told == [(2, "unavailable"), (3, "unavailable"), (1, None)]
    assert world.server.is_stopped


def test_what_is_put_off_is_answered_also_if_its_connection_ends() -> None:
    world = World(1, store=stored("p"))
    world.block(0)
    world.get("/clock", author="clock", client=0)
    world.get(P, author="read", client=0)
    world.put(P, MILK, author="write", client=0)
    world.cut(0)
    told = {a.author: a.error and a.error.code for a in world.callers.answers}
    assert told == dict.fromkeys(("clock", "read", "write"), "unavailable")
    assert not world.operations


def test_what_is_stored_is_told_also_if_its_connection_ends_blocked() -> None:
    world = World(1)
    world.block(0)
    world.put(P, MILK, author="me", client=0)
    world.finish(under_way(world, Commit).ticket)
    assert world.callers.waiting
    world.cut(0)
    assert world.callers.answers == [Answer("me", 1, Cursor("epoch-1", 1))]
    assert world.server.counters.updates == 1
