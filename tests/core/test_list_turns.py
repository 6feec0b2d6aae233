"""Lists of names are read in turns, shared by those who ask meanwhile, and for nobody who has left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sharedstate_core import CollectionPath, ListCollections, Update
from sharedstate_core.testing import World
from sharedstate_core.wire.page import Page

from .lists import finish, holding, many
from .scenes import hear, say, text

if TYPE_CHECKING:
    from collections.abc import Sequence


def reads(world: World) -> list[str]:
    """Return the apps whose lists are being read."""
    effects = [operation.effect for operation in world.operations.values()]
    return [effect.app for effect in effects if isinstance(effect, ListCollections)]


def test_one_list_of_a_service_is_read_at_once_and_connections_take_turns() -> None:
    world = World(3)
    for number in range(5):
        world.clients[0].ask("GET", f"/a{number}/items")
    world.clients[1].ask("GET", "/b/items")
    world.clients[2].ask("GET", "/c/items")
    for client in range(3):
        say(world, client)
    order = []
    while world.operations:
        order += reads(world)
        finish(world)
    assert order == ["a0", "a1", "b", "c", "a2", "a3", "a4"]


def test_services_do_not_wait_for_one_another() -> None:
    world = World(services=("items", "others"))
    for path in ("/a/items", "/b/items", "/c/others"):
        world.clients[0].ask("GET", path)
    say(world)
    assert reads(world) == ["a", "c"]


def test_those_who_ask_meanwhile_share_one_list() -> None:
    """Not the one that is being read: they may know of a collection that was written after it began."""
    world = World(20, store=holding("/a/items/c"))
    first = world.clients[0].ask("GET", "/a/items")
    say(world)
    world.execute(next(iter(world.operations)))
    world.commit_elsewhere(CollectionPath("a", "items", "d"), Update(insert={"p": text("p")}))
    later = [client.ask("GET", "/a/items") for client in world.clients for _ in range(3)]
    for client in range(20):
        say(world, client)
    assert reads(world) == ["a"]
    finish(world)
    hear(world)
    assert first.reply is not None
    assert first.reply["data"] == ["c"]
    assert reads(world) == ["a"]
    finish(world)
    for client in range(20):
        hear(world, client)
    assert [each.reply and each.reply["data"] for each in later] == [["c", "d"]] * 60
    assert not world.operations


def test_who_asks_for_another_page_does_not_share_it() -> None:
    world = many(4, clients=2)
    for arg in (None, {"after": "c3"}, {"limit": 2}, {"after": ""}, {"limit": 4}):
        world.clients[0].ask("GET", "/a/items", arg)
    world.clients[1].ask("GET", "/a/items", {"after": "c3"})
    say(world)
    say(world, 1)
    count = 0
    while world.operations:
        count += 1
        finish(world)
    assert count == 4  # the first alone; what is left shares three


def test_a_list_of_several_services_is_shared_until_its_first_part_begins() -> None:
    world = World(2, store=holding("/a/x/c"), services=("x", "y"))
    world.clients[0].ask("GET", "/other/y")
    asked = [world.clients[0].ask("GET", "/a"), world.clients[0].ask("GET", "/a")]
    say(world)
    assert len(world.operations) == 2  # the other list, and service x for the first of these
    asked.append(world.clients[1].ask("GET", "/a"))
    say(world, 1)
    assert len(world.operations) == 2
    world.settle()
    assert [each.reply and each.reply["data"] for each in asked] == [["x"]] * 3


def test_a_list_is_not_read_for_those_who_have_left() -> None:
    world = World(3, store=holding("/a/items/c"))
    world.clients[2].ask("GET", "/first/items")
    say(world, 2)
    for app in ("a", "b", "shared"):
        world.clients[0].ask("GET", f"/{app}/items")
    asked = world.clients[1].ask("GET", "/shared/items")
    say(world)
    say(world, 1)
    world.cut(0)
    order = []
    while world.operations:
        order += reads(world)
        finish(world)
    assert order == ["first", "shared"]
    hear(world, 1)
    assert asked.ok
    assert not world.server.is_busy


def test_a_list_of_several_services_is_dropped_with_its_author() -> None:
    world = World(2, services=("x", "y"))
    world.clients[1].ask("GET", "/first/y")
    say(world, 1)
    world.clients[0].ask("GET", "/a")
    say(world)
    assert reads(world) == ["first", "a"]
    world.cut(0)
    for ticket in list(world.operations):
        world.finish(ticket)
    assert not world.operations
    assert not world.server.is_busy


def test_a_list_that_nobody_waits_for_any_more_is_not_encoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = many(10, clients=2)
    for client in (0, 1):
        world.clients[client].ask("GET", "/a/items")
        say(world, client)
    world.cut(0)
    world.cut(1)
    monkeypatch.setattr(Page, "text", property(lambda _: pytest.fail("it is encoded")))
    while world.operations:
        finish(world)


def test_a_list_is_encoded_once_however_many_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pages: list[Page] = []
    init = Page.__init__

    def counted(page: Page, names: Sequence[str], *, more: bool = False) -> None:
        init(page, names, more=more)
        pages.append(page)

    monkeypatch.setattr(Page, "__init__", counted)
    world = many(10, clients=20)
    world.clients[0].ask("GET", "/first/items")
    say(world)
    for client in range(20):
        world.clients[client].ask("GET", "/a/items")
        say(world, client)
    world.settle()
    assert len(pages) == 2
    assert pages[1].text is pages[1].text


def test_an_author_in_the_program_is_answered_though_its_connection_has_left() -> None:
    world = World(2)
    world.clients[1].ask("GET", "/first/items")
    say(world, 1)
    world.get("/a/items", author="waits", client=0)
    world.get("/b/items", author="nobody's")
    world.cut(0)
    world.settle()
    errors = {answer.author: answer.error for answer in world.callers.answers}
    assert errors["nobody's"] is None
    assert errors["waits"] is not None
    assert errors["waits"].code == "unavailable"
