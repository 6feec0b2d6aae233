"""Lists of names: in pages, in turns, shared by those who ask meanwhile, and for nobody who has left."""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_core import (
    CollectionPath,
    Cursor,
    Limits,
    ListApps,
    ListCollections,
    Paging,
    Send,
    Server,
    Update,
)
from sharedstate_core.messages import SPLICED_BYTES, Spliced
from sharedstate_core.testing import MemoryStore, World
from sharedstate_core.wire.page import Page

from .scenes import hear, say, text, under_way

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_core.effects import Effect
    from sharedstate_core.testing import Asked

NAMES = [f"c{number}" for number in range(10)]


def holding(*paths: str) -> MemoryStore:
    """Return a store in which each of these collections holds an item."""
    store = MemoryStore()
    world = World(0, store=store)
    for path in paths:
        _, app, service, collection = path.split("/")
        where = CollectionPath(app, service, collection)
        world.commit_elsewhere(where, Update(insert={"p": text("p")}))
    return store


def many(limit: int = 4, clients: int = 1, **limits: Any) -> World:
    """A world whose store has ten collections of one app, more than the server lists at once."""
    store = holding(*[f"/a/items/{name}" for name in NAMES])
    return World(clients, limits=Limits(names=limit, **limits), store=store)


def ask(world: World, path: str, arg: object = None) -> Asked:
    asked = world.clients[0].ask("GET", path, arg)
    world.settle()
    assert asked.reply is not None
    return asked


# --- pages ----------------------------------------------------------------------------------------


def test_a_list_comes_in_pages() -> None:
    world, told, after, pages = many(), [], "", 0
    while True:
        asked = ask(world, "/a/items", {"after": after})
        assert asked.reply is not None
        names, more = asked.reply["data"], asked.reply.get("more")
        assert len(names) <= 4
        told += names
        pages += 1
        if more is None:
            break
        assert more is True
        after = names[-1]
    assert told == NAMES
    assert pages == 3


@pytest.mark.parametrize(
    ("arg", "names", "more"),
    [
        ({"limit": 2}, NAMES[:2], True),
        ({"limit": 1_000_000}, NAMES[:4], True),
        ({"after": "c7"}, NAMES[8:], None),
        ({"after": "c5", "limit": 4}, NAMES[6:], None),
        ({"after": "c4x", "limit": 4}, NAMES[5:9], True),
        ({"after": "d"}, [], None),
        ({"after": None, "limit": 3, "other": [1]}, NAMES[:3], True),
    ],
)
def test_which_page(arg: object, names: list[str], more: bool | None) -> None:
    asked = ask(many(), "/a/items", arg)
    assert asked.reply is not None
    assert (asked.reply["data"], asked.reply.get("more")) == (names, more)


@pytest.mark.parametrize("arg", [None, {}, [], 7, "after", {"after": None}, {"other": 1}])
def test_the_beginning_of_a_list_is_not_taken_for_the_whole(arg: object) -> None:
    """Level 1 knows no pages: what has no argument, or another one, is answered in full or not at all."""
    assert ask(many(), "/a/items", arg).code == "too_large"
    asked = ask(many(10), "/a/items", arg)
    assert asked.reply is not None
    assert asked.reply["data"] == NAMES
    assert "more" not in asked.reply


@pytest.mark.parametrize(
    "arg",
    [
        '{"after":7}',
        '{"after":["a"]}',
        '{"after":"\\ud800"}',
        f'{{"after":"{"é" * 65}"}}',
        '{"limit":0}',
        '{"limit":-1}',
        '{"limit":1.5}',
        '{"limit":"2"}',
        '{"limit":true}',
    ],
)
def test_what_is_no_page_is_refused(arg: str) -> None:
    server: Server[str] = Server(["items"])
    server.connection_opened("me")
    text = f'{{"type":"REQUEST","cmd":"GET","path":"/a/items","arg":{arg}}}'
    (effect,) = server.receive_text("me", text, 0.0)
    assert isinstance(effect, Send)
    assert b'"code":"bad_message"' in bytes(effect.message)
    place, _, _ = arg.strip('{"').partition('"')
    assert f'"data":"{place}: '.encode() in bytes(effect.message) or b"surrogate" in bytes(
        effect.message
    )


def test_the_apps_of_all_services_come_in_pages_together() -> None:
    store = holding("/a/x/c", "/c/x/c", "/d/x/c", "/b/y/c", "/c/y/c", "/e/y/c")
    world = World(store=store, services=("x", "y"), limits=Limits(names=2))
    pages = [ask(world, "/apps", {"after": after}).reply for after in ("", "b", "d")]
    assert [(page["data"], page.get("more")) for page in pages if page] == [
        (["a", "b"], True),
        (["c", "d"], True),
        (["e"], None),
    ]
    assert ask(world, "/apps").code == "too_large"


def test_of_the_services_that_hold_an_app_only_one_name_is_read() -> None:
    world = many(1)
    asked = world.clients[0].ask("GET", "/a", {"after": "z"})
    say(world)
    read = under_way(world, ListCollections)
    assert (read.after, read.limit) == ("", 1)
    world.settle()
    assert asked.reply is not None
    assert asked.reply["data"] == ["items"]


def test_storage_is_asked_for_one_name_more_than_the_page_has() -> None:
    world = many(4)
    world.clients[0].ask("GET", "/a/items", {"after": "c2"})
    say(world)
    read = under_way(world, ListCollections)
    assert (read.after, read.limit) == ("c2", 5)
    world.settle()
    world.clients[0].ask("GET", "/apps", {"after": "c", "limit": 2})
    say(world)
    apps = under_way(world, ListApps)
    assert (apps.after, apps.limit) == ("c", 3)


@pytest.mark.parametrize(
    "told",
    [
        NAMES,  # all of them, as if there were no pages
        NAMES[::-1],
        [*NAMES[5:], *NAMES],
        tuple(NAMES[3:8]),
        deque(NAMES[3:8]),
    ],
)
def test_a_storage_that_knows_no_pages_may_tell_all(told: Sequence[str]) -> None:
    world = many(4)
    asked = world.clients[0].ask("GET", "/a/items", {"after": "c2"})
    say(world)
    read = under_way(world, ListCollections)
    world.operations.clear()
    world._perform(world.server.list_succeeded(read.ticket, told, world.now))
    hear(world)
    assert asked.reply is not None
    assert (asked.reply["data"], asked.reply["more"]) == (NAMES[3:7], True)


def test_names_are_in_order_of_code_points() -> None:
    names = ["Z", "a", "\uffee", "\U0001f511"]
    world = World(store=holding(*[f"/a/items/{name}" for name in reversed(names)]))
    asked = ask(world, "/a/items", {"after": "Z", "limit": 2})
    assert asked.reply is not None
    assert asked.reply["data"] == names[1:3]


def test_the_program_asks_for_pages_too() -> None:
    world = many(4)
    world.get("/a/items", author=1, paging=Paging("c1", 3))
    world.get("/a/items", author=2, paging=Paging("c7"))
    world.get("/a/items", author=3)
    world.get("/a/items/c1", author=4, paging=Paging())
    world.settle()
    answers = {answer.author: answer for answer in world.callers.answers}
    assert (answers[1].data, answers[1].more) == (NAMES[2:5], True)
    assert (answers[2].data, answers[2].more) == (NAMES[8:], False)
    assert answers[3].error is not None
    assert answers[3].error.code == "too_large"
    assert answers[4].cursor == Cursor("epoch-1", 1)


@pytest.mark.parametrize(
    "paging",
    ["c1", {"after": "c1"}, Paging(7), Paging("\ud800"), Paging("", 0), Paging("", 1.5)],  # type: ignore[arg-type]
)
def test_what_is_no_page_is_raised_to_the_program(paging: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"^paging"):
        Server[str](["items"]).get("/a/items", 0.0, author=1, paging=paging)


# --- turns ----------------------------------------------------------------------------------------


def reads(world: World) -> list[str]:
    """Return the apps whose lists are being read."""
    effects = [operation.effect for operation in world.operations.values()]
    return [effect.app for effect in effects if isinstance(effect, ListCollections)]


def finish(world: World) -> None:
    (ticket,) = world.operations
    world.finish(ticket)


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


# --- answers --------------------------------------------------------------------------------------


def given(effects: Sequence[Effect[Any]]) -> int:
    return sum(len(bytes(effect.message)) for effect in effects if isinstance(effect, Send))


def test_one_input_answers_only_so_many() -> None:
    """A hundred who share a list do not get it in one step; the next inputs go on by themselves."""
    server: Server[int] = Server(["items"], Limits(window_bytes=10_000))
    names = [f"{number:0100}" for number in range(50)]
    request = '{"type":"REQUEST","cmd":"GET","path":"/a/items"}'
    for connection in range(100):
        server.connection_opened(connection)
    (first,) = server.receive_text(0, '{"type":"REQUEST","cmd":"GET","path":"/b/items"}', 0.0)
    assert isinstance(first, ListCollections)
    for connection in range(100):
        server.receive_text(connection, request, 0.0)
    effects = server.list_succeeded(first.ticket, [], 0.0)
    (second,) = (effect for effect in effects if isinstance(effect, ListCollections))
    steps = [server.list_succeeded(second.ticket, names, 0.0)]
    while (at := server.next_wakeup()) is not None:
        assert server.is_busy
        assert len(steps) < 100
        steps.append(server.wake(at))
    answered = [each.connections[0] for step in steps for each in step if isinstance(each, Send)]
    assert sorted(answered) == list(range(100))
    assert max(map(given, steps)) < 20_000
    assert not server.is_busy


def test_who_waits_for_another_list_does_not_wait_for_all_answers_to_the_first() -> None:
    server: Server[int] = Server(["items", "others"], Limits(window_bytes=10_000))
    names = [f"{number:0100}" for number in range(50)]
    request = '{"type":"REQUEST","cmd":"GET","path":"/%s"}'
    for connection in range(101):
        server.connection_opened(connection)
    (first,) = server.receive_text(0, request % "b/items", 0.0)
    for connection in range(1, 100):
        server.receive_text(connection, request % "a/items", 0.0)
    (other,) = server.receive_text(100, request % "a/others", 0.0)
    assert isinstance(first, ListCollections)
    assert isinstance(other, ListCollections)
    second, *_ = server.list_succeeded(first.ticket, [], 0.0)
    assert isinstance(second, ListCollections)
    server.list_succeeded(second.ticket, names, 0.0)
    effects = [*server.list_succeeded(other.ticket, names, 0.0), *server.wake(0.0)]
    assert (100,) in [each.connections for each in effects if isinstance(each, Send)]
    assert server.next_wakeup() == 0.0, "the others still wait"


def test_a_reader_who_cannot_take_a_list_asks_again_when_it_can() -> None:
    """Until then the list is kept nowhere; and what it gets is what there is then."""
    world = many(20, clients=2)
    world.clients[1].ask("GET", "/first/items")
    say(world, 1)
    asked = [world.clients[0].ask("GET", "/a/items") for _ in range(3)]
    say(world)
    world.block(0)
    finish(world)
    finish(world)
    assert not world.operations
    assert not world.server.is_busy
    world.commit_elsewhere(CollectionPath("a", "items", "x"), Update(insert={"p": text("p")}))
    world.drain(0)
    world.settle()
    assert [each.reply and each.reply["data"] for each in asked] == [[*NAMES, "x"]] * 3


def test_a_list_that_a_blocked_reader_asks_for_is_read_when_it_reads_on() -> None:
    world = many(10)
    world.block(0)
    asked = [world.clients[0].ask("GET", path) for path in ("/a/items", "/a", "/apps")]
    say(world)
    assert not world.operations
    world.drain(0)
    world.settle()
    assert [each.ok for each in asked] == [True] * 3


def test_a_connection_gets_no_more_than_its_window_of_lists() -> None:
    world = World(1, limits=Limits(window_bytes=1024), store=holding(f"/a/items/{'x' * 100}"))
    asked = [world.clients[0].ask("GET", "/a/items") for _ in range(60)]
    say(world)
    while world.operations:
        finish(world)
    assert sum(map(len, world.links[0].inbox)) < 2048
    world.settle()
    assert all(each.ok for each in asked)


LONG = [f"{number:0120}" for number in range(SPLICED_BYTES // 120 + 10)]
"""Names whose list is long enough to be spliced."""


def long_lists(clients: int, **limits: Any) -> World:
    store = MemoryStore()
    store.collections = lambda *_: LONG  # type: ignore[method-assign]
    return World(clients, limits=Limits(**limits), store=store)


def test_a_long_list_is_the_same_text_in_all_answers() -> None:
    server: Server[int] = Server(["items"])
    for connection in range(3):
        server.connection_opened(connection)
    request = '{"type":"REQUEST","cmd":"GET","path":"/%s/items","tunnel":%d}'
    (first,) = server.receive_text(0, request % ("first", 0), 0.0)
    for connection in range(3):
        server.receive_text(connection, request % ("a", connection), 0.0)
    assert isinstance(first, ListCollections)
    read, *_ = server.list_succeeded(first.ticket, [], 0.0)
    assert isinstance(read, ListCollections)
    sent = server.list_succeeded(read.ticket, LONG, 0.0)
    messages = [effect.message for effect in sent if isinstance(effect, Send)]
    for number, message in enumerate(messages):
        assert isinstance(message, Spliced)
        reply = json.loads(bytes(message))
        assert (reply["data"], reply["tunnel"]) == (LONG, number)
        assert len(bytes(message)) == len(message)
    bodies = [message.pieces[1:-1] for message in messages if isinstance(message, Spliced)]
    assert len(bodies) == 3
    assert all(one is other for body in bodies for one, other in zip(body, bodies[0], strict=True))


def test_those_who_read_long_lists_wait_for_room_and_are_not_closed() -> None:
    world = long_lists(8, owed_bytes=2 * SPLICED_BYTES, window_bytes=1000)
    asked = [client.ask("GET", f"/a{n}/items") for n, client in enumerate(world.clients)]
    for client in range(8):
        say(world, client)
    served = 0
    for _ in range(8):
        while world.operations:
            finish(world)
        world.advance(0.0)
        waiting = [message for link in world.links for message in link.inbox]
        assert sum(map(len, waiting)) < 4 * SPLICED_BYTES
        for client in range(8):
            hear(world, client)
            if world.links[client].draining:
                served += 1
                world.drain(client)
        world.advance(0.0)
    assert served == 8
    assert all(each.ok for each in asked)
    assert all(link.closed_with is None for link in world.links)


@pytest.mark.parametrize("end", ["answered", "failed", "left", "deferred"])
def test_who_waits_for_a_list_counts_as_waiting_for_storage(end: str) -> None:
    world = World(3, limits=Limits(pending_bytes=6000), store=holding("/a/items/c"))
    pending = world.server._registry.pending
    asked = [world.clients[0].ask("GET", f"/{app}/items") for app in "abcde"]
    say(world)
    assert pending.read_bytes > 6000
    hear(world)
    assert [each.code for each in asked] == [None, None, None, "unavailable", "unavailable"]
    assert world.clients[1].ask("GET", "/").reply is None
    if end == "left":
        world.cut(0)
    if end == "deferred":
        world.block(0)
    while world.operations:
        (ticket,) = world.operations
        if end == "failed":
            world.fail(ticket)
        else:
            world.finish(ticket)
    assert pending.read_bytes == 0
    world.settle()
    assert pending.read_bytes == 0
