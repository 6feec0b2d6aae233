"""Another `auth` or other `rules` while the server runs, on real sockets."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from sharedstate_anyio import serve
from sharedstate_anyio.auth import key_set as key_set_module
from sharedstate_anyio.config.config import parse_config
from sharedstate_backends import ConfigurationError
from tests.support.peer import Client, ClosedError, Peer, open_client, upgrade_request
from tests.support.services.servers import document
from tests.support.tokens import SECRET, Signer, key_set

if TYPE_CHECKING:
    from pathlib import Path

    from sharedstate_anyio import Config

C = "/chat/items/c"
OPEN: list[dict[str, Any]] = [{"path": "/*/*/*", "read": "user != null", "write": "user != null"}]
BOBS: list[dict[str, Any]] = [{"path": "/*/*/*", "read": "user.id == 'bob'"}]


def key(name: str) -> dict[str, Any]:
    return {
        "sha256": hashlib.sha256(f"token-{name}".encode()).hexdigest(),
        "user": {"id": name},
    }


def config(*names: str, rules: Any = OPEN, **auth: Any) -> Config:
    """A configuration with static keys for these users."""
    auth |= {"keys": [key(name) for name in names]} if names else {}
    return parse_config({**document(), "auth": {"grace_seconds": 0, **auth}, "rules": rules})


async def watch(client: Client, token: str) -> None:
    await client.put("/session", {"token": token})
    await client.subscribe(C)
    await client.notification()


async def test_other_rules_hold_at_once() -> None:
    async with (
        serve(config("ann", "bob")) as server,
        open_client(server.port) as ann,
        open_client(server.port) as bob,
    ):
        for name, client in (("ann", ann), ("bob", bob)):
            await watch(client, f"token-{name}")
        outcome = server.reload(config("ann", "bob", rules=BOBS))
        assert outcome is not None
        assert (outcome.changed, outcome.waiting) == (("rules",), ())
        assert [(await ann.message())["cmd"] for _ in range(2)] == ["NOTIFY", "END"]
        assert (await ann.ask("GET", C))["error"]["code"] == "forbidden"
        assert await bob.get(C) == []
        assert (await bob.ask("PUT", C, {"insert": [{"id": "m"}]}))["error"]["code"] == "forbidden"
        assert not bob.told


async def test_rules_that_are_the_same_change_nothing() -> None:
    async with serve(config("ann")) as server, open_client(server.port) as client:
        await watch(client, "token-ann")
        assert str(server.reload(config("ann"))) == "nothing has changed"
        assert await client.get(C) == []
        assert not client.told


async def test_a_key_that_is_taken_away_takes_its_users_away() -> None:
    async with (
        serve(config("ann", "bob")) as server,
        open_client(server.port) as ann,
        open_client(server.port) as bob,
    ):
        for name, client in (("ann", ann), ("bob", bob)):
            await watch(client, f"token-{name}")
        server.reload(config("bob"))
        told = [await ann.message() for _ in range(4)]
        assert [each["cmd"] for each in told] == ["SESSION", "NOTIFY", "END", "SESSION"]
        assert [told[0]["reason"], told[-1]["reason"]] == ["expires", "expired"]
        refused = await ann.ask("PUT", "/session", {"token": "token-ann"})
        assert refused["error"]["reason"] == "invalid"
        assert await bob.get(C) == []
        assert not bob.told


async def test_a_secret_that_is_replaced_in_its_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET)
    made = config(jwt={"secret_file": str(file)}, grace_seconds=60)
    async with serve(made) as server, open_client(server.port) as client:
        await watch(client, Signer("HS256").token())
        file.write_text("x" * 40)
        assert str(server.reload(made)) == "changed: auth"
        told = await client.message()
        assert (told["cmd"], told["reason"]) == ("SESSION", "expires")
        another = Signer("HS256", secret="x" * 40).token()
        assert (await client.put("/session", {"token": another}))["user"]["id"] == "ann"
        assert await client.get(C) == []
        assert not client.told


async def test_a_key_that_its_issuer_drops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_set_module, "PAUSE_SECONDS", 0.0)
    a, b = Signer("ES256", "a"), Signer("ES256", "b")
    file = tmp_path / "keys"
    file.write_bytes(key_set(a))
    made = config(jwt={"jwks": str(file), "audience": "sharedstate"}, grace_seconds=60)
    async with (
        serve(made) as server,
        open_client(server.port) as first,
        open_client(server.port) as second,
    ):
        await watch(first, a.token())
        file.write_bytes(key_set(b))
        await watch(second, b.token())
        assert (await first.message())["reason"] == "expires"
        assert not second.told


async def test_what_cannot_be_used_changes_nothing(tmp_path: Path) -> None:
    async with serve(config("ann")) as server, open_client(server.port) as client:
        await watch(client, "token-ann")
        wrong = config(jwt={"secret_file": str(tmp_path / "absent")}, rules=BOBS)
        with pytest.raises(ConfigurationError, match=r"auth.jwt.secret_file: cannot be read"):
            server.reload(wrong)
        assert await client.get(C) == []
        assert not client.told
        assert str(server.reload(config("ann"))) == "nothing has changed"


@pytest.mark.parametrize("begins", [False, True])
async def test_users_begin_or_cease(begins: bool) -> None:
    known, unknown = config("ann"), parse_config(document())
    old, new = (unknown, known) if begins else (known, unknown)
    async with serve(old) as server:
        async with open_client(server.port) as client:
            await client.put("/session", {"token": "token-ann"})
            server.reload(new)
            with pytest.raises(ClosedError, match="1012"):
                await client.message()
        async with open_client(server.port) as client:
            told = await client.put("/session", {"token": "token-ann"})
            assert told["user"] == ({"id": "ann"} if begins else None)
            assert await client.get(C) == []


async def test_a_listener_that_is_trusted_from_now_on(tmp_path: Path) -> None:
    service = {"service": {"unix": str(tmp_path / "socket")}}
    rest = {**document(), **service, "rules": OPEN}
    old = parse_config({**rest, "auth": {"keys": [key("ann")]}})
    new = parse_config({**rest, "auth": {"header": "X-Remote-User", "trusted": ["unix"]}})
    async with serve(old) as server:
        server.reload(new)
        peer = Peer(server.paths[0])
        try:
            await peer.send(upgrade_request(X_Remote_User="bob"))
            await peer.upgraded()
            assert (await Client(peer).get("/session"))["user"] == {"id": "bob"}
        finally:
            peer.close()


async def test_many_users_of_a_key_that_is_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sharedstate_anyio.hub.verifier.LOOKED_AT", 1)
    async with serve(config("ann", "bob")) as server, anyio.create_task_group() as tasks:

        async def be_told() -> None:
            async with open_client(server.port) as client:
                await client.put("/session", {"token": "token-ann"})
                signed_in.append(client)
                assert (await client.message())["reason"] == "expires"

        signed_in: list[Client] = []
        for _ in range(5):
            tasks.start_soon(be_told)
        while len(signed_in) < 5:
            await anyio.sleep(0.01)
        server.reload(config("bob"))
