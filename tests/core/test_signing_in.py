"""Whose a connection is: what waits until that is known, who has to sign in."""

from __future__ import annotations

from typing import Any

import pytest

from sharedstate_core import (
    Access,
    Authenticate,
    Close,
    Limits,
    LocalProtocolError,
    PauseReading,
    Server,
    Update,
)
from sharedstate_core.testing import World

from .scenes import PATH, P, hear, put, say, text
from .users import REQUIRED, accept, data, error, private, sign_in, signed_in

# --- the session ------------------------------------------------------------------------------------


def test_what_a_server_says_of_itself() -> None:
    world = World(limits=Limits(items=7, unanswered=9))
    [put, get] = [world.clients[0].ask(cmd, "/session") for cmd in ("PUT", "GET")]
    world.settle()
    assert data(put) == data(get)
    assert data(put)["features"] == ["session", "where", "last", "fields", "patch", "op"]
    assert data(put)["limits"]["items"] == 7
    assert data(put)["limits"]["unanswered"] == 9
    assert (data(put)["id"], data(put)["user"], data(put)["expires"]) == (None, None, None)


def test_a_session_is_known_by_the_hash_of_its_key() -> None:
    world = World(2)
    keys = ["a-key-of-16-chars", "a-key-of-16-chars"]
    asked = [
        client.ask("PUT", "/session", {"key": key})
        for client, key in zip(world.clients, keys, strict=True)
    ]
    later = world.clients[0].ask("GET", "/session")
    world.settle()
    assert data(asked[0])["id"] == data(asked[1])["id"] == data(later)["id"]
    assert len(data(later)["id"]) == 16
    assert "a-key" not in data(later)["id"]


@pytest.mark.parametrize(
    ("arg", "told"),
    [
        (7, "arg: expected"),
        ({"key": 7}, "key: expected"),
        ({"key": "short"}, "key: expected 16 to 128 characters"),
        ({"key": "x" * 129}, "key: expected 16 to 128 characters"),
        ({"token": 7}, "token: expected"),
        ({"token": "x" * 8193}, "the token is longer than 8192 characters"),
    ],
)
def test_what_cannot_be_a_session(arg: object, told: str) -> None:
    world = private()
    asked = world.clients[0].ask("PUT", "/session", arg)
    world.settle()
    assert not asked.ok
    assert told in asked.reply["error"]["message"]  # type: ignore[index]
    assert not world.proofs


def test_where_nobody_signs_in_a_token_is_of_no_interest() -> None:
    world = World()
    asked = sign_in(world)
    assert not world.proofs
    world.settle()
    assert asked.ok
    assert data(asked)["user"] is None


# --- what waits -------------------------------------------------------------------------------------


def test_what_comes_after_waits_and_is_answered_for_the_user() -> None:
    world = private(1, "x")
    client = world.clients[0]
    client.token = "ann"
    client.ask("PUT", "/session", {"token": "ann"})
    subs, read = client.put_subs({P: {}}), client.ask("GET", P)
    world.all_to_server(0)
    assert not world.links[0].reading
    assert not world.operations
    assert hear(world) == []
    accept(world, {"id": "ann", "role": "editor"})
    assert world.links[0].reading
    world.settle()
    assert client.user == {"id": "ann", "role": "editor"}
    assert subs.ok
    assert read.ok
    assert list(client.copies[P].state) == ["x"]


def test_a_transport_that_reads_on_loses_nothing_and_keeps_the_order() -> None:
    world = private(1, "x")
    sign_in(world)
    writes = [put(world, 0, id) for id in "abc"]
    assert not world.operations
    accept(world)
    world.settle()
    assert all(write.ok for write in writes)
    assert list(world.store.state(PATH)) == ["x", "a", "b", "c"]


def test_a_program_that_asks_for_the_connection_waits_too() -> None:
    world = private(1, "x")
    sign_in(world)
    world.put(P, Update(insert={"y": text("y")}), "me", client=0)
    assert not world.operations
    accept(world)
    assert len(world.operations) == 1
    world.settle()
    assert "y" in world.store.state(PATH)


def test_one_proof_is_looked_into_at_a_time() -> None:
    world = private(1, "x")
    asked = [sign_in(world, token) for token in ("ann", "bob", "eve")]
    read = world.clients[0].ask("GET", P)
    say(world)
    for _ in asked:
        assert len(world.proofs) == 1
        assert not world.operations
        accept(world)
    world.settle()
    assert [data(each)["user"]["id"] for each in asked] == ["ann", "bob", "eve"]
    assert read.ok


def test_too_much_that_waits() -> None:
    world = private(1, limits=Limits(unanswered=3))
    sign_in(world)
    for _ in range(4):
        world.clients[0].ask("GET", "/clock")
        if world.links[0].connection is not None:
            say(world)
    assert world.links[0].closed_with == 1008
    accept(world)  # too late


def test_too_many_bytes_that_wait() -> None:
    world = private(1, limits=Limits(held_bytes=1000))
    sign_in(world)
    world.clients[0].ask("GET", "/" + "x" * 1000)
    say(world)
    assert world.links[0].closed_with == 1008


def test_a_connection_that_ends_meanwhile() -> None:
    world = private()
    sign_in(world)
    world.put(P, Update(insert={"y": text("y")}), "me", client=0)
    world.cut(0)
    [answer] = world.callers.answers
    assert answer.error is not None
    accept(world)
    assert not world.operations
    world.settle()


def test_a_proof_that_came_with_the_connection() -> None:
    server: Server[str] = Server(["items"], access=REQUIRED)
    server.set_clock(0.0, 0.0)
    [pause, question] = server.connection_opened("me", has_proof=True)
    assert isinstance(pause, PauseReading)
    assert isinstance(question, Authenticate)
    assert question.token is None
    assert server.receive_text("me", '{"type":"REQUEST","cmd":"GET","path":"/session"}', 0.0) == []
    effects = server.authenticated(question.ticket, {"id": "ann"}, 0.0)
    assert b'"user":{"id":"ann"}' in bytes(effects[-1].message)  # type: ignore[union-attr]
    assert server.users() == {"me": {"id": "ann"}}


def test_without_an_access_nothing_is_looked_into() -> None:
    server: Server[str] = Server(["items"])
    assert server.connection_opened("me", has_proof=True) == []


def test_a_stop_waits_until_it_is_known() -> None:
    world = private()
    sign_in(world)
    world.stop(5.0)
    assert world.server.is_busy
    accept(world)
    assert world.server.is_stopped


# --- who has to sign in -----------------------------------------------------------------------------


def test_who_has_not_signed_in_may_ask_for_the_time_alone() -> None:
    world = private(1, "x")
    client = world.clients[0]
    world.get("/clock", "me", client=0)
    assert world.callers.answers[0].data == world.now
    refused = [
        client.ask("GET", P),
        client.ask("GET", "/"),
        client.ask("GET", "/a/items"),
        client.ask("GET", "/subs"),
        client.ask("PUT", P, {"insert": [{"id": "y"}]}),
        client.ask("PUT", "/subs", {"insert": [[P, {}]]}),
    ]
    allowed = [client.ask("GET", "/clock"), client.ask("GET", "/session")]
    world.settle()
    assert {error(asked) for asked in refused} == {("unauthenticated", "missing")}
    assert all(asked.ok for asked in allowed)
    assert list(world.store.state(PATH)) == ["x"]


def test_a_program_that_asks_for_a_connection_is_bound_by_its_user() -> None:
    world = private(1, "x")
    world.get(P, "me", client=0)
    world.put(P, Update(insert={"y": text("y")}), "me too", client=0)
    world.get(P, "the program itself")
    world.settle()
    errors = {answer.author: answer.error for answer in world.callers.answers}
    assert [getattr(errors[each], "code", None) for each in ("me", "me too")] == [
        "unauthenticated"
    ] * 2
    assert errors["the program itself"] is None


def test_whoever_does_not_sign_in_in_time_is_closed() -> None:
    world = private(2, access=Access(required=True, deadline_seconds=5.0))
    world.now += 1000.0  # no input has come for long
    world.advance(0.0)
    sign_in(world, client=1)
    accept(world)
    world.advance(4.9)
    assert world.links[0].closed_with is None
    world.advance(0.2)
    assert world.links[0].closed_with == 1008
    assert world.links[1].closed_with is None
    world.advance(1000.0)
    assert world.links[1].closed_with is None


def test_who_need_not_sign_in_is_not_closed() -> None:
    world = private(1, access=Access())
    world.advance(1000.0)
    asked = world.clients[0].ask("GET", P)
    world.settle()
    assert asked.ok


@pytest.mark.parametrize("reason", ["invalid", "expired", "revoked", "unavailable"])
def test_a_proof_that_fails(reason: Any) -> None:
    world = private(1, "x")
    asked = sign_in(world)
    [ticket] = world.proofs
    world.decline(ticket, reason)
    read = world.clients[0].ask("GET", P)
    world.settle()
    assert error(asked) == error(read) == ("unauthenticated", reason)


def test_a_proof_that_fails_changes_nothing_for_whoever_is_signed_in() -> None:
    world = signed_in("x")
    asked = sign_in(world, "nonsense")
    [ticket] = world.proofs
    world.decline(ticket)
    world.settle()
    assert error(asked) == ("unauthenticated", "invalid")
    assert world.server.users() == {world.connection(0): {"id": "ann"}}
    assert list(world.clients[0].copies[P].state) == ["x"]


# --- what an embedder gets wrong --------------------------------------------------------------------


@pytest.mark.parametrize(
    "user", ["ann", {}, {"id": 7}, {"id": ""}, {"id": "x", "f": object()}, {"id": "x" * 17_000}]
)
def test_what_cannot_be_a_user(user: Any) -> None:
    world = private()
    sign_in(world)
    [ticket] = world.proofs
    with pytest.raises((TypeError, ValueError), match="user"):
        world.server.authenticated(ticket, user, world.now)
    world.accept(ticket)


def test_tickets_that_are_not_there() -> None:
    world = private()
    sign_in(world)
    [ticket] = world.proofs
    for wrong in (ticket + 1, True, 1.0):
        with pytest.raises(LocalProtocolError):
            world.server.authenticated(wrong, None, world.now)  # type: ignore[arg-type]
    with pytest.raises(LocalProtocolError):
        world.server.commit_failed(ticket, "no", world.now, outcome_unknown=False)
    with pytest.raises(ValueError, match="reason: expected one of missing, "):
        world.server.authentication_failed(ticket, "bad mood", world.now)  # type: ignore[arg-type]
    world.accept(ticket)
    with pytest.raises(LocalProtocolError):
        world.server.authenticated(ticket, None, world.now)


def test_a_token_that_expires_needs_a_clock() -> None:
    server: Server[str] = Server(["items"], access=REQUIRED)
    [_, question] = server.connection_opened("me", has_proof=True)
    assert isinstance(question, Authenticate)
    with pytest.raises(LocalProtocolError, match="set_clock"):
        server.authenticated(question.ticket, {"id": "ann"}, 0.0, 60.0)
    assert Close not in map(type, server.authenticated(question.ticket, {"id": "ann"}, 0.0))


def test_a_token_is_not_shown() -> None:
    assert "secret" not in repr(Authenticate(1, "me", "secret"))
    assert "token=None" in repr(Authenticate(1, "me", None))


@pytest.mark.parametrize("wrong", [{"required": 1}, {"deadline_seconds": 0}, {"grace_seconds": -1}])
def test_what_cannot_be_demanded(wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        Access(**wrong)
    with pytest.raises(TypeError, match="access: expected an Access"):
        Server(["items"], access=wrong)
