"""A user is sent away, on all connections: by an admin, or by the program around the server."""

from __future__ import annotations

from typing import Any

import pytest

from sharedstate_core import Access, Limits
from sharedstate_core.errors import CLOSE_SENT_AWAY
from sharedstate_core.rules.rules import Rules
from sharedstate_core.testing import World
from tests.support.work import LONG_TURN, work_of

from .scenes import hear, say, turns

ADMINS: Any = [
    {"path": "/a/items/*", "read": "user != null", "admin": True},
    {"path": "/{app}/*/*", "admin": "user.role == 'admin' && (app == 'b' || true)"},
]
ANN, BOB, ROOT = {"id": "ann"}, {"id": "bob"}, {"id": "root", "role": "admin"}


def world_of(*users: Any, rules: Any = ADMINS, limits: Limits | None = None) -> World:
    """A world with a client for each user; None has not signed in."""
    access = None if rules is None else Access(rules=Rules.parse(rules))
    world = World(len(users), access=access, limits=limits)
    for client, user in enumerate(users):
        if user is not None:
            become(world, user, client)
    return world


def become(world: World, user: Any, client: int) -> None:
    world.clients[client].ask("PUT", "/session", {"token": "t"})
    say(world, client)
    for ticket in [*world.proofs]:
        world.accept(ticket, user)
    hear(world, client)


def kick(world: World, arg: Any, client: int = 0) -> Any:
    asked = world.clients[client].ask("PUT", "/kick", arg)
    say(world, client)
    hear(world, client)
    return asked


def test_who_is_about_to_sign_in_as_the_user_does_not() -> None:
    world = world_of(ROOT, ANN, None, None, None)
    asked = [world.clients[each].ask("PUT", "/session", {"token": "t"}) for each in (2, 3)]
    for each in (2, 3):
        say(world, each)
    early = [*world.proofs]
    kick(world, {"user": "ann"})
    late = world.clients[4].ask("PUT", "/session", {"token": "t"})
    say(world, 4)
    [last] = {*world.proofs} - {*early}
    for ticket, user in zip((last, *early), (ANN, ANN, BOB), strict=True):
        world.accept(ticket, user)
    turns(world)
    for each in range(2, 5):
        hear(world, each)
    replies: list[Any] = [each.reply for each in (*asked, late)]
    assert replies[0]["error"]["reason"] == "revoked"
    assert [each["data"]["user"] for each in replies[1:]] == [BOB, ANN]
    assert world.server.connections_of("ann") == 1


def test_a_kick_is_forgotten_once_nobody_is_about_to_sign_in_from_before_it() -> None:
    world = world_of(ROOT, None, None)
    users = world.server._identities.users
    for number in range(20):
        client = 1 + number % 2
        world.clients[client].ask("PUT", "/session", {"token": "t"})
        say(world, client)
        kick(world, {"user": f"user {number}"})
        if number:
            world.decline(min(world.proofs))
    assert len(users._latest) <= 2
    world.decline(min(world.proofs))
    assert not users._latest


def closed(world: World) -> list[int | None]:
    return [link.closed_with for link in world.links]


def test_an_admin_sends_a_user_away() -> None:
    world = world_of(ROOT, ANN, BOB, ANN)
    asked = kick(world, {"user": "ann"})
    assert asked.reply["data"] == 2
    turns(world)
    assert closed(world) == [None, CLOSE_SENT_AWAY, None, CLOSE_SENT_AWAY]
    assert kick(world, {"user": "ann"}).reply["data"] == 0
    assert world.server.next_wakeup() is None


def test_an_admin_who_goes_is_answered_first() -> None:
    world = world_of(ROOT)
    assert kick(world, {"user": "root"}).reply["data"] == 1
    turns(world)
    assert closed(world) == [CLOSE_SENT_AWAY]


@pytest.mark.parametrize(
    ("user", "rules", "code"),
    [
        (ANN, ADMINS, "forbidden"),
        (None, ADMINS, "unauthenticated"),
        (ROOT, ADMINS[:1], "forbidden"),
        (ROOT, [{"path": "/*/*/x*", "admin": True}], "forbidden"),
        (None, None, "forbidden"),
    ],
)
def test_who_may_not(user: Any, rules: Any, code: str) -> None:
    world = world_of(user, ANN, rules=rules)
    assert kick(world, {"user": "ann"}).code == code
    turns(world)
    assert closed(world) == [None, None]


@pytest.mark.parametrize("arg", [None, 7, {}, {"user": 7}, {"user": None}])
def test_what_names_nobody(arg: Any) -> None:
    assert kick(world_of(ROOT), arg).code == "bad_message"


def test_an_app_may_have_that_name_all_the_same() -> None:
    world = world_of(ROOT)
    assert world.clients[0].ask("GET", "/kick/items") is not None
    world.settle()
    refused = world.clients[0].ask("PUT", "/kick/items", {"user": "ann"})
    world.settle()
    assert refused.code == "bad_path"


def test_whoever_is_somebody_else_by_then_stays() -> None:
    world = world_of(ANN, ANN)
    world.kick("ann")
    become(world, BOB, 0)
    turns(world)
    assert closed(world) == [None, CLOSE_SENT_AWAY]


def test_whoever_has_left_by_then_is_forgotten() -> None:
    world = world_of(ANN, ANN)
    world.kick("ann")
    world.cut(0)
    assert world.server.connections_of("ann") == 1
    turns(world)
    assert world.server.connections_of("ann") == 0
    assert world.server.next_wakeup() is None


def test_many_are_sent_away_by_turns() -> None:
    world = world_of(*[ANN] * 30, limits=Limits(turn_items=40))
    for client in world.clients:
        client.put_subs({"/a/items/x": {}})
    world.settle()
    assert work_of(lambda: world.kick("ann")) < LONG_TURN
    assert closed(world) == [None] * 30
    assert turns(world) >= 15
    assert closed(world) == [CLOSE_SENT_AWAY] * 30


def test_an_id_is_a_text() -> None:
    world = world_of(ANN)
    with pytest.raises(TypeError, match="user"):
        world.server.kick(7, world.now)  # type: ignore[arg-type]
