"""The World's clients hold parts of collections, and notice a server that breaks its promises about them."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from sharedstate_core import Update
from sharedstate_core.testing import Client, ContractError, World, check_copies, check_rest
from sharedstate_core.testing.filters import shown
from sharedstate_core.testing.records import Copy

from .scenes import PATH, P

ODD = (P, "odd")


STATE = {
    id: msgspec.json.encode({"id": id, "n": n, "t": "x"})
    for id, n in zip("abcd", (1, 2, 1, 1), strict=True)
}


def notify(base: int, version: int, *insert: str, at: Any = None, **rest: Any) -> bytes:
    items = [{"id": id, "n": 1} for id in insert]
    data = {"remove": rest.pop("remove", []), "insert": items, "reset": rest.pop("reset", False)}
    message: dict[str, Any] = {
        "type": "MESSAGE",
        "cmd": "NOTIFY",
        "path": P,
        "view": "odd",
        "data": data,
    }
    message |= {"epoch": "e", "base": base, "version": version} | rest
    return msgspec.json.encode(message if at is None else message | {"at": at})


def reply(client: Client, *, ok: bool = True, **rest: Any) -> bytes:
    asked = client.waiting[0]
    message = {"type": "REPLY", "cmd": "PUT", "tunnel": asked.tunnel, "ok": ok, "data": 1} | rest
    if ok and asked.path == "/subs" and "data" not in rest:
        message["data"] = asked.arg["insert"]
    return msgspec.json.encode(message)


def subscribed(**asked: Any) -> Client:
    """A client that holds the item b of a view, in step at version 5."""
    client = Client()
    client.subscribe(P, view="odd", **(asked or {"where": {"n": 1}}))
    client.receive(reply(client))
    client.receive(notify(0, 5, "b", at=[[2, 0]], reset=True, scope="s"))
    return client


def test_a_view_is_asked_for_by_name_and_resumed_with_its_scope() -> None:
    client = subscribed(where={"n": 1}, last=3, fields=["n"], parts=True)
    sub = {"where": {"n": 1}, "last": 3, "fields": ["n"], "parts": True, "view": "odd"}
    assert json.loads(client.outbox[0])["arg"]["insert"] == [[P, sub]]
    client.disconnected()
    client.connected()
    since = {"epoch": "e", "version": 5, "scope": "s"}
    assert json.loads(client.outbox[0])["arg"]["insert"] == [[P, sub | {"since": since}]]
    client.disconnected()
    client.subscribe(P, view="odd", where={"n": 2})
    assert json.loads(client.outbox[0])["arg"]["insert"] == [
        [P, {"where": {"n": 2}, "view": "odd"}]
    ]
    client.put_subs({}, remove=[ODD])
    assert json.loads(client.outbox[1])["arg"]["remove"] == [[P, "odd"]]


def test_its_copy_is_in_the_order_of_the_places() -> None:
    client = subscribed()
    client.receive(notify(5, 7, "c", "a", at=[[3, 0], [1, 0]]))
    client.receive(notify(7, 9, "b", at=[[9, 0]]))
    assert list(client.copies[ODD].state) == ["a", "c", "b"]
    client.receive(notify(9, 9 + 1, remove=["a"], at=[]))
    assert list(client.copies[ODD].places) == ["c", "b"]


@pytest.mark.parametrize(
    ("asked", "message", "broken"),
    [
        ({}, notify(5, 6, "c"), "a part without places"),
        ({}, notify(5, 6), "a part without places"),
        ({}, notify(5, 6, "c", at=[]), "0 places of 1 items"),
        ({}, notify(5, 6, "c", at=[[2, 0]]), "two items in one place"),
        ({"last": 1}, notify(5, 6, "c", at=[[3, 0]]), "more than the last ones"),
        ({"fields": ["a"]}, notify(5, 6, at=[]), "more than the fields asked for"),
        ({}, notify(5, 6, view="even", at=[]), "for what is not subscribed"),
        ({}, notify(4, 6, at=[]), "but the copy is at"),
    ],
)
def test_broken_promises(asked: dict[str, Any], message: bytes, broken: str) -> None:
    with pytest.raises(ContractError, match=broken):
        subscribed(**asked).receive(message)


def test_a_writer_sees_that_its_update_is_stored_before_it_is_told() -> None:
    client = subscribed()
    client.put(P, insert=[{"id": "x"}])
    with pytest.raises(ContractError, match=r"acknowledged at .* but the writer's own copy is at"):
        client.receive(reply(client, epoch="e", version=6))


def test_a_writer_sees_what_it_conflicts_with_soon() -> None:
    world = World(1)
    world.commit_elsewhere(PATH, Update(insert=STATE))
    cursor = world.store.head(PATH)
    client = world.clients[0]
    client.subscribe(P, where={"n": 1})
    client.receive(reply(client))
    client.copies[P] = Copy(cursor, {id: STATE[id] for id in "acd"}, sub={"where": {"n": 1}})
    client.put(P, insert=[{"id": "x"}], condition=(cursor, None))
    error = {"code": "conflict"}
    version = cursor.version + 1
    client.receive(reply(client, ok=False, epoch=cursor.epoch, version=version, error=error))
    with pytest.raises(ContractError, match="has a conflict at"):
        check_rest(world)


def test_a_refusal_and_an_end_name_the_view() -> None:
    client = subscribed()
    client.receive(notify(5, 6, reset=True, at=[], epoch=""))
    end = {"type": "MESSAGE", "cmd": "END", "path": P, "view": "odd"}
    client.receive(msgspec.json.encode(end))
    assert (client.copies, client.wanted) == ({}, {})
    client = subscribed()
    client.subscribe(P, view="odd", where={"n": 2})
    errors = [[P, {"code": "forbidden"}, "odd"]]
    client.receive(reply(client, data=[], errors=errors))
    assert client.copies == {}


def test_what_a_filter_shows() -> None:
    assert list(shown(STATE, {"where": {"n": 1}})) == ["a", "c", "d"]
    assert list(shown(STATE, {"last": 2})) == ["c", "d"]
    assert list(shown(STATE, {"last": 9})) == ["a", "b", "c", "d"]
    assert shown(STATE, {"where": {"n": 1}, "last": 1, "fields": ["t"]}) == {
        "d": {"id": "d", "t": "x"}
    }


@pytest.mark.parametrize(
    ("sub", "ids"),
    [({"where": {"n": 1}}, "ac"), ({"where": {"n": 1}}, "abcd"), ({"last": 2}, "cdb"), ({}, "ab")],
)
def test_a_copy_of_something_else_is_noticed(sub: dict[str, Any], ids: str) -> None:
    world = World(1)
    world.commit_elsewhere(PATH, Update(insert=STATE))
    cursor = world.store.head(PATH)
    right = {id: STATE[id] for id in shown(STATE, sub)}
    world.clients[0].copies[P] = Copy(cursor, right, sub=sub)
    check_copies(world)
    world.clients[0].copies[P] = Copy(cursor, {id: STATE[id] for id in ids}, sub=sub)
    with pytest.raises(ContractError, match="the store had"):
        check_copies(world)
