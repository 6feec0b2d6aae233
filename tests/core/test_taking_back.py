"""What is taken back once a connection has another user, or none, and until when it has one."""

from __future__ import annotations

import pytest

from sharedstate_core import Update
from sharedstate_core.testing import ContractError, World

from .scenes import PATH, P, hear, say, text
from .users import accept, data, error, private, sign_in, signed_in


def test_signing_out_takes_back_what_was_shown() -> None:
    world = signed_in("x")
    asked = sign_in(world, None)
    told = hear(world)
    assert [each["cmd"] for each in told] == ["NOTIFY", "END", "PUT"]
    assert told[0]["data"] == {"remove": [], "insert": [], "reset": True}
    assert (told[0]["epoch"], told[0]["version"]) == ("", 0)
    assert told[1]["path"] == P
    assert told[1]["error"]["code"] == "unauthenticated"
    assert data(asked)["user"] is None
    put_elsewhere(world)
    assert hear(world) == []


def test_whoever_goes_on_after_an_end_is_sent_everything() -> None:
    world = signed_in("x")
    sign_in(world, None)
    hear(world)
    sign_in(world)
    accept(world)
    client = world.clients[0]
    client.put_subs({P: {"since": {"epoch": "", "version": 0}}})
    world.settle()
    assert list(client.copies[P].state) == ["x"]


def put_elsewhere(world: World) -> None:
    world.commit_elsewhere(PATH, Update(insert={"z": text("z")}))
    world.tell(PATH)
    world.carry_everything()


def test_a_user_who_stays_keeps_the_subscriptions() -> None:
    world = signed_in("x")
    sign_in(world, "bob")
    accept(world)
    assert [each["cmd"] for each in hear(world)] == ["PUT"]
    put_elsewhere(world)
    assert list(world.clients[0].copies[P].state) == ["x", "z"]


def test_a_token_that_expires() -> None:
    world = signed_in("x", expires=1060.0)
    world.advance(59.0)
    assert hear(world) == []
    world.advance(2.0)
    [told] = hear(world)
    assert (told["cmd"], told["reason"]) == ("SESSION", "expires")
    assert told["data"] == {"user": {"id": "ann"}, "expires": 1060.0}
    world.advance(30.0)
    taken_back = hear(world)
    assert [each["cmd"] for each in taken_back] == ["NOTIFY", "END", "SESSION"]
    assert taken_back[2]["reason"] == "expired"
    assert taken_back[2]["data"] == {"user": None, "expires": None}
    read = world.clients[0].ask("GET", P)
    world.carry_everything()
    assert error(read) == ("unauthenticated", "expired")
    world.advance(10.0)
    assert world.links[0].closed_with == 1008


def test_a_new_token_in_time() -> None:
    world = signed_in("x", expires=1060.0)
    world.advance(70.0)
    hear(world)
    sign_in(world)
    accept(world, expires=1200.0)
    assert [each["cmd"] for each in hear(world)] == ["PUT"]
    world.advance(100.0)
    assert hear(world) == []
    world.advance(40.0)
    assert [each["reason"] for each in hear(world)] == ["expires"]


def test_the_clock_is_set_while_a_token_is_valid() -> None:
    world = signed_in(expires=1060.0)
    world.server.set_clock(world.now - 100.0, world.now)
    world.advance(100.0)
    assert hear(world) == []
    world.advance(70.0)
    assert [each["reason"] for each in hear(world)] == ["expires"]


def test_a_token_that_has_expired_when_it_is_known() -> None:
    world = private()
    asked = sign_in(world)
    accept(world, expires=world.now)
    world.carry_everything()
    assert error(asked) == ("unauthenticated", "expired")


def test_a_user_is_sent_away() -> None:
    world = signed_in("x")
    world.send_away(0)
    assert world.links[0].closed_with == 4403


def test_a_read_that_waits_for_storage_is_not_answered_for_somebody_else() -> None:
    world = signed_in("x", watching=False)
    read, names = (world.clients[0].ask("GET", path) for path in (P, "/a/items"))
    say(world)
    sign_in(world, None)
    world.settle()
    assert error(read) == error(names) == ("unauthenticated", "missing")


def test_a_read_that_waits_for_its_reader_is_not_answered_for_somebody_else() -> None:
    world = signed_in("x")
    world.block(0)
    read = world.clients[0].ask("GET", P)
    say(world)
    sign_in(world, None)
    world.drain(0)
    world.settle()
    assert error(read) == ("unauthenticated", "missing")


def test_a_blocked_reader_is_not_brought_up_to_date_any_more() -> None:
    world = signed_in("x")
    world.block(0)
    put_elsewhere(world)
    sign_in(world, None)
    world.drain(0)
    told = hear(world)
    assert [each["cmd"] for each in told] == ["NOTIFY", "END", "PUT"]
    assert told[0]["data"]["insert"] == []


def test_a_subscription_that_has_shown_nothing_ends_without_a_notification() -> None:
    world = signed_in("x", watching=False)
    world.clients[0].put_subs({P: {}})
    say(world)
    hear(world)
    sign_in(world, None)
    assert [each["cmd"] for each in hear(world)] == ["END", "PUT"]
    world.settle()


def test_a_subscription_that_resumes_is_emptied_although_it_has_been_told_nothing_yet() -> None:
    world = signed_in("x")
    world.cut(0)
    world.clients[0].token = "ann"
    world.advance(100.0)  # the collection is not in memory any more
    world.connect(0)
    say(world)
    accept(world)
    hear(world)
    sign_in(world, None)
    assert [each["cmd"] for each in hear(world)] == ["NOTIFY", "END", "PUT"]


def test_the_client_of_the_tests_finds_what_is_not_taken_back() -> None:
    world = signed_in("x")
    with pytest.raises(ContractError, match="it has ended, but shows something"):
        world.clients[0].receive(b'{"type":"MESSAGE","cmd":"END","path":"%b"}' % P.encode())
