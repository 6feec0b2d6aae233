"""The server's limits are kept to at home, and a server's own judgement is the same."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from sharedstate_core import Access, Limits, RequestError, Update
from sharedstate_core.client import ClientProtocol, Fault, Settled, refresh_after
from sharedstate_core.client.bounds import bounds_of, update_fault
from sharedstate_core.testing import World
from sharedstate_core.wire.decode import decode_write

from .by_hand import PATH, reply, sent
from .supervised import Supervised, join

KEY = "an-unguessable-key-0001"
LIMITS = Limits(items=3, id_bytes=8, depth=4)
KNOWN = {"items": 3, "id_bytes": 8, "depth": 4}

values = st.recursive(
    st.sampled_from([1, None, "[[[[[[", '{"', "\\"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=6,
)
ids = st.sampled_from(["a", "12345678", "123456789", "üüüü", "üüüüü", "🌍🌍", "🌍🌍x"])


@given(
    remove=st.lists(ids, max_size=3, unique=True),
    items=st.dictionaries(ids, values, max_size=3),
)
def test_a_client_refuses_what_the_server_would(remove: list[str], items: dict[str, Any]) -> None:
    texts = {id: json.dumps({"id": id, "v": value}).encode() for id, value in items.items()}
    update = Update(tuple(remove), texts)
    arg = json.dumps({"remove": remove, "insert": [json.loads(text) for text in texts.values()]})
    try:
        decode_write(Raw(arg.encode()), LIMITS)
        code = None
    except RequestError as error:
        code = error.code
    fault = update_fault(update, None, bounds_of(KNOWN))
    assert code == (None if fault is None else fault.code)
    if fault is not None and code == "bad_update":
        assert fault.message.startswith(f"{fault.place}: ")


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


def test_what_is_refused_has_its_place() -> None:
    client = opened()
    client.receive_text(reply("session1", limits(id_bytes=4, depth=2, message_bytes=150)))
    for update, said in (
        (Update(insert={"a": b'{"id":"a"}', "abcde": b'{"id":"abcde"}'}), "insert[1].id: longer"),
        (Update(remove=("abcde",)), "remove[0]: longer than 4"),
        (Update(insert={"a": b'{"id":"a","b":{"c":[]}}'}), "insert[0]: nested more than 2"),
        (Update(insert={"a": b'{"id":"a","b":"' + b"x" * 200 + b'"}'}), "this server takes 150"),
    ):
        _, [effect] = client.update(PATH, update)
        assert isinstance(effect, Settled)
        assert said in str(effect.error)
    assert settled(client.request("GET", "/" + "x" * 200)[1]) == ["too_large"]


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
