"""Lists of names come in pages: which one is asked for, and what one holds."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_core import Cursor, Limits, ListApps, ListCollections, Paging, Send, Server
from sharedstate_core.testing import World

from .lists import NAMES, holding, many
from .scenes import hear, say, under_way

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_core.testing import Asked


def ask(world: World, path: str, arg: object = None) -> Asked:
    asked = world.clients[0].ask("GET", path, arg)
    world.settle()
    assert asked.reply is not None
    return asked


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
