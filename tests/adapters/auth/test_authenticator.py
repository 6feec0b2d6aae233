"""All of it together: what is asked in which order, what is remembered, and what a change leaves of it."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from sharedstate_anyio.auth import Authenticator, AuthRequest, Identity, Unauthenticated
from sharedstate_anyio.auth import cache as cache_module
from sharedstate_anyio.auth.cache import Cache
from sharedstate_anyio.auth.verification_keys import Key
from sharedstate_anyio.config.auth import AuthConfig, StaticKey
from sharedstate_anyio.config.jwt import JwtConfig
from sharedstate_anyio.logs.repeated_errors import RepeatedErrors
from sharedstate_backends import ConfigurationError
from tests.support.tokens import SECRET, Signer, claims, key_set

if TYPE_CHECKING:
    from pathlib import Path

OPAQUE = "an-opaque-token-of-a-script"
STATIC = StaticKey(hashlib.sha256(OPAQUE.encode()).hexdigest(), {"id": "importer", "role": "admin"})
JWT = JwtConfig(secrets=(SECRET,))


def asked(request: AuthRequest) -> dict[str, object] | None:
    """Stand for a function of the configuration: it knows one token, and one cookie."""
    if request.token == "known.to.it" or request.cookies.get("session") == "7":
        return {"id": "of the function"}
    return None


def made(**config: Any) -> Authenticator:
    return Authenticator(AuthConfig(**config), RepeatedErrors())


async def reason(authenticator: Authenticator, token: str) -> str:
    with pytest.raises(Unauthenticated) as caught:
        await authenticator.authenticate(AuthRequest(token))
    return caught.value.reason


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the algorithm of each verification, as they happen."""
    calls: list[str] = []
    verifies = Key.verifies

    def count(self: Key, algorithm: str, signed: bytes, signature: bytes) -> bool:
        calls.append(algorithm)
        return verifies(self, algorithm, signed, signature)

    monkeypatch.setattr(Key, "verifies", count)
    return calls


async def test_nobody() -> None:
    for config in ({"keys": (STATIC,)}, {"jwt": JWT}, {"python": f"{__name__}:asked"}):
        assert await made(**config).authenticate(AuthRequest()) is None


async def test_a_static_key() -> None:
    authenticator = made(keys=(STATIC,))
    found = await authenticator.authenticate(AuthRequest(OPAQUE))
    assert found == Identity({"id": "importer", "role": "admin"}, None)
    for token in ("", OPAQUE[:-1], STATIC.sha256, OPAQUE.upper(), Signer("HS256").token()):
        assert await reason(authenticator, token) == "invalid"


def test_users_of_static_keys_are_bounded() -> None:
    deep: Any = 1
    for _ in range(33):
        deep = [deep]
    for more in ("x" * 16_384, deep):
        with pytest.raises(
            ConfigurationError, match=r"auth.keys\[1\].user: is nested too deep, or"
        ):
            made(keys=(STATIC, StaticKey("0" * 64, {"id": "a", "more": more})))


async def test_whom_a_proxy_names() -> None:
    authenticator = made(header="x-user", trusted=frozenset({"unix"}))
    assert await authenticator.authenticate(AuthRequest(user="ann")) == Identity({"id": "ann"})
    assert await reason(authenticator, OPAQUE) == "invalid"


async def test_who_is_asked_for_what() -> None:
    authenticator = made(keys=(STATIC,), jwt=JWT, python=f"{__name__}:asked")

    async def id(token: str | None, **cookies: str) -> object:
        found = await authenticator.authenticate(AuthRequest(token, cookies=cookies))
        return found and found.user["id"]

    assert await id(OPAQUE) == "importer"
    assert await id(Signer("HS256").token()) == "ann"
    assert await id(None, session="7") == "of the function"
    assert await id(None, session="8") is None
    assert await reason(authenticator, "known.to.it") == "invalid", "it has the form of a JWT"
    assert await reason(authenticator, "unknown") == "invalid"
    without = made(python=f"{__name__}:asked")
    found = await without.authenticate(AuthRequest("known.to.it"))
    assert found == Identity({"id": "of the function"})


async def test_what_is_known_is_said_at_once(counted: list[str]) -> None:
    authenticator = made(keys=(STATIC,), jwt=JWT, python=f"{__name__}:asked")
    found = authenticator.known(AuthRequest(OPAQUE))
    assert found == Identity({"id": "importer", "role": "admin"}, None)
    shown = AuthRequest(Signer("HS256").token())
    assert authenticator.known(shown) is None
    assert counted == []
    verified = await authenticator.authenticate(shown)
    assert authenticator.known(shown) is verified
    for other in (
        AuthRequest(),
        AuthRequest("unknown"),
        AuthRequest("\udc00"),
        AuthRequest(user="ann"),
    ):
        assert authenticator.known(other) is None
    assert authenticator.known(AuthRequest(shown.token, fault="it came twice")) is None
    assert authenticator.known(AuthRequest("x" * 1_000_000)) is None
    authenticator.change(AuthConfig(jwt=JwtConfig(secrets=("x" * 40,))))
    assert authenticator.known(shown) is None
    assert counted == ["HS256"]


async def test_a_thousand_at_once_are_one_verification(counted: list[str]) -> None:
    authenticator = made(jwt=JWT)
    shown = AuthRequest(Signer("HS256").token())
    found: list[Identity | None] = []

    async def one() -> None:
        found.append(await authenticator.authenticate(shown))

    async with anyio.create_task_group() as tasks:
        for _ in range(1000):
            tasks.start_soon(one)
    assert len(found) == 1000
    assert len({each.expires for each in found if each}) == 1
    assert counted == ["HS256"]


async def test_a_thousand_that_wait_for_a_key_are_one_verification(
    counted: list[str], rsa: Signer, tmp_path: Path
) -> None:
    (tmp_path / "keys").write_bytes(key_set(rsa))
    jwks = JwtConfig(jwks=str(tmp_path / "keys"), audience=("sharedstate",))
    authenticator = made(jwt=jwks)
    shown = AuthRequest(rsa.token())
    async with anyio.create_task_group() as tasks:
        async with anyio.create_task_group() as askers:
            for _ in range(1000):
                askers.start_soon(authenticator.authenticate, shown)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(authenticator.run)
        tasks.cancel_scope.cancel()
    assert counted == ["RS256"]


async def test_what_is_invalid_is_not_remembered(counted: list[str]) -> None:
    authenticator = made(jwt=JWT)
    wrong = Signer("HS256", secret="x" * 32).token()
    for _ in range(2):
        assert await reason(authenticator, wrong) == "invalid"
    assert len(counted) == 2


async def test_a_change_forgets_what_was_valid() -> None:
    authenticator = made(jwt=JWT, keys=(STATIC,))
    shown = AuthRequest(Signer("HS256").token())
    assert await authenticator.authenticate(shown)
    with pytest.raises(ConfigurationError):
        authenticator.change(AuthConfig(python="no.such.module:f"))
    assert await authenticator.authenticate(shown), "what cannot be used changes nothing"
    authenticator.change(AuthConfig(jwt=JwtConfig(secrets=("x" * 32,))))
    assert await reason(authenticator, shown.token or "") == "invalid"
    assert await reason(authenticator, OPAQUE) == "invalid"
    authenticator.change(AuthConfig(jwt=JwtConfig(secrets=("x" * 32, SECRET))))
    assert await authenticator.authenticate(shown)


async def test_a_change_keeps_the_key_set(rsa: Signer, tmp_path: Path) -> None:
    """Its provider may be away just then."""
    file = tmp_path / "keys"
    file.write_bytes(key_set(rsa))
    config = AuthConfig(jwt=JwtConfig(jwks=str(file), audience=("sharedstate",)))
    authenticator = Authenticator(config, RepeatedErrors())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(authenticator.run)
        assert await authenticator.authenticate(AuthRequest(rsa.token()))
        file.unlink()
        more = JwtConfig(jwks=str(file), audience=("sharedstate", "more"), secrets=(SECRET,))
        authenticator.change(AuthConfig(jwt=more))
        assert await authenticator.authenticate(AuthRequest(rsa.token()))
        assert await authenticator.authenticate(AuthRequest(Signer("HS256").token()))
        authenticator.change(AuthConfig(jwt=JWT))
        assert await reason(authenticator, rsa.token()) == "invalid"
        file.write_bytes(key_set(rsa))
        authenticator.change(config)
        assert await authenticator.authenticate(AuthRequest(rsa.token()))
        tasks.cancel_scope.cancel()


async def test_what_vouches_for_somebody_and_does_not_any_more(tmp_path: Path) -> None:
    """What is the same in another configuration goes on to vouch."""
    file = tmp_path / "secret"
    file.write_text(SECRET)
    config = AuthConfig(jwt=JwtConfig(secret_file=str(file)), keys=(STATIC,))
    authenticator, dropped = Authenticator(config, RepeatedErrors()), list[int]()
    authenticator.dropped = lambda: dropped.append(1)
    shown = [AuthRequest(Signer("HS256").token()), AuthRequest(OPAQUE)]

    async def found() -> list[Identity]:
        asked = [await authenticator.authenticate(each) for each in shown]
        return [each for each in asked if each is not None]

    first = await found()
    assert not authenticator.change(AuthConfig(jwt=JwtConfig(secrets=(SECRET,)), keys=(STATIC,)))
    assert not dropped
    assert [each.is_vouched_for for each in first] == [True, True]
    assert not authenticator.change(config)
    assert authenticator.change(AuthConfig(jwt=config.jwt))
    assert [each.is_vouched_for for each in first] == [True, False]
    assert len(dropped) == 1
    file.write_text("x" * 32)
    assert authenticator.change(AuthConfig(jwt=config.jwt))
    assert [each.is_vouched_for for each in first] == [False, False]
    file.write_text(SECRET)
    authenticator.change(config)
    for other in (JwtConfig(secrets=(SECRET,), issuer=("x",)), None):
        (again, static) = await found()
        assert again.is_vouched_for
        authenticator.change(AuthConfig(jwt=other, keys=(STATIC,)))
        assert [again.is_vouched_for, static.is_vouched_for] == [False, True]
        authenticator.change(config)
    authenticator.change(None)
    assert not any(each.is_vouched_for for each in (again, static))
    assert await reason(authenticator, OPAQUE) == "invalid"


async def test_keys_of_another_set_do_not_vouch_any_more(rsa: Signer, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_bytes(key_set(rsa))
    configs = [
        AuthConfig(jwt=JwtConfig(jwks=str(tmp_path / name), audience=("sharedstate",)))
        for name in "ab"
    ]
    authenticator = Authenticator(configs[0], RepeatedErrors())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(authenticator.run)
        found = await authenticator.authenticate(AuthRequest(rsa.token()))
        assert found is not None
        assert found.is_vouched_for
        assert authenticator.change(configs[1])
        assert not found.is_vouched_for
        assert await authenticator.authenticate(AuthRequest(rsa.token()))
        tasks.cancel_scope.cancel()


async def test_what_is_configured_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(key_set())
    for name, said in (("keys", "it holds no key that can be used here"), ("x", "cannot be read")):
        jwks = JwtConfig(jwks=str(tmp_path / name), audience=("sharedstate",))
        assert said in (await made(jwt=jwks).check() or "")
    assert await made(jwt=JWT).check() is None


async def test_a_fault_of_ours_is_no_verdict(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: Key, algorithm: str, signed: bytes, signature: bytes) -> bool:
        raise RuntimeError(f"cannot verify {signed.decode()}")

    monkeypatch.setattr(Key, "verifies", fail)
    assert await reason(made(jwt=JWT), Signer("HS256").token()) == "unavailable"
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "RuntimeError: (its text is left out" in record.getMessage()
    caplog.clear()


# What is remembered


class DropableKey:
    alive = True


def test_the_cache() -> None:
    cache, key = Cache(), DropableKey()
    cache.keep(b"a", Identity({"id": "a"}, 30.0, (key,)), 10.0, 100)
    cache.keep(b"b", Identity({"id": "b"}, None, (key,)), 10.0, 100)
    cache.keep(b"c", Identity({"id": "c"}, 1e9, (key,)), 10.0, 100)
    assert [bool(cache.find(each, 29.9)) for each in (b"a", b"b", b"c", b"d")] == [1, 1, 1, 0]
    assert [bool(cache.find(each, 30.0)) for each in (b"a", b"b", b"c")] == [0, 1, 1]
    assert [bool(cache.find(each, 70.0)) for each in (b"a", b"b", b"c")] == [0, 0, 0]
    assert len(cache) == 0
    cache.keep(b"b", Identity({"id": "b"}, None, (key,)), 10.0, 100)
    assert cache.find(b"b", 9.0) is None, "the clock was set back"
    cache.keep(b"b", Identity({"id": "b"}, None, (key,)), 10.0, 100)
    key.alive = False
    assert cache.find(b"b", 11.0) is None


@pytest.mark.parametrize(("limit", "most"), [("MAX_TOKENS", 10), ("MAX_BYTES", 1000)])
def test_the_cache_is_bounded(limit: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, limit, most)
    cache = Cache()
    for number in range(100):
        for _ in range(2):
            cache.keep(bytes([number]), Identity(claims()), 0.0, 100)
    assert len(cache) == 10
    assert cache.find(bytes([99]), 1.0)
    assert cache.find(bytes([90]), 1.0)
    assert not cache.find(bytes([89]), 1.0)
