"""Whose the connections are: when a token is asked for, when it is shown, and what comes of it."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from wsproto.events import CloseConnection, TextMessage
from wsproto.utilities import LocalProtocolError

from sharedstate_anyio.client import Client, ConnectError, RequestError, Unauthorized, connect
from tests.python_client.support import reaches, websockets
from tests.support.services.servers import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from wsproto import WSConnection

C = "/app/items/c"
ANN = {"id": "ann", "role": "editor"}


class Peer:
    """A server that knows users; what it does is up to the test.

    Attributes:
        shown: the tokens, in order, on all connections.
        refusals: the reasons for which the next tokens are refused.
        expires: of each token.
        time: of its clock.
        denied: whether nobody may read.
        connections: how many there were.
    """

    def __init__(self) -> None:
        self.shown: list[str | None] = []
        self.refusals: list[str] = []
        self.expires: float | None = None
        self.time = 5000.0
        self.denied = False
        self.connections = 0
        self.asked: list[str] = []
        self._turn = anyio.Lock()
        self._present: tuple[anyio.abc.SocketStream, WSConnection] | None = None

    async def talk(self, stream: anyio.abc.SocketStream, websocket: WSConnection) -> None:
        self.connections += 1
        self._present = (stream, websocket)
        while True:
            for event in websocket.events():
                if isinstance(event, TextMessage):
                    await self._answer(json.loads(event.data))
                elif isinstance(event, CloseConnection):
                    with suppress(LocalProtocolError):  # it was this side that closed
                        await stream.send(websocket.send(event.response()))
                    return
            websocket.receive_data(await stream.receive())

    async def say(self, **message: Any) -> None:
        assert self._present is not None
        stream, websocket = self._present
        async with self._turn:
            await stream.send(websocket.send(TextMessage(json.dumps(message))))

    async def close(self, code: int = 1001) -> None:
        assert self._present is not None
        stream, websocket = self._present
        async with self._turn:
            await stream.send(websocket.send(CloseConnection(code, "gone")))

    async def tell(self, reason: str, user: object = ANN) -> None:
        data = {"user": user, "expires": 1}
        await self.say(type="MESSAGE", cmd="SESSION", data=data, reason=reason)

    async def end(self, code: str = "unauthenticated") -> None:
        await self.say(type="MESSAGE", cmd="END", path=C, error={"code": code, "message": "no"})

    async def _answer(self, request: Any) -> None:
        path, arg, tunnel = request["path"], request["arg"], request["tunnel"]
        self.asked.append(path)
        data: Any = 1
        refusal: dict[str, str] | None = None
        if path == "/session":
            token = arg.get("token")
            self.shown.append(token)
            if token and self.refusals:
                reason = self.refusals.pop(0)
                refusal = {"code": "unauthenticated", "message": "no", "reason": reason}
            user = ANN if token else None
            features = ["session", "auth", "end"]
            data = {"user": user, "expires": self.expires, "features": features, "limits": {}}
        elif path == "/clock":
            data = self.time
        elif path == "/subs":
            data = arg.get("insert", [])
            if self.denied:
                refusal = {"code": "unauthenticated", "message": "no", "reason": "missing"}
        reply = {"type": "REPLY", "cmd": request["cmd"], "tunnel": tunnel, "ok": refusal is None}
        await self.say(**reply, data=data, **({"error": refusal} if refusal else {}))
        if path == "/subs" and not self.denied:
            for each, _ in data:
                update = {"remove": [], "insert": [{"id": "a"}], "reset": True}
                state = {"epoch": "e", "base": 0, "version": 1}
                await self.say(type="MESSAGE", cmd="NOTIFY", path=each, data=update, **state)


class Tokens:
    """A function for tokens that says what was asked, and whether twice at once."""

    def __init__(self, *answers: str | Exception | None) -> None:
        self.answers = list(answers)
        self.reasons: list[str] = []
        self.gate: anyio.Event | None = None
        self.running = 0

    async def __call__(self, *, reason: str) -> str | None:
        self.reasons.append(reason)
        self.running += 1
        assert self.running == 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        try:
            if self.gate is not None:
                await self.gate.wait()
        finally:
            self.running -= 1
        if isinstance(answer, Exception):
            raise answer
        return answer


@asynccontextmanager
async def talking(peer: Peer, token: Any, **more: Any) -> AsyncIterator[Client]:
    failure: Exception | None = None
    async with websockets(peer.talk) as port:
        try:
            with anyio.fail_after(20):
                async with connect(f"ws://127.0.0.1:{port}", token=token, **more) as client:
                    yield client
        except Exception as error:
            failure = error
    if failure is not None:
        raise failure


async def test_a_string() -> None:
    peer = Peer()
    async with talking(peer, "abc") as client:
        assert (client.status, client.user) == ("connected", ANN)
        assert await client.update(C, remove=["a"]) == 1
        await client.sign_out()
        assert client.user is None
    assert peer.shown == ["abc", None]


async def test_updates_wait_until_a_token_is_accepted() -> None:
    peer = Peer()
    tokens = Tokens("one")
    tokens.gate = anyio.Event()
    async with talking(peer, tokens, wait=False) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(client.acquire, C)
        tasks.start_soon(partial(client.update, C, remove=["a"]))
        await until(lambda: peer.connections == 1)
        assert (client.status, peer.asked) == ("connecting", [])
        tokens.gate.set()
    assert peer.asked == ["/session", "/subs", C]


async def test_a_plain_function_is_asked_for_every_connection() -> None:
    peer = Peer()
    reasons = []

    def token(reason: str) -> str:
        reasons.append(reason)
        return f"token {len(reasons)}"

    async with talking(peer, token) as client:
        users = client.user_changes()
        await peer.close()
        await reaches(client, "reconnecting")
        client.connect_now()
        await until(lambda: len(peer.shown) == 2)
        assert client.user == ANN
    assert reasons == ["connect", "connect"]
    assert peer.shown == ["token 1", "token 2"]
    assert [user async for user in users] == []


async def test_a_token_that_comes_late_belongs_to_whoever_waits_for_it() -> None:
    peer, tokens = Peer(), Tokens("one", "late", "three")
    async with talking(peer, tokens) as client:
        tokens.gate = anyio.Event()
        await peer.tell("expires")
        await until(lambda: tokens.running == 1)
        await peer.close()
        await reaches(client, "reconnecting")
        tokens.gate.set()  # nobody waits for it now, or the next attempt does: it never runs twice
        client.connect_now()
        await until(lambda: len(peer.shown) == 2)
    assert peer.shown in (["one", "late"], ["one", "three"])


async def test_another_one_in_time_by_the_clock_of_the_server() -> None:
    peer, tokens = Peer(), Tokens("one", "two")
    peer.expires = peer.time + 0.1  # as soon as may be
    async with talking(peer, tokens):
        await until(lambda: len(peer.shown) == 2)
        peer.expires = None
    assert tokens.reasons[:2] == ["connect", "expires"]


async def test_what_is_refused_once_and_twice(caplog: pytest.LogCaptureFixture) -> None:
    peer, tokens = Peer(), Tokens("secret one", "secret two")
    peer.refusals = ["expired"]
    async with talking(peer, tokens) as client:
        assert (client.status, client.user) == ("connected", ANN)
        peer.refusals = ["invalid", "invalid"]
        await peer.tell("expires")
        await reaches(client, "unauthenticated")
        await peer.tell("expired", None)
        await until(lambda: client.user is None)
        client.connect_now()
        await reaches(client, "connected")
    assert tokens.reasons == ["connect", "expired", "expires", "invalid", "connect"]
    peer.refusals = ["invalid", "invalid"]
    with pytest.raises(RequestError) as refused:
        async with talking(peer, "secret three"):
            pytest.fail("the block must not begin")
    assert (refused.value.code, refused.value.reason) == ("unauthenticated", "invalid")
    assert str(refused.value) == "no", "the server's words"
    assert "secret" not in caplog.text
    caplog.clear()


async def test_what_is_raised_is_not_logged_as_well(caplog: pytest.LogCaptureFixture) -> None:
    peer, tokens = Peer(), Tokens("one", "two")
    peer.refusals = ["invalid", "expired"]
    with pytest.raises(RequestError) as refused:
        async with talking(peer, tokens):
            pytest.fail("the block must not begin")
    assert (refused.value.reason, tokens.reasons) == ("expired", ["connect", "invalid"])
    assert caplog.text == ""
    peer.refusals = ["invalid", "invalid"]
    tokens.answers = ["one", "two"]
    async with talking(peer, tokens, wait=False) as client:
        await reaches(client, "unauthenticated")
    assert "not signed in: no" in caplog.text
    caplog.clear()


async def test_a_server_that_cannot_look_into_it_now() -> None:
    peer, tokens = Peer(), Tokens("one")
    peer.refusals = ["unavailable", "unavailable"]
    async with talking(peer, tokens) as client:
        assert client.user == ANN
    assert tokens.reasons == ["connect", "unavailable", "unavailable"]


async def test_a_function_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    peer, tokens = Peer(), Tokens(OSError("no network"), "one")
    async with talking(peer, tokens) as client:
        assert client.user == ANN
    assert tokens.reasons == ["connect", "connect"]
    assert "no network" in caplog.text
    caplog.clear()


async def test_a_function_that_gives_up() -> None:
    peer, tokens = Peer(), Tokens(Unauthorized())
    async with talking(peer, tokens, wait=False) as client:
        await reaches(client, "unauthenticated")
        await until(lambda: peer.shown == [None])
        tokens.answers = ["one"]
        client.connect_now()
        await reaches(client, "connected")
        assert client.user == ANN
    with pytest.raises(RequestError, match="no token"):
        async with talking(peer, Tokens(Unauthorized())):
            pytest.fail("the block must not begin")


async def test_what_may_no_longer_be_read() -> None:
    peer, tokens = Peer(), Tokens("one")
    async with talking(peer, tokens) as client:
        ds = await client.acquire(C)
        changes = ds.changes()
        await peer.end()
        [diff] = await anext(changes)
        assert (diff.new, diff.old) == (None, {"id": "a"})
        with pytest.raises(RequestError):
            await anext(changes)
        assert list(ds) == []
        await peer.tell("expires")  # another token: it is asked for again
        await until(lambda: list(ds) == ["a"])
        peer.denied = True
        await peer.close()
        await until(lambda: list(ds) == [])


async def test_a_user_who_is_sent_away() -> None:
    peer = Peer()
    with pytest.raises(ConnectError) as sent_away:  # noqa: PT012
        async with talking(peer, "abc"):
            await peer.tell("revoked", None)
            await peer.close(4403)
            await anyio.sleep_forever()
    assert sent_away.value.close_code == 4403


async def test_wrong_arguments() -> None:
    with pytest.raises(TypeError, match="token"):
        async with connect("ws://127.0.0.1:1", token=7):  # type: ignore[arg-type]
            pass
