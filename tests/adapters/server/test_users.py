"""Users and rules at a real server, on real sockets."""

from __future__ import annotations

import hashlib
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_anyio import serve
from sharedstate_anyio.auth import Authenticator
from sharedstate_anyio.client import ServerRefusedError, connect
from sharedstate_anyio.config.config import parse_config
from tests.support.asking import numbers
from tests.support.frames import encode_text
from tests.support.peer import Client, ClosedError, Peer, open_client, request, upgrade_request
from tests.support.tokens import SECRET, Signer, claims
from tests.support.work.turns import counting_turns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sharedstate_anyio.auth import AuthRequest, Identity
    from sharedstate_anyio.config.config import Config

RULES = [
    {
        "path": "/chat/items/*",
        "read": "user != null",
        "insert": "user != null",
        "update": "item.by == user.id",
        "remove": "item.by == user.id",
        "stamp": {"insert": {"by": "user.id"}},
    },
    {"path": "/open/items/*", "read": True},
]


def config(limits: dict[str, Any] | None = None, **auth: Any) -> Config:
    keys: list[dict[str, Any]] = [
        {"sha256": hashlib.sha256(f"token-{name}".encode()).hexdigest(), "user": {"id": name}}
        for name in ("ann", "bob")
    ]
    return parse_config(
        {
            "service": {"port": 0},
            "services": [
                {
                    "name": "items",
                    "module": "items_service",
                    "config": {"db_type": "sqlite", "db_name": ":memory:", "db_table": "items"},
                }
            ],
            "auth": auth | {"keys": keys},
            "rules": RULES,
            "limits": limits or {},
        }
    )


@asynccontextmanager
async def shaking_hands(port: int, **headers: str) -> AsyncIterator[Client]:
    """Connect with more in the handshake."""
    peer = Peer(port)
    try:
        await peer.send(upgrade_request(**headers))
        await peer.upgraded()
        yield Client(peer)
    finally:
        peer.close()


async def test_people_sign_in_and_change_what_is_theirs() -> None:
    async with (
        serve(config()) as server,
        open_client(server.port) as ann,
        open_client(server.port) as bob,
    ):
        for name, client in (("ann", ann), ("bob", bob)):
            told = await client.put("/session", {"token": f"token-{name}"})
            assert told["user"] == {"id": name}
            assert "auth" in told["features"]
        await ann.put("/chat/items/c", {"insert": [{"id": "m", "by": "eve"}]})
        assert await bob.get("/chat/items/c") == [{"id": "m", "by": "ann"}]
        for arg in ({"remove": ["m"]}, {"insert": [{"id": "m"}]}, {"reset": True}):
            refused = await bob.ask("PUT", "/chat/items/c", arg)
            assert refused["error"]["code"] == "forbidden"
        await ann.put("/chat/items/c", {"remove": ["m"]})


async def test_whoever_has_not_signed_in_gets_what_is_open() -> None:
    async with serve(config()) as server, open_client(server.port) as client:
        assert await client.get("/open/items/c") == []
        refused = await client.ask("GET", "/chat/items/c")
        assert refused["error"]["code"] == "unauthenticated"
        assert refused["error"]["reason"] == "missing"
        refused = await client.ask("PUT", "/session", {"token": "nonsense"})
        assert refused["error"]["reason"] == "invalid"


async def test_the_log_says_why_a_token_was_refused(caplog: pytest.LogCaptureFixture) -> None:
    """Each kind once, then how many there were, and nothing of the tokens; a client is told only that it is so."""
    caplog.set_level("INFO")
    shown = [
        Signer("HS256", secret="x" * 40).token(),
        Signer("HS256").token(claims(exp=...)),
        Signer("HS256").token(claims(exp=1)),
        "opaque-nonsense",
    ]
    jwt = {"secret": SECRET}
    async with serve(config(jwt=jwt)) as server, open_client(server.port) as client:
        for token in (*shown, *shown):
            refused = await client.ask("PUT", "/session", {"token": token})
            expected = "expired" if token == shown[2] else "invalid"
            assert refused["error"]["reason"] == expected
            assert "key" not in refused["error"]["message"]
    lines = [each.getMessage() for each in caplog.records if each.levelname == "INFO"]
    said = [line.removeprefix("a token of 127.0.0.1 was refused: the ") for line in lines]
    assert said[:4] == [
        "signature of the token fits none of the keys",
        "token would never expire, which auth.jwt.require_exp forbids: it has no claim exp",
        "token has expired",
        "token is no JSON Web Token",
    ]
    assert [line.partition(", the last: ")[2] for line in lines[4:]] == lines[:4]
    assert all(line.startswith("… and 1 more in ") for line in lines[4:])
    assert not any(part in caplog.text for token in shown for part in token.split("."))


async def test_what_is_said_in_one_flight_is_said_by_the_user() -> None:
    updates = (
        request("PUT", "/chat/items/c", {"insert": [{"id": f"m{n}"}]}, tunnel=n) for n in range(50)
    )
    said = [request("PUT", "/session", {"token": "token-ann"}, tunnel=-1), *updates]
    async with serve(config()) as server, open_client(server.port) as client:
        await client.peer.send(b"".join(map(encode_text, said)))
        for tunnel in range(-1, 50):
            assert (await client.reply(tunnel))["ok"]
        assert len(await client.get("/chat/items/c")) == 50


@pytest.mark.parametrize(
    ("headers", "auth"),
    [
        ({"Authorization": "Bearer token-ann"}, {}),
        ({"Cookie": "a=b; login=token-ann"}, {"cookie": "login"}),
    ],
)
async def test_a_proof_comes_with_the_handshake(
    headers: dict[str, str], auth: dict[str, Any]
) -> None:
    async with (
        serve(config(**auth)) as server,
        shaking_hands(server.port, **headers) as client,
    ):
        assert (await client.get("/session"))["user"] == {"id": "ann"}
        assert await client.get("/chat/items/c") == []


async def test_a_wrong_proof_opens_the_connection_all_the_same() -> None:
    async with (
        serve(config()) as server,
        shaking_hands(server.port, Authorization="Bearer nonsense") as client,
    ):
        assert await client.get("/open/items/c") == []
        refused = await client.ask("GET", "/chat/items/c")
        assert refused["error"]["reason"] == "invalid"


async def test_signing_out_takes_back_what_was_shown() -> None:
    async with serve(config()) as server, open_client(server.port) as client:
        await client.put("/session", {"token": "token-ann"})
        await client.put("/chat/items/c", {"insert": [{"id": "m"}]})
        await client.subscribe("/chat/items/c")
        assert (await client.notification())["data"]["insert"] == [{"id": "m", "by": "ann"}]
        await client.put("/session", {"token": None})
        emptied = await client.notification()
        assert emptied["data"] == {"remove": [], "insert": [], "reset": True}
        assert client.told.popleft()["cmd"] == "END"


async def test_a_user_is_kicked() -> None:
    async with serve(config()) as server, open_client(server.port) as client:
        await client.put("/session", {"token": "token-ann"})
        assert server.kick("bob") == 0
        assert server.kick("ann") == 1
        assert (await client.message())["reason"] == "revoked"
        with pytest.raises(ClosedError, match="4403"):
            await client.message()


async def test_whoever_has_to_sign_in_and_does_not_is_closed() -> None:
    async with (
        serve(config(required=True, deadline_seconds=1)) as server,
        open_client(server.port) as client,
    ):
        refused = await client.ask("GET", "/open/items/c")
        assert refused["error"]["code"] == "unauthenticated"
        with pytest.raises(ClosedError, match="1008"):
            await client.message()


async def test_a_function_knows_everybody(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_auth_of_tests.py").write_text(
        "async def authenticate(request):\n"
        "    return {'id': request.token or request.headers['x-name']}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    async with (
        serve(config(python="my_auth_of_tests:authenticate")) as server,
        shaking_hands(server.port, X_Name="eve") as client,
    ):
        assert (await client.get("/session"))["user"] == {"id": "eve"}
        assert (await client.put("/session", {"token": "mallory"}))["user"] == {"id": "mallory"}


async def test_a_user_may_not_update_as_often_as_that() -> None:
    limits = {"updates_per_second": 0.01, "updates_burst": 2}
    update = {"insert": [{"id": "m"}]}
    async with (
        serve(config(limits)) as server,
        open_client(server.port) as ann,
        open_client(server.port) as also_ann,
        open_client(server.port) as bob,
    ):
        for client, token in ((ann, "token-ann"), (also_ann, "token-ann"), (bob, "token-bob")):
            await client.put("/session", {"token": token})
        await ann.put("/chat/items/c", update)
        await also_ann.put("/chat/items/c", update)
        for client in (ann, also_ann):
            refused = await client.ask("PUT", "/chat/items/c", update)
            assert refused["error"]["code"] == "too_many"
            assert 90 < refused["error"]["retry_after"] <= 100
            assert len(await client.get("/chat/items/c")) == 1
        await bob.put("/chat/items/d", update)
        assert (await numbers(server.port))["limited_updates_total"] == 2
        async with connect(f"ws://127.0.0.1:{server.port}", token="token-ann") as program:
            with pytest.raises(ServerRefusedError) as caught:
                await program.update("/chat/items/c", insert=[{"id": "n"}])
            assert caught.value.retry_after is not None
            assert caught.value.retry_after > 90
        outcome = server.reload(config())
        assert outcome is not None
        assert outcome.changed == ("limits.updates_per_second", "limits.updates_burst")
        for _ in range(10):
            await ann.put("/chat/items/c", update)


async def test_those_who_sign_in_at_once_are_verified_by_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tokens = [Signer("HS256").token(claims(sub=f"user {n}")) for n in range(100)]
    verified: list[int] = []
    begin = Authenticator.authenticate
    with counting_turns() as turns:

        async def authenticate(self: Authenticator, shown: AuthRequest) -> Identity | None:
            verified.append(len(turns))
            return await begin(self, shown)

        monkeypatch.setattr(Authenticator, "authenticate", authenticate)
        async with serve(config(jwt={"secret": SECRET})) as server, AsyncExitStack() as stack:
            herd = [
                (await stack.enter_async_context(open_client(server.port))).peer for _ in tokens
            ]
            for peer, token in zip(herd, tokens, strict=True):
                await peer.send(encode_text(request("PUT", "/session", {"token": token})))
            for peer in herd:
                await peer.frame()
    assert len(verified) == len(herd)
    assert max(Counter(verified).values()) <= 5
