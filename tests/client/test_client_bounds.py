"""What a server can cost a client that speaks with it: each of these has a bound."""

from __future__ import annotations

import pytest

from sharedstate_core.client import (
    ClientEffect,
    ClientProtocol,
    Fault,
    Refused,
    SendText,
    Synced,
)
from sharedstate_core.client.protocol import MAX_BREACHES

from .by_hand import PATH, in_sync, notification, reply, sent, subscribed, told

OTHER = "/app/items/other"
TICKS = 4


def faults(effects: list[ClientEffect]) -> list[bool]:
    """Return for each fault whether it is fatal."""
    return [each.fatal for each in effects if isinstance(each, Fault)]


def test_parts_beyond_max_snapshot_are_refused_and_not_kept() -> None:
    part = notification([{"id": "a"}], base=0, version=7, reset=True, more=True)
    client = ClientProtocol(max_snapshot=3 * len(part))
    client.connection_opened()
    for path in (PATH, OTHER):
        [request] = sent(client.acquire(path))
    client.receive_text(subscribed(request))
    for _ in range(3):
        assert client.receive_text(part) == []
    *texts, refused = client.receive_text(part)
    assert isinstance(refused, Refused)
    assert (refused.path, getattr(refused.error, "code", "")) == (PATH, "too_large")
    [request] = sent(texts)
    assert PATH not in dict(request["arg"].get("insert", [])), "the server is told"
    for _ in range(3):
        assert client.receive_text(part) == [], "nobody listens any more"
    assert client.receive_text(notification([], base=0, version=7)) == []
    assert not client.items(PATH)
    other = notification([{"id": "d"}], base=0, version=1, reset=True, path=OTHER)
    assert Synced(OTHER) in client.receive_text(other), "its neighbour is in sync"
    [request] = sent(client.acquire(PATH))
    assert PATH in dict(request["arg"]["insert"]), "asked for again when wanted again"


def test_a_snapshot_that_is_begun_anew_counts_anew() -> None:
    part = notification([{"id": "a"}], base=0, version=1, reset=True, more=True)
    client = ClientProtocol(max_snapshot=3 * len(part))
    client.connection_opened()
    client.acquire(PATH)
    for version in (1, 2, 3):
        for _ in range(3):
            again = part.replace('"version":1', f'"version":{version}')
            assert client.receive_text(again) == []
    client.receive_text(notification([{"id": "b"}], base=0, version=3))
    assert list(client.items(PATH)) == ["a", "b"]


@pytest.mark.parametrize(
    ("breach", "told_each"),
    [
        (notification([], ["a"], base=7, version=8), []),
        (notification([{"id": 7}], base=5, version=6), [False]),
    ],
)
def test_a_server_that_breaks_the_protocol_is_asked_anew_a_few_times(
    breach: str, told_each: list[bool]
) -> None:
    client = in_sync("a")
    for connection in range(2):
        for _ in range(MAX_BREACHES):
            effects = client.receive_text(breach)
            assert faults(effects) == told_each, connection
            [_, request] = sent(effects)
            client.receive_text(subscribed(request))
            whole = notification([{"id": "a"}], base=0, version=5, reset=True)
            assert client.receive_text(whole) == [Synced(PATH)]
        [effect] = client.receive_text(breach)
        assert isinstance(effect, Fault)
        assert effect.fatal
        client.connection_lost()
        [request] = sent(client.connection_opened())
        client.receive_text(subscribed(request))
        client.receive_text(notification([], base=5, version=5))


@pytest.mark.parametrize(
    "breach",
    [
        notification([{"id": 7}], base=0, path=OTHER),
        reply(99, "no", ok=False),
    ],
)
def test_a_fault_that_concerns_nobody_counts_too(breach: str) -> None:
    client = in_sync("a")
    for _ in range(MAX_BREACHES):
        assert faults(client.receive_text(breach)) == [False]
    assert faults(client.receive_text(breach)) == [True]


def test_a_request_that_is_never_answered() -> None:
    client = in_sync("a")
    for _ in range(3 * TICKS):
        assert client.tick(TICKS) == []
    first, _ = client.request("GET", PATH)
    for _ in range(TICKS):
        assert client.tick(TICKS) == []
        client.request("GET", PATH)
    assert faults(client.tick(TICKS)) == [True]
    client.receive_text(reply(first))
    assert client.tick(TICKS), "the second one is late, too"
    client.connection_lost()
    waiting, _ = client.request("GET", PATH)
    for _ in range(3 * TICKS):
        assert client.tick(TICKS) == [], "nothing is sent, nothing is late"
    [request, later] = sent(client.connection_opened())
    client.receive_text(subscribed(request))
    assert later["tunnel"] == waiting
    for _ in range(TICKS):
        assert client.tick(TICKS) == []
    assert faults(client.tick(TICKS)) == [True]


def test_a_subscription_that_is_never_answered() -> None:
    """A snapshot may take as long as it takes: storage may be away."""
    client = ClientProtocol()
    client.connection_opened()
    [request] = sent(client.acquire(PATH))
    for _ in range(TICKS):
        assert client.tick(TICKS) == []
    assert faults(client.tick(TICKS)) == [True]
    client.receive_text(subscribed(request))
    for _ in range(3 * TICKS):
        assert client.tick(TICKS) == []
    assert told(client.receive_text(notification(base=0, version=0, reset=True))) == [Synced(PATH)]
    gap = client.receive_text(notification(base=7, version=8))
    assert [type(effect) for effect in gap] == [SendText, SendText]
    for _ in range(TICKS):
        assert client.tick(TICKS) == [], "it is asked for anew, and the time begins anew"
    assert faults(client.tick(TICKS)) == [True]


def test_a_removal_that_is_never_answered() -> None:
    client = ClientProtocol()
    client.connection_opened()
    [request] = sent(client.acquire(PATH))
    client.receive_text(subscribed(request))
    [removal] = sent(client.release(PATH))
    for _ in range(TICKS):
        assert client.tick(TICKS) == []
    assert faults(client.tick(TICKS)) == [True]
    client.receive_text(reply(removal["tunnel"], []))
    assert client.tick(TICKS) == []
