"""The simple requests, and those that cannot be carried out."""

from __future__ import annotations

from typing import Any

import pytest

from sharedstate_core import (
    CollectionPath,
    Limits,
    ListApps,
    ListCollections,
    Load,
    Send,
    Server,
    Update,
)
from sharedstate_core.testing import World

from .scenes import P, hear, put, say, stored, text, under_way, watching


def answer(world: World, path: str, arg: object = None) -> object:
    asked = world.clients[0].ask("GET", path, arg)
    world.settle()
    assert asked.reply is not None
    return asked.reply["data"]


def test_get_root_names_the_services() -> None:
    world = World(services=("items", "other"))
    assert answer(world, "/") == ["items", "other"]
    assert answer(world, "") == ["items", "other"]
    assert answer(world, "///") == ["items", "other"]


def test_get_clock_counts_on_from_what_the_embedder_has_said() -> None:
    world = World()
    assert answer(world, "/clock") == answer(world, "clock/") == world.now
    world.server.set_clock(1_800_000_000.25, world.now)
    world.now += 0.5
    assert answer(world, "/clock") == 1_800_000_000.75


def test_the_clock_of_a_blocked_reader_is_read_when_it_reads_on() -> None:
    world = World()
    world.block(0)
    asked = world.clients[0].ask("GET", "/clock")
    say(world)
    world.now += 10.0
    world.drain(0)
    world.settle()
    assert asked.reply is not None
    assert asked.reply["data"] == world.now


def test_nobody_has_said_what_time_it_is() -> None:
    server: Server[str] = Server(["items"])
    server.connection_opened("me")
    text = '{"type":"REQUEST","cmd":"GET","path":"/clock"}'
    (effect,) = server.receive_text("me", text, 0.0)
    assert isinstance(effect, Send)
    assert b'"code":"unavailable"' in bytes(effect.message)


@pytest.mark.parametrize(
    ("wall", "now"), [(float("nan"), 0.0), (0.0, float("inf")), (None, 0.0), (0.0, "0")]
)
def test_what_is_no_time_is_refused(wall: Any, now: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"^(wall|now): expected"):
        Server[str](["items"]).set_clock(wall, now)


def test_get_subs_tells_what_is_subscribed() -> None:
    world = watching(1, parts=True)
    assert answer(world, "/subs") == [[P, {"parts": True}]]


def test_get_app_and_service_names_the_collections() -> None:
    world = World(store=stored("p"))
    asked = world.clients[0].ask("GET", "/a/items")
    say(world)
    listing = under_way(world, ListCollections)
    assert (listing.service, listing.app) == ("items", "a")
    assert world.server.is_busy
    world.settle()
    assert asked.reply is not None
    assert asked.reply["data"] == ["c"]
    assert not world.server.is_busy


def test_get_apps_names_the_apps_of_all_services() -> None:
    world = World(store=stored("p"), services=("others", "items"))
    for app, service in (("z", "others"), ("b", "others"), ("b", "items"), ("apps", "items")):
        world.commit_elsewhere(CollectionPath(app, service, "x"), Update(insert={"p": text("p")}))
    world.commit_elsewhere(CollectionPath("z", "others", "x"), Update(("p",)))
    asked = world.clients[0].ask("GET", "/apps")
    say(world)
    effects = [operation.effect for operation in world.operations.values()]
    assert [each.service for each in effects if isinstance(each, ListApps)] == ["others", "items"]
    for ticket in list(reversed(world.operations)):
        assert asked.reply is None
        world.finish(ticket)
        hear(world)
    assert asked.reply is not None
    assert asked.reply["data"] == ["a", "apps", "b"]


def test_apps_that_one_service_cannot_tell_are_not_told_in_part() -> None:
    world = World(store=stored("p"), services=("others", "items"))
    asked = world.clients[0].ask("GET", "/apps")
    say(world)
    first, last = world.operations
    world.fail(first)
    world.finish(last)
    hear(world)
    assert asked.code == "unavailable"


def test_without_services_there_are_no_apps() -> None:
    assert answer(World(services=()), "/apps") == []


def test_a_listing_that_fails_is_answered_unavailable() -> None:
    world = World()
    asked = world.clients[0].ask("GET", "/a/items")
    say(world)
    world.fail(under_way(world, ListCollections).ticket)
    hear(world)
    assert asked.code == "unavailable"


def listings(world: World) -> dict[str, int]:
    """Return the tickets of the listings under way, by service."""
    effects = [operation.effect for operation in world.operations.values()]
    found = [effect for effect in effects if isinstance(effect, ListCollections)]
    assert all(effect.app == "a" for effect in found)
    return {effect.service: effect.ticket for effect in found}


def test_get_app_names_the_services_that_hold_collections_of_it() -> None:
    """In the order of `GET /`, however storage answers."""
    world = World(store=stored("p"), services=("others", "items", "more"))
    world.commit_elsewhere(CollectionPath("a", "more", "x"), Update(insert={"p": text("p")}))
    asked = world.clients[0].ask("GET", "/a")
    say(world)
    for service in ("more", "others", "items"):
        assert asked.reply is None
        assert world.server.is_busy
        world.finish(listings(world)[service])
        hear(world)
    assert asked.reply is not None
    assert asked.reply["data"] == ["items", "more"]
    assert not world.server.is_busy
    assert answer(world, "/nobody/") == []


def test_get_app_fails_if_one_storage_cannot_tell() -> None:
    world = World(store=stored("p"), services=("items", "others"))
    asked = world.clients[0].ask("GET", "/a")
    say(world)
    world.fail(listings(world)["others"])
    hear(world)
    assert asked.reply is None
    world.finish(listings(world)["items"])
    hear(world)
    assert asked.code == "unavailable"
    assert not world.server.is_busy


def test_get_app_of_a_client_that_has_left() -> None:
    world = World(store=stored("p"), services=("items", "others"))
    world.clients[0].ask("GET", "/a")
    say(world)
    world.cut(0)
    for ticket in listings(world).values():
        world.finish(ticket)
    assert not world.server.is_busy


def test_get_app_without_a_service() -> None:
    assert answer(World(services=()), "/a") == []


def test_get_collection_tells_items_in_order_and_the_state() -> None:
    world = World(store=stored("q", "p"))
    asked = world.clients[0].ask("GET", P)
    world.settle()
    assert asked.reply is not None
    assert [item["id"] for item in asked.reply["data"]] == ["q", "p"]
    assert asked.cursor == ("epoch-1", 2)


def test_a_collection_nobody_wrote_to_is_empty_at_version_0() -> None:
    world = World()
    asked = world.clients[0].ask("GET", P)
    world.settle()
    assert (asked.items, asked.cursor) == ([], ("epoch-1", 0))


@pytest.mark.parametrize(
    ("cmd", "path", "code"),
    [
        ("GET", "/a/b/c/d", "bad_path"),
        ("PUT", "/a", "bad_path"),
        ("GET", "/a/items/c/d", "bad_path"),
        ("GET", "/a/items/..", "bad_path"),
        ("PUT", "/", "bad_path"),
        ("PUT", "/clock", "bad_path"),
        ("PUT", "/a/items", "bad_path"),
        ("GET", "/a/nothing", "no_service"),
        ("GET", "/a/nothing/c", "no_service"),
        ("PUT", "/a/nothing/c", "no_service"),
        ("PUT", P, "bad_update"),
        ("PUT", "/subs", "bad_message"),
    ],
)
def test_what_cannot_be_done_is_answered_with_a_code(cmd: str, path: str, code: str) -> None:
    world = World()
    asked = world.clients[0].ask("GET" if cmd == "GET" else "PUT", path)
    say(world)
    hear(world)
    assert asked.code == code
    assert asked.reply is not None
    assert asked.reply["data"] == asked.reply["error"]["message"]
    assert not world.operations
    assert not world.server._registry._collections


def test_a_load_that_fails_is_answered_unavailable_and_not_tried_again_for_a_reader() -> None:
    world = World(store=stored("p"))
    asked = world.clients[0].ask("GET", P)
    say(world)
    world.fail(under_way(world, Load).ticket)
    hear(world)
    assert asked.code == "unavailable"
    assert not world.server._registry._collections
    assert world.server.next_wakeup() is None


def test_the_number_of_unanswered_requests_is_bounded() -> None:
    world = World(limits=Limits(unanswered=4))
    asked = [world.clients[0].ask("GET", f"/{app}/items") for app in "abcde"]
    for _ in range(2):
        world.to_server(0)
    assert world.links[0].reading
    world.to_server(0)
    assert not world.links[0].reading  # more than half
    say(world)
    hear(world)
    assert [a.code for a in asked] == [None, None, None, None, "too_many"]
    for left in (3, 2, 1, 0):
        assert world.links[0].reading == (left < 1)
        (ticket,) = world.operations  # the others wait for their turn
        world.finish(ticket)
    assert world.links[0].reading  # at a quarter
    hear(world)
    assert all(a.ok for a in asked[:4])


def test_the_bytes_of_unanswered_requests_are_bounded() -> None:
    world = watching(1, limits=Limits(held_bytes=2000))
    put(world, 0, "x" * 200)
    assert world.links[0].reading
    world.clients[0].put(P, insert=[{"id": "p", "long": "x" * 1000}])
    say(world)
    assert not world.links[0].reading
    world.settle()
    assert world.links[0].reading
