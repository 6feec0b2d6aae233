"""Updates with patches in the client's state machine: they go to servers only that know them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sharedstate_core import Patch, RequestError, Update
from sharedstate_core.client import ClientProtocol, SendText, Settled

from .by_hand import PATH, reply, sent

UPDATE = Update(patch=(Patch("a", inc={"n": b"1.10"}, now=("/o/at",), upsert=True),))


def features(*names: str) -> str:
    return reply("session1", {"user": None, "limits": {}, "features": list(names)})


def connected(key: str | None = "k" * 16) -> ClientProtocol:
    client = ClientProtocol(key=key)
    client.connection_opened()
    return client


def messages(effects: list[Any]) -> list[str]:
    return [each.message.decode() for each in effects if isinstance(each, SendText)]


def failures(effects: list[Any]) -> dict[int, str]:
    return {
        each.ticket: f"{each.error.code}: {each.error}"
        for each in effects
        if isinstance(each, Settled) and isinstance(each.error, RequestError)
    }


def test_they_wait_until_the_server_has_said_that_it_knows_them() -> None:
    client = connected()
    _, effects = client.update(PATH, UPDATE)
    assert messages(effects) == []
    _, effects = client.update(PATH, Update(("b",)))
    assert messages(effects) == [], "requests stay in order"
    first, second = messages(client.receive_text(features("session", "patch")))
    assert '"patch":[{"id":"a","inc":{"n":1.10},"now":["/o/at"],"upsert":true}]' in first
    assert json.loads(second)["arg"] == {"remove": ["b"]}
    _, effects = client.update(PATH, UPDATE)
    assert len(messages(effects)) == 1


@pytest.mark.parametrize("answer", ["none", "refused", "overtaken"])
def test_a_server_that_knows_none_is_sent_none(answer: str) -> None:
    client = connected()
    _, effects = client.request("GET", "/clock")
    (clock,) = sent(effects)
    ticket, effects = client.update(PATH, UPDATE)
    other, more = client.update(PATH, Update(("b",)))
    assert messages(effects + more) == []
    if answer == "none":
        effects = client.receive_text(features("session"))
    elif answer == "refused":
        effects = client.receive_text(reply("session1", "bad path", ok=False))
    else:
        effects = client.receive_text(reply(clock["tunnel"], 1.0))
    assert failures(effects) == {ticket: "failed: the server knows no patches"}
    assert [json.loads(each)["tunnel"] for each in messages(effects)] == [other]


def test_on_the_next_connection_it_is_asked_again() -> None:
    client = connected()
    client.receive_text(features("patch"))
    client.connection_lost()
    _, effects = client.update(PATH, UPDATE)
    effects += client.connection_opened()
    assert not any('"patch"' in each for each in messages(effects))
    effects = client.receive_text(reply("session2", {"user": None, "features": ["patch"]}))
    assert any('"patch"' in each for each in messages(effects))


def test_without_sessions_there_are_none() -> None:
    client = connected(None)
    ticket, effects = client.update(PATH, UPDATE)
    assert failures(effects) == {ticket: "failed: the server knows no patches"}


def test_what_is_no_part_of_a_message() -> None:
    client = connected()
    with pytest.raises(ValueError, match=r"patch\[0\].whole"):
        client.update(PATH, Update(patch=(Patch("a", whole=b'{"id":"a"}'),)))


def test_why_it_was_refused() -> None:
    client = connected()
    client.receive_text(features("patch"))
    ticket, effects = client.update(PATH, UPDATE)
    (asked,) = sent(effects)
    error = {"code": "mismatch", "message": "x", "place": "patch[0].inc.n", "ids": ["a"]}
    refused = {"type": "REPLY", "cmd": "PUT", "tunnel": asked["tunnel"], "ok": False, "data": "x"}
    (settled,) = client.receive_text(json.dumps({**refused, "error": error}))
    assert isinstance(settled, Settled)
    assert settled.ticket == ticket
    assert isinstance(settled.error, RequestError)
    told = settled.error.code, settled.error.place, settled.error.ids
    assert told == ("mismatch", "patch[0].inc.n", ("a",))
