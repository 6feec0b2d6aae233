"""The World and its clients notice a server that breaks its promises."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sharedstate_core import Close, Commit, Cursor, Effect, Load, Send, Update
from sharedstate_core.testing import (
    Client,
    Connection,
    ContractError,
    World,
    check_copies,
    check_requests,
    check_rest,
)

from .scenes import PATH, P, put, say, stored, text, under_way, watching


def notify(base: int, version: int, *insert: str, **rest: Any) -> bytes:
    data = {
        "remove": [],
        "insert": [{"id": id} for id in insert],
        "reset": rest.pop("reset", False),
    }
    message = {"type": "MESSAGE", "cmd": "NOTIFY", "path": P, "data": data, "epoch": "e"}
    return msgspec.json.encode(message | {"base": base, "version": version} | rest)


def reply(tunnel: int, cmd: str = "PUT", **rest: Any) -> bytes:
    message = {"type": "REPLY", "cmd": cmd, "tunnel": tunnel, "ok": True, "data": 1}
    return msgspec.json.encode(message | rest)


def subscribed() -> Client:
    """A client that holds an empty copy, in step at version 1."""
    client = Client()
    client.put_subs({P: {}})
    client.receive(reply(0, data=[[P, {}]]))
    client.receive(notify(0, 1, reset=True))
    return client


@pytest.mark.parametrize(
    ("message", "broken"),
    [
        (notify(2, 3, "p"), "a change from .* but the copy is at"),
        (notify(1, 2, "p", epoch="f"), "a change from"),
        (notify(1, 1, "p"), "from .* to"),
        (notify(0, 1, reset=True), "from .* to"),
        (notify(0, 0, reset=True), "from .* to"),
        (notify(1, 2, "p", "p"), "an item comes twice"),
        (notify(1, 2, path="/b/items/c"), "for what is not subscribed"),
        (notify(0, 2, reset=True, more=True), "parts for one who did not ask"),
        (notify(1, 2, cmd="TELL"), "what is this"),
        (reply(0), "answers nothing that waits"),
        (reply(7), "answers nothing that waits"),
    ],
)
def test_a_client_refuses_what_breaks_the_protocol(message: bytes, broken: str) -> None:
    client = subscribed()
    with pytest.raises(ContractError, match=broken):
        client.receive(message)


def test_a_client_refuses_what_empties_a_copy_for_no_reason() -> None:
    client = subscribed()
    client.receive(notify(0, 0, reset=True, epoch=""))
    with pytest.raises(ContractError, match="emptied, and it does not end"):
        client.receive(notify(0, 2, "p", epoch=""))


@pytest.mark.parametrize(
    ("rest", "broken"),
    [
        ({"epoch": "e", "version": 2}, "the writer's own copy is at"),
        ({}, "without a version"),
        ({"cmd": "GET"}, "names another cmd"),
    ],
)
def test_a_client_refuses_a_wrong_acknowledgement(rest: dict[str, Any], broken: str) -> None:
    client = subscribed()
    asked = client.put(P, insert=[{"id": "p"}])
    with pytest.raises(ContractError, match=broken):
        client.receive(reply(asked.tunnel, **rest))


def test_an_acknowledgement_concerns_the_copies_of_its_collection_only() -> None:
    client = subscribed()
    asked = client.put("/a/items/d", insert=[{"id": "p"}])
    client.receive(reply(asked.tunnel, epoch="e", version=2))
    assert asked.cursor == ("e", 2)


def test_an_acknowledgement_before_the_copy_is_synchronised_is_refused() -> None:
    client = Client()
    client.put_subs({P: {}})
    asked = client.put(P, insert=[{"id": "p"}])
    client.receive(reply(0, data=[[P, {}]]))
    with pytest.raises(ContractError, match="before the copy was synchronised"):
        client.receive(reply(asked.tunnel, epoch="e", version=1))


@pytest.mark.parametrize(
    ("effects", "broken"),
    [
        ([Send((Connection(0, 9),), b"{}")], "is closed, but the server uses it"),
        ([Close(Connection(0, 1), 1008, ""), Send((Connection(0, 1),), b"{}")], "goes on using it"),
        ([Send((Connection(1, 2),), b"{}")], "a reader that is blocked"),
        ([Load(1, PATH, None), Commit(2, PATH, [])], "while .* is under way"),
    ],
)
def test_the_world_refuses_effects_against_the_rules(
    effects: list[Effect[Connection]], broken: str
) -> None:
    world = World(2)
    world.block(1)
    with pytest.raises(ContractError, match=broken):
        world._perform(effects)


def test_the_world_keeps_its_own_side() -> None:
    world = watching(1)
    world.block(0)
    with pytest.raises(ContractError, match="paused"):
        world.to_server(0)
    put(world, 0, "p")
    ticket = under_way(world, Commit).ticket
    world.execute(ticket)
    with pytest.raises(ContractError, match="has been carried out"):
        world.fail(ticket)
    world.cut(0)
    with pytest.raises(ValueError, match="no connection"):
        world.cut(0)


def test_settle_says_who_still_waits() -> None:
    world = watching(1, "p")
    world.clients[0].ask("GET", "/")
    say(world)
    world.links[0].inbox.clear()
    with pytest.raises(ContractError, match="somebody still waits"):
        world.settle()


def test_the_checks_notice_a_copy_that_never_was() -> None:
    world = watching(1, "p", "q")
    copy = world.clients[0].copies[P]
    copy.state = {"q": text("q"), "p": text("p")}  # only the order is wrong
    with pytest.raises(ContractError, match="client 0 shows"):
        check_copies(world)
    copy.cursor = Cursor("epoch-1", 7)
    with pytest.raises(ContractError, match="which never was"):
        check_copies(world)
    with pytest.raises(ContractError, match="the store at"):
        check_rest(world)
    world.clients[0].wanted["/a/items/d"] = {}
    with pytest.raises(ContractError, match="it is not subscribed"):
        check_rest(world)
    world.clients[0].ask("GET", "/")
    with pytest.raises(ContractError, match="waits for"):
        check_rest(world)


def test_the_checks_notice_requests_that_were_answered_wrongly() -> None:
    world = World(store=stored("p"))
    client = world.clients[0]
    asked = [client.put(P, insert=[{"id": "q"}]), client.ask("GET", P)]
    world.settle()
    check_requests(world)
    first, read = (a.reply for a in asked)
    assert first is not None
    assert read is not None

    items, asked[1].items = asked[1].items, []
    with pytest.raises(ContractError, match="read"):
        check_requests(world)
    asked[1].items = items

    asked[0].update = Update(insert={"r": text("r")})
    with pytest.raises(ContractError, match="the store does not hold it"):
        check_requests(world)
    asked[0].update = world.store.history(PATH)[2].update

    read["version"], asked[1].items = 1, [text("p")]
    with pytest.raises(ContractError, match="before an earlier request"):
        check_requests(world)

    first["ok"], first["error"] = False, {"code": "unavailable"}
    with pytest.raises(ContractError, match="answered as failed"):
        check_requests(world)
    first["error"]["outcome"] = "unknown"
    check_requests(world)


def test_a_check_of_a_reply_without_error_code_finds_none() -> None:
    client = Client()
    asked = client.ask("GET", "/")
    assert (asked.ok, asked.code, asked.cursor) == (False, None, None)
    client.receive(reply(0, "GET", data=["items"]))
    assert (asked.ok, asked.code, asked.cursor) == (True, None, None)


def test_a_new_store_is_told_of_collections_that_nobody_has_written_to() -> None:
    world = watching(1)
    world.start_anew("epoch-2")
    world.settle()
    assert world.clients[0].copies[P].cursor == Cursor("epoch-2", 0)
