"""The client's state machine, where neither its simulation nor the conversation by hand leads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sharedstate_core import Cursor
from sharedstate_core.client import (
    Changed,
    ClientEffect,
    ClientProtocol,
    Fault,
    SendText,
    Settled,
    Synced,
)

from .by_hand import PATH, in_sync, notification


def notify(insert: str, remove: str = "", **members: Any) -> str:
    """Return a notification; an id is one letter."""
    return notification([{"id": id} for id in insert], list(remove), **members)


def agree(client: ClientProtocol, asked: int = 2) -> None:
    reply = {"type": "REPLY", "tunnel": f"subs{asked}", "ok": True, "data": [[PATH, {}]]}
    assert client.receive_text(json.dumps(reply)) == []


def told_ids(effects: list[ClientEffect]) -> list[str]:
    [changed] = effects
    assert isinstance(changed, Changed)
    return [diff.id for diff in changed.diffs]


def test_without_a_connection_nothing_is_sent() -> None:
    client = in_sync("a")
    client.connection_lost()
    assert client.acquire("/app/items/other") == client.release(PATH) == []
    assert client.request("GET", PATH)[1] == []


def test_losing_what_is_lost_does_nothing() -> None:
    client = in_sync("a")
    assert client.connection_lost() == client.connection_lost() == []
    assert client.receive_text(notify("b", base=5, version=6)) == []
    assert list(client.items(PATH)) == ["a"]


def test_a_snapshot_that_begins_again_counts_from_there() -> None:
    client = in_sync("a")
    assert client.receive_text(notify("xy", base=0, version=8, reset=True, more=True)) == []
    effects = client.receive_text(notify("z", base=0, version=8, reset=True))
    assert told_ids(effects) == ["a", "z"]
    assert list(client.items(PATH)) == ["z"]


def test_a_part_may_remove() -> None:
    client = in_sync("a")
    assert client.receive_text(notify("xy", base=0, version=8, reset=True, more=True)) == []
    client.receive_text(notify("z", "x", base=0, version=8))
    assert list(client.items(PATH)) == ["y", "z"]


def test_a_change_may_come_in_parts() -> None:
    client = in_sync("a")
    assert client.receive_text(notify("b", "a", base=5, version=8, more=True)) == []
    assert set(told_ids(client.receive_text(notify("c", "b", base=5, version=8)))) == {"a", "c"}
    assert list(client.items(PATH)) == ["c"]


def test_parts_that_never_end_are_dropped_for_what_follows() -> None:
    client = in_sync("a")
    client.receive_text(notify("x", base=0, version=8, reset=True, more=True))
    assert told_ids(client.receive_text(notify("b", base=5, version=6))) == ["b"]
    assert list(client.items(PATH)) == ["a", "b"]
    assert client.cursor(PATH) == Cursor("e", 6)


@pytest.mark.parametrize("old", ["subs1", "subs3", "subs22", "subs", "subs-2", "subs²", "subs02x"])
def test_only_the_reply_to_the_last_asking_counts(old: str) -> None:
    client = ClientProtocol()
    client.connection_opened()
    client.acquire(PATH)
    client.connection_lost()
    client.connection_opened()
    refusal = {"type": "REPLY", "tunnel": old, "ok": False, "data": "no"}
    effects = client.receive_text(json.dumps(refusal))
    nobody_asked = old != "subs1"
    assert [type(each) for each in effects] == [Fault] * nobody_asked
    agree(client)
    effects = client.receive_text(notify("", base=0, version=0, reset=True))
    assert effects == [Synced(PATH)]


def test_what_was_released_and_acquired_again_starts_from_nothing() -> None:
    client = in_sync("a")
    client.release(PATH)
    [asked] = client.acquire(PATH)
    assert isinstance(asked, SendText)
    assert b'"insert":[["/app/items/list",{"parts":true}]]' in asked.message
    assert client.cursor(PATH) is None
    assert client.receive_text(notify("b", base=5, version=6)) == []
    agree(client, 3)
    effects = client.receive_text(notify("ab", base=0, version=6, reset=True))
    assert [type(effect) for effect in effects] == [Changed, Synced]


def test_a_request_that_waits_can_be_withdrawn() -> None:
    client = ClientProtocol(max_queue=2)
    kept, _ = client.request("GET", PATH)
    ticket, _ = client.request("GET", "/app/items/withdrawn")
    assert client.withdraw(ticket)
    assert not client.withdraw(ticket)
    client.request("GET", "/clock")  # there is room again
    effects = client.connection_opened()
    paths = [json.loads(each.message)["path"] for each in effects if isinstance(each, SendText)]
    assert paths == [PATH, "/clock"]
    assert not client.withdraw(kept), "it was sent"
    assert client.unsettled == 2


def test_close_settles_everything() -> None:
    client = in_sync("a")
    sent, _ = client.request("GET", PATH)
    [lost] = client.close()
    assert isinstance(lost, Settled)
    assert (lost.ticket, getattr(lost.error, "code", "")) == (sent, "connection_lost")
    assert list(client.items(PATH)) == ["a"]

    offline = ClientProtocol()
    waiting, _ = offline.request("GET", PATH)
    [closed] = offline.close()
    assert isinstance(closed, Settled)
    assert (closed.ticket, getattr(closed.error, "code", "")) == (waiting, "closed")
    assert offline.unsettled == 0
