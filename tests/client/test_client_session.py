"""The server's limits are kept to at home; tokens, and what is held while it is undecided whose the connection is."""

from __future__ import annotations

from typing import Any

from sharedstate_core import Access, Update
from sharedstate_core.client import (
    Changed,
    ClientProtocol,
    Fault,
    Refused,
    Settled,
    TokenWanted,
    refresh_after,
)
from sharedstate_core.testing import World

from .by_hand import PATH, in_sync, reply, sent
from .supervised import Supervised, join

KEY = "an-unguessable-key-0001"
TICKS = 3


def opened(token: str | None = None) -> ClientProtocol:
    client = ClientProtocol(key=KEY)
    client.connection_opened(token) if token else client.connection_opened()
    return client


def limits(**members: object) -> dict[str, object]:
    return {"user": None, "expires": None, "features": ["session"], "limits": members}


def settled(effects: list[Any]) -> list[str | None]:
    return [
        getattr(effect.error, "code", None) for effect in effects if isinstance(effect, Settled)
    ]


def test_a_message_that_would_cost_the_connection_is_refused() -> None:
    client = opened()
    client.receive_text(reply("session1", limits(id_bytes=4, depth=2, message_bytes=150)))
    long = Update(insert={"a": b'{"id":"a","b":"' + b"x" * 200 + b'"}'})
    _, [effect] = client.update(PATH, long)
    assert isinstance(effect, Settled)
    assert "this server takes 150" in str(effect.error)
    assert settled(client.request("GET", "/" + "x" * 200)[1]) == ["too_large"]
    assert sent(client.update(PATH, Update(remove=("abcde",)))[1]), "that is up to the server"


def test_limits_are_those_of_the_latest_server() -> None:
    client = opened()
    client.receive_text(reply("session1", limits(message_bytes=150)))
    client.connection_lost()
    client.connection_opened()
    client.receive_text(reply("session2", "no", ok=False, error={"code": "bad_path"}))
    assert sent(client.request("GET", "/" + "x" * 200)[1])


def test_limits_that_are_none_are_ignored() -> None:
    client = opened()
    odd = limits(items="3", id_bytes=True, depth=-1, message_bytes=1.5, unanswered=None)
    client.receive_text(reply("session1", odd))
    assert sent(client.update(PATH, Update(insert={"a": b'{"id":"a","b":{"c":[]}}'}))[1])
    strange: object
    for strange in ([], "x", {"limits": 7, "features": 7, "user": 7, "expires": "soon"}):
        client.connection_lost()
        client.connection_opened()
        client.receive_text(reply("session2", strange))
    assert sent(client.request("GET", "/")[1])


def test_as_many_unanswered_requests_as_the_server_takes() -> None:
    client = opened()
    client.receive_text(reply("session1", limits(unanswered=7)))
    asked = [client.request("GET", "/")[1] for _ in range(5)]
    assert [len(effects) for effects in asked] == [1, 1, 1, 0, 0]
    assert len(client.receive_text(reply(1))) == 2


def test_a_server_that_owes_an_answer_is_given_up_and_one_that_knows_no_sessions_is_not() -> None:
    client = opened("token")
    client.request("GET", "/")
    assert client.tick(2) == client.tick(2) == []
    assert len(sent(client.tick(2))) == 1, "what has waited goes out"
    client.connection_lost()
    client.connection_opened("token")
    client.receive_text(reply("session2", limits()))
    client.connection_lost()
    client.connection_opened("token")
    client.tick(1)
    assert [type(effect) for effect in client.tick(1)] == [Fault]


def test_the_queue_is_bounded_while_a_token_is_awaited() -> None:
    client = ClientProtocol(max_queue=2, key=KEY)
    client.connection_opened("token")
    codes = [settled(client.request("GET", "/")[1]) for _ in range(3)]
    assert codes == [[], [], ["too_many"]]


def test_what_is_held_is_let_go_when_no_other_token_comes_in_time() -> None:
    client = in_sync("a", key=KEY)
    client.connection_lost()
    [session, request] = sent(client.connection_opened("stale"))
    denied = {"code": "unauthenticated", "message": "no", "reason": "expired"}
    refusals = [reply(each["tunnel"], "no", ok=False, error=denied) for each in (session, request)]
    effects = [effect for text in refusals for effect in client.receive_text(text)]
    assert effects == [TokenWanted("expired")]
    for _ in range(TICKS):
        assert client.tick(TICKS) == []
        assert list(client.items(PATH)) == ["a"]
    assert [type(effect) for effect in client.tick(TICKS)] == [Changed, Refused]
    [_] = sent(client.sign_in("fresh"))
    [again] = sent(client.receive_text(reply("session3", limits())))
    assert "since" not in dict(again["arg"]["insert"])[PATH]


def test_when_to_refresh() -> None:
    assert refresh_after(1000, 400) == 540
    assert refresh_after(1000, 900) == 75
    assert refresh_after(1000, 1001) == 0


class Members(Supervised):
    """A client that shows a token."""

    def __init__(self, token: str | None) -> None:
        super().__init__()
        self.token = token

    def connected(self) -> None:
        self._connections += 1
        self._perform(self.witness.opened(self.token))


def test_with_a_real_server() -> None:
    """Its first flight is answered for the user; what it may not do is let go; another user gets it again."""
    world = World(0, access=Access(required=True))
    client = Members("ann")
    join(world, client)
    client.acquire(PATH)
    client.update(PATH, Update(insert={"a": b'{"id":"a"}'}), None)
    world.connect(0)
    while world.links[0].reading:
        world.to_server(0)
    [ticket] = world.proofs
    world.accept(ticket, {"id": "ann"}, None)
    world.settle()
    assert dict(client.witness.protocol.items(PATH)) == {"a": b'{"id":"a"}'}
    world.cut(0)
    client.token = None
    client.wanted[PATH] = {}
    world.connect(0)
    world.settle()
    assert not client.witness.protocol.items(PATH)
    assert client.refused == {PATH}
