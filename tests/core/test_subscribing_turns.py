"""Large requests for subscriptions: by turns, and with the same result as at once."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharedstate_core import (
    Effect,
    Limits,
    PauseReading,
    Send,
    Server,
    Update,
)
from sharedstate_core.errors import CLOSE_GOING_AWAY, CLOSE_SENT_AWAY
from sharedstate_core.testing import MemoryStore, World, check_copies, check_requests

from .examining import ANN, BOB, NEWS, access, change, watching
from .scenes import PATH, P, hear, kinds, put, say, text, turns

if TYPE_CHECKING:
    from sharedstate_core.testing import Asked

AT_ONCE = 3
LIMITS = Limits(turn_items=10 * AT_ONCE, linger_seconds=1.0)
PATHS = [f"/a/items/{n}" for n in range(4 * AT_ONCE)]
WHERE = {"or": [{"n": n} for n in range(3)]}


def ask(world: World, paths: list[str] = PATHS, *, client: int = 0, **rest: Any) -> Asked:
    """Ask for collections; the server receives it."""
    asked = world.clients[client].put_subs({path: {} for path in paths}, **rest)
    say(world, client)
    return asked


def used(world: World) -> tuple[int, int]:
    """The memory that subscriptions take, and how many collections are in use."""
    registry = world.server._registry
    return registry.subscribed, len(registry)


# --- the same result ------------------------------------------------------------------------------

SUBS: list[Any] = [
    {},
    {"parts": True},
    {"parts": 1},
    {"where": {"n": 1}},
    {"where": {"n": {"gt": 1}}},
    {"where": {"n": {"is": 1}}},
    {"where": WHERE, "view": "v"},
    {"last": 3, "view": "w"},
    {"last": 0},
    {"fields": ["n"], "view": "v"},
    {"x": "y" * 300},
    {"x": "y" * 5000},
    {"since": {"epoch": "e", "version": 1}},
]
NAMES = [*(f"/a/items/{n}" for n in range(6)), "a/items//1", "/a//items/1", "/a/other/1", "/a", ""]


def request(chance: random.Random) -> dict[str, Any]:
    """An argument of `PUT /subs`."""
    choice = chance.choice
    names: list[Any] = [choice(NAMES) for _ in range(chance.randrange(6))]
    names += [[choice(NAMES), choice("vw")] for _ in range(chance.randrange(3))]
    insert = [[choice(NAMES), choice(SUBS)] for _ in range(chance.randrange(25))]
    is_brief, is_reset = chance.random() < 0.3, chance.random() < 0.2
    return {"insert": insert, "remove": names, "brief": is_brief, "reset": is_reset}


def heard(server: Server[int], arg: Any) -> list[Any]:
    """What a connection is sent after a request, until nothing is left to do."""
    message = {"type": "REQUEST", "cmd": "PUT", "path": "/subs", "arg": arg, "tunnel": 0}
    todo = server.receive_text(0, json.dumps(message), 0.0)
    effects: list[Effect[int]] = list(todo)
    while server.next_wakeup() == 0.0:
        effects += server.wake(0.0)
    sent = [bytes(each.message) for each in effects if isinstance(each, Send)]
    others = [type(each).__name__ for each in effects if not isinstance(each, Send)]
    reading = {"PauseReading", "ResumeReading"}
    return [sent, sorted(name for name in others if name not in reading)]


@given(st.integers(0, 1 << 40))
def test_it_is_the_same_as_at_once(seed: int) -> None:
    chance = random.Random(seed)
    bounds: dict[str, Any] = {
        "subscriptions": chance.choice([8, 20]),
        "collections": chance.choice([3, 20]),
        "subscription_bytes": chance.choice([30_000, 1 << 20]),
        "views": chance.choice([2, 20]),
        "scanned_views": chance.choice([1, 20]),
        "loads": 100,
    }
    servers = [Server[int](["items"], Limits(turn_items=n, **bounds)) for n in (20, 10_000)]
    for server in servers:
        server.connection_opened(0)
    for _ in range(4):
        arg = request(chance)
        by_turns, at_once = (heard(server, arg) for server in servers)
        assert by_turns == at_once
    by_turns, at_once = ([*s._sessions[0].subscriptions.names()] for s in servers)
    assert by_turns == at_once
    assert servers[0]._registry.subscribed == servers[1]._registry.subscribed


# --- meanwhile ------------------------------------------------------------------------------------


def test_a_small_request_is_carried_out_at_once() -> None:
    world = World(limits=LIMITS)
    asked = world.clients[0].put_subs({path: {} for path in PATHS[:AT_ONCE]})
    say(world)
    assert kinds(hear(world))[0] == asked.tunnel
    assert world.links[0].reading


def test_the_reply_comes_before_what_begins_and_the_rest_goes_on() -> None:
    world = World(2, limits=LIMITS, store=MemoryStore())
    ask(world, [P])
    world.settle()
    asked = ask(world)
    assert not world.links[0].reading
    for n in range(2):
        world.clients[1].put(PATHS[0], insert=[{"id": f"{n}"}])
        put(world, 1, f"{n}")
        for ticket in [*world.operations]:
            world.finish(ticket)
        assert world.server.census().subscriptions == 1
        assert [each.get("path") for each in hear(world)] == [P]
        world.turn()
    world.settle()
    assert turns(world) == 0
    assert world.links[0].reading
    assert asked.reply["data"] == [[path, {}] for path in [P, *PATHS]]
    assert world.server.census().subscriptions == 1 + len(PATHS)
    check_copies(world)


def test_what_goes_is_told_until_the_reply_and_not_after_it() -> None:
    world = World(limits=LIMITS, store=MemoryStore())
    ask(world, [P])
    world.settle()
    asked = ask(world, reset=True)
    for n in range(2):
        world.put(P, Update(insert={f"{n}": text(f"{n}")}), n)
        for ticket in [*world.operations]:
            world.finish(ticket)
        assert [each["path"] for each in hear(world)] == [P]
    while asked.reply is None:
        world.turn()
        hear(world)
    world.put(P, Update(insert={"z": text("z")}), "z")
    world.settle()
    assert set(world.clients[0].subscribed) == set(PATHS)


def test_later_requests_wait_in_order() -> None:
    world = World(limits=LIMITS, store=MemoryStore())
    client = world.clients[0]
    asked = [ask(world)]
    asked += [client.ask("GET", "/subs"), ask(world, ["/a/items/x", *PATHS], reset=True)]
    asked += [client.ask("GET", "/clock"), client.put_subs({}, ["/a/items/x"])]
    say(world)
    world.put(PATHS[0], Update(insert={"z": text("z")}), "me", client=0)
    assert hear(world) == []
    assert not world.callers.answers
    world.settle()
    assert [each.tunnel for each in asked if each.ok] == [each.tunnel for each in asked]
    lists = [[path for path, _ in asked[n].reply["data"]] for n in (1, 2, 4)]  # type: ignore[index]
    assert lists == [PATHS, ["/a/items/x", *PATHS], PATHS]
    [answer] = world.callers.answers
    assert answer.error is None
    check_requests(world)
    check_copies(world)


def test_requests_that_came_together_are_not_taken_together() -> None:
    server: Server[int] = Server(["items"], LIMITS)
    server.connection_opened(0)
    server.set_clock(1e9, 0.0)
    arg = {"insert": [[path, {}] for path in PATHS]}
    first = json.dumps({"type": "REQUEST", "cmd": "PUT", "path": "/subs", "arg": arg})
    second = json.dumps({"type": "REQUEST", "cmd": "GET", "path": "/clock"})
    texts = iter([first, second])
    assert server.receive_texts(0, texts, 0.0) == [PauseReading(0)]
    assert [*texts] == [second]


def test_a_connection_that_ends_gives_back_what_was_admitted() -> None:
    world = World(2, limits=LIMITS, store=MemoryStore())
    ask(world, [P, PATHS[0]], client=1)
    world.settle()
    before = used(world)
    ask(world)
    world.turn()
    world.put(PATHS[0], Update(insert={"y": text("y")}), "me", client=0)
    assert used(world) > before
    world.cut(0)
    [answer] = world.callers.answers
    assert answer.error is not None
    turns(world)
    assert used(world) == before
    world.settle()
    check_copies(world)


def test_a_view_that_was_admitted_goes_with_the_connection() -> None:
    world = World(2, limits=LIMITS, store=MemoryStore())
    ask(world, [P], client=1)
    world.settle()
    world.clients[0].put_subs({(P, "v"): {"where": WHERE}} | {path: {} for path in PATHS})
    say(world)
    collection = world.server._registry.get(PATH)
    assert collection is not None
    assert collection.views is not None
    [view] = collection.views._views.values()
    assert view.readers == 1
    world.cut(0)
    assert view.readers == 0


def test_a_slow_reader_has_its_reply_when_it_has_drained() -> None:
    world = World(limits=LIMITS, store=MemoryStore())
    asked = ask(world)
    world.block(0)
    assert turns(world) > 1
    assert hear(world) == []
    world.drain(0)
    world.settle()
    assert asked.ok
    assert set(world.clients[0].copies) == set(PATHS)
    check_copies(world)


def test_a_reader_that_gets_what_it_is_owed_by_turns_is_answered() -> None:
    paths = [f"/a/items/more{n}" for n in range(3 * AT_ONCE)]
    world = World(limits=LIMITS, store=MemoryStore())
    for start in range(0, len(paths), AT_ONCE):
        ask(world, paths[start : start + AT_ONCE])
    world.settle()
    world.block(0)
    change(world, *paths)
    asked = ask(world)
    world.drain(0)
    turns(world)
    world.settle()
    assert asked.ok
    assert set(world.clients[0].copies) == {*paths, *PATHS}
    check_copies(world)


def test_all_of_it_is_done_before_a_stop() -> None:
    world = World(limits=LIMITS, store=MemoryStore())
    asked = ask(world)
    world.stop(10.0)
    assert world.links[0].closed_with is None
    turns(world)
    hear(world)
    assert asked.ok
    for ticket in [*world.operations]:
        world.finish(ticket)
    assert world.links[0].closed_with == CLOSE_GOING_AWAY


# --- bounds ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "sub", "most"),
    [
        ({"collections": 15}, {}, 15),
        ({"subscription_bytes": 15 * 5000}, {}, None),
        ({"views": 5}, {"where": WHERE}, None),
    ],
)
def test_what_is_admitted_counts_from_then_on(
    limits: dict[str, Any], sub: dict[str, Any], most: int | None
) -> None:
    bounds = Limits(turn_items=10 * AT_ONCE, linger_seconds=0.0, **limits)
    world = World(2, limits=bounds, store=MemoryStore())
    for client in (0, 1):
        name = f"/a/items/{client}-" if "where" not in sub else "//" * client + P
        subs: dict[Any, Any] = {f"{name}{n}": sub for n in range(4 * AT_ONCE)}
        if "where" in sub:
            filters = ({"where": {"n": n + 100 * client}} for n in range(4 * AT_ONCE))
            subs = {(P, f"v{n}"): each for n, each in enumerate(filters)}
        world.clients[client].put_subs(subs)
        say(world, client)
    turns(world)
    accepted = [len(world.server._sessions[world.connection(n)].subscriptions) for n in (0, 1)]
    registry = world.server._registry
    if most is not None:
        assert sum(accepted) == most
    elif "views" in limits:
        assert sum(accepted) == 5
    else:
        assert 10 < sum(accepted) < 20
    assert min(accepted) > 0  # they took turns
    assert registry.subscribed <= bounds.subscription_bytes
    world.settle()
    check_copies(world)


# --- users and rules ------------------------------------------------------------------------------


def test_rules_that_change_meanwhile_decide() -> None:
    world = watching("ann", paths=[], rules=(NEWS, ANN), limits=LIMITS)
    asked = ask(world, [*PATHS, NEWS["path"]])
    world.clients[0].ask("GET", "/subs")
    say(world)
    world.turn()
    world.change_access(access(NEWS, BOB))
    world.settle()
    assert asked.reply["data"] == [[NEWS["path"], {}]]  # type: ignore[index]
    errors = asked.reply["errors"]  # type: ignore[index]
    assert [(path, error["code"]) for path, error in errors] == [(p, "forbidden") for p in PATHS]
    assert world.server.census().subscriptions == 1
    check_requests(world)
    assert world.clients[0].asked[-1].reply["data"] == asked.reply["data"]  # type: ignore[index]
    turns(world)
    world.advance(5.0)
    assert used(world)[1] == 1
    check_copies(world)


def test_rules_that_change_for_a_slow_reader_decide_once_it_has_drained() -> None:
    world = watching("ann", paths=[], rules=(NEWS, ANN), limits=LIMITS)
    asked = ask(world, [*PATHS, NEWS["path"]])
    world.block(0)
    world.change_access(access(NEWS, BOB))
    assert turns(world) < 3
    world.drain(0)
    world.settle()
    assert asked.reply["data"] == [[NEWS["path"], {}]]  # type: ignore[index]


def test_what_is_examined_meanwhile_is_taken_back_first() -> None:
    world = watching("ann", paths=PATHS[:AT_ONCE], limits=LIMITS)
    asked = ask(world, PATHS[AT_ONCE:])
    world.change_access(access(BOB))
    told = []
    while asked.reply is None:
        world.turn()
        told += hear(world)
    assert [each["cmd"] for each in told] == ["NOTIFY", "END"] * AT_ONCE + ["PUT"]
    assert asked.reply["data"] == []
    world.settle()
    check_copies(world)


def test_what_has_yet_to_be_examined_is_not_taken_for_what_may_stay() -> None:
    """A large request that comes between a change of the rules and the examination names what is there, too."""
    world = watching("ann", paths=PATHS[:1], limits=LIMITS)
    world.change_access(access(BOB))
    asked = ask(world, PATHS)
    told = []
    while asked.reply is None:
        world.turn()
        told += hear(world)
    assert [each["cmd"] for each in told] == ["NOTIFY", "END", "PUT"]
    assert asked.reply["data"] == []
    world.settle()
    check_copies(world)


def test_a_user_that_expires_meanwhile_is_refused() -> None:
    world = watching("ann", paths=[], rules=(ANN,), limits=LIMITS)
    world.change_access(access(ANN, required=True, grace_seconds=0.0))
    world.settle()
    asked = ask(world)
    world.withdraw(0)
    while asked.reply is None:
        world.turn()
        hear(world)
    assert asked.code == "unauthenticated"
    turns(world)
    assert used(world) == (0, 0)


def test_who_is_sent_away_meanwhile_gives_back_what_was_admitted() -> None:
    world = watching("ann", paths=[], limits=LIMITS)
    ask(world)
    world.send_away(0)
    turns(world)
    assert world.links[0].closed_with == CLOSE_SENT_AWAY
    assert used(world) == (0, 0)
