"""A set of keys that comes from elsewhere: rotated, dropped, away and back; nothing moves unless told to."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest

from sharedstate_anyio.auth import Unauthenticated
from sharedstate_anyio.auth.key_set import LOAD_SECONDS, KeySet
from sharedstate_anyio.auth.verification_keys import Key, from_jwk
from tests.support.services.servers import until
from tests.support.tokens import Signer, key_set

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

A, B = Signer("ES256", "a"), Signer("ES256", "b")


class Provider:
    """Loads for a key set, as it is told.

    Attributes:
        keys: what it publishes; an exception: it is away.
        loads: how often it was asked.
        open: whether it answers; else it hangs.
        now: the clock of the set.
    """

    def __init__(self, *signers: Signer) -> None:
        self.keys: bytes | Exception = key_set(*signers)
        self.loads = 0
        self.at_once = 0
        self.most_at_once = 0
        self.open = True
        self.now = 0.0
        self.answered = anyio.Event()
        self.set = KeySet(
            self._load, lambda jwk: from_jwk(jwk, ()), "auth.jwt.jwks", lambda: self.now
        )

    async def _load(self) -> bytes:
        self.loads += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await anyio.lowlevel.checkpoint()
            if not self.open:
                self.answered = anyio.Event()
                await self.answered.wait()
        finally:
            self.at_once -= 1
        if isinstance(self.keys, Exception):
            raise self.keys
        return self.keys

    def publish(self, *signers: Signer) -> None:
        self.keys = key_set(*signers)

    def answer(self) -> None:
        self.open = True
        self.answered.set()

    async def refusal(self, kid: str | None) -> str:
        with pytest.raises(Unauthenticated) as caught:
            await self.set.find(kid)
        return caught.value.reason

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.set.run)
            yield
            tasks.cancel_scope.cancel()


async def test_it_is_loaded_at_the_start_and_tokens_wait_for_it() -> None:
    provider = Provider(A)
    provider.open = False
    found: list[Key] = []

    async def one() -> None:
        found.append(await provider.set.find("a"))

    async with provider.running(), anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(one)
        await anyio.wait_all_tasks_blocked()
        assert (provider.loads, found) == (1, [])
        provider.answer()
    assert len(set(map(id, found))) == 1
    assert provider.loads == 1


async def test_a_token_may_come_before_the_task_runs() -> None:
    provider = Provider(A)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(provider.set.find, "a")
        await anyio.wait_all_tasks_blocked()
        assert provider.loads == 0
        async with provider.running():
            await provider.set.find("a")
    assert provider.loads == 1


async def test_rotation() -> None:
    provider = Provider(A)
    async with provider.running():
        old = await provider.set.find("a")
        provider.publish(A, B)
        provider.now = 10
        new = await provider.set.find("b")
        assert await provider.set.find("a") is old, "the same as before"
        assert (provider.loads, old.alive, new.alive) == (2, True, True)
        provider.publish(B)
        provider.now = 20
        assert await provider.refusal("x") == "invalid"
        assert (old.alive, new.alive) == (False, True)
        assert await provider.refusal("a") == "invalid"
        assert await provider.set.find("b") is new


async def test_a_name_that_stands_for_another_key() -> None:
    provider = Provider(A)
    async with provider.running():
        old = await provider.set.find("a")
        provider.keys = key_set(B.jwk(kid="a"))
        provider.now = 10
        assert await provider.refusal("x") == "invalid"
        new = await provider.set.find("a")
        assert (old.alive, new.alive) == (False, True)
        assert old is not new


async def test_strangers_cannot_have_it_loaded_all_the_time() -> None:
    provider = Provider(A)
    async with provider.running():
        await provider.set.find("a")
        for second in range(1, 31):
            provider.now = second
            for number in range(20):
                assert await provider.refusal(f"x{number}") == "invalid"
            assert provider.loads == 1 + second // 10


async def test_one_load_at_a_time() -> None:
    provider = Provider(A)
    async with provider.running():
        await provider.set.find("a")
        provider.open = False
        provider.now = 10
        async with anyio.create_task_group() as tasks:
            for number in range(100):
                tasks.start_soon(provider.refusal, f"x{number}")
            await anyio.wait_all_tasks_blocked()
            provider.now = 30
            tasks.start_soon(provider.refusal, "y")
            await anyio.wait_all_tasks_blocked()
            assert provider.loads == 2
            provider.answer()
    assert (provider.loads, provider.most_at_once) == (2, 1)


async def test_away_and_back(caplog: pytest.LogCaptureFixture) -> None:
    provider = Provider(A)
    async with provider.running():
        await provider.set.find("a")
        provider.keys = OSError("nobody answers")
        for moment in (10, 20, 3600):
            provider.now = moment
            assert await provider.refusal("b") == "unavailable"
            assert (await provider.set.find("a")).alive, "it stays in force"
        warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
        assert warnings == ["auth.jwt.jwks: nobody answers; those that were there stay in force"]
        caplog.clear()
        provider.publish(B)
        provider.now = 3610
        assert (await provider.set.find("b")).alive
        assert [r.getMessage() for r in caplog.records] == [
            "auth.jwt.jwks: the keys are up to date again"
        ]


async def test_away_at_the_start(caplog: pytest.LogCaptureFixture) -> None:
    provider = Provider(A)
    provider.keys = OSError()
    async with provider.running():
        assert await provider.refusal("a") == "unavailable"
        assert [r.getMessage() for r in caplog.records] == ["auth.jwt.jwks: OSError"]
        caplog.clear()
        provider.publish(A)
        provider.now = 10
        assert (await provider.set.find("a")).alive


async def test_one_that_hangs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sharedstate_anyio.auth.key_set.LOAD_SECONDS", 0.01)
    provider = Provider(A)
    provider.open = False
    async with provider.running():
        assert await provider.refusal("a") == "unavailable"
        assert "did not come within 0.01 s" in caplog.text
        caplog.clear()
        provider.answer()
        provider.now = 10
        assert (await provider.set.find("a")).alive
    assert LOAD_SECONDS == 5


async def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no task loads the set, or it was cancelled."""
    monkeypatch.setattr("sharedstate_anyio.auth.key_set.WAIT_SECONDS", 0.01)
    provider = Provider(A)
    assert await provider.refusal("a") == "unavailable"
    provider.open = False
    async with anyio.create_task_group() as tasks, provider.running():
        tasks.start_soon(provider.refusal, "a")
        await until(lambda: provider.loads == 1)


async def test_it_is_loaded_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sharedstate_anyio.auth.key_set.REFRESH_SECONDS", 0.001)
    provider = Provider(A)
    async with provider.running():
        old = await provider.set.find("a")
        provider.publish(B)
        await until(lambda: not old.alive)


async def test_without_a_name_there_must_be_one_key() -> None:
    provider = Provider(A)
    async with provider.running():
        assert await provider.set.find(None) is await provider.set.find("a")
        provider.publish(A, B)
        provider.now = 10
        await provider.set.find("b")
        assert await provider.refusal(None) == "invalid"


async def test_keys_that_are_none_are_left_out() -> None:
    provider = Provider()
    encryption, rsa, short = A.jwk(use="enc", kid="e"), Signer("RS256", "r"), {"kty": "RSA"}
    secret = {"kty": "oct", "kid": "s", "k": "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg"}
    private = {**A.jwk(kid="p"), "d": "AQ"}
    wrong = [A.jwk(alg="RS256", kid="w"), A.jwk(crv="secp256k1", kid="k"), A.jwk(x="?", kid="x")]
    others = [encryption, short, secret, private, *wrong, {}, {"kty": 7}, {"kty": ["RSA"]}, 7, None]
    provider.keys = key_set(B, *others, rsa.jwk(alg="PS256"))  # type: ignore[arg-type]
    async with provider.running():
        assert (await provider.set.find("b")).algorithms == {"ES256"}
        assert (await provider.set.find("r")).algorithms == {"PS256"}
        for kid in ("e", "s", "p", "w", "k", "x"):
            assert await provider.refusal(kid) == "invalid"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "it is no JSON"),
        (b"<html>", "it is no JSON"),
        (b"[" * 5000, "it is no JSON"),
        (b"[]", "it has no list of keys"),
        (b'{"keys":{}}', "it has no list of keys"),
        (b'{"keys":[' + b"{}," * 100 + b"{}]}", "it holds more than 100 keys"),
    ],
)
async def test_what_is_no_set_changes_nothing(
    text: bytes, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    provider = Provider(A)
    async with provider.running():
        old = await provider.set.find("a")
        provider.keys = text
        provider.now = 10
        assert await provider.refusal("x") == "unavailable"
        assert said in caplog.text
        assert await provider.set.find("a") is old
        assert old.alive
    caplog.clear()


async def test_an_empty_set_drops_all(caplog: pytest.LogCaptureFixture) -> None:
    provider = Provider(A)
    async with provider.running():
        old = await provider.set.find("a")
        provider.publish()
        provider.now = 10
        assert await provider.refusal("x") == "invalid"
        assert not old.alive
        assert await provider.refusal("a") == "invalid"
    assert "auth.jwt.jwks: it holds no key that can be used here" in caplog.text
    caplog.clear()
