"""Forged tokens, and true ones: by every kind of key."""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import jwt as pyjwt
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharedstate_anyio.auth import Authenticator, AuthRequest, Identity, Unauthenticated
from sharedstate_anyio.auth.claims import identity_of, read_object
from sharedstate_anyio.config.auth import AuthConfig
from sharedstate_anyio.config.jwt import JwtConfig
from sharedstate_anyio.logs.repeated_errors import RepeatedErrors
from sharedstate_backends import ConfigurationError
from tests.support.tokens import SECRET, Signer, base64url, claims, token

if TYPE_CHECKING:
    from pathlib import Path

OLD = "an older secret of the tests, which signs no more"


def authenticator(**jwt: Any) -> Authenticator:
    for name in ("audience", "issuer", "algorithms", "secrets"):
        if isinstance(jwt.get(name), str):
            jwt[name] = (jwt[name],)
    return Authenticator(AuthConfig(jwt=JwtConfig(**jwt)), RepeatedErrors())


async def who(shown: str, **jwt: Any) -> Identity | None:
    return await authenticator(**{"secrets": SECRET, **jwt}).authenticate(AuthRequest(shown))


async def refusal(shown: str, **jwt: Any) -> tuple[str, str]:
    with pytest.raises(Unauthenticated) as caught:
        await who(shown, **jwt)
    error = caught.value
    assert error.text == str(error)
    assert error.text.isprintable()
    assert not any(part in error.text for part in shown.split(".") if len(part) > 5)
    return error.reason, error.text


async def refused(shown: str, text: str, reason: str = "invalid", **jwt: Any) -> None:
    assert await refusal(shown, **jwt) == (reason, text)


WRONG = "the signature of the token fits none of the keys"
NONE = "the token is no JSON Web Token"


def no_key(algorithm: str) -> str:
    return f"the token is signed by {algorithm}, and no key is made for that"


NO_KEY = no_key("an algorithm that is not supported")


@pytest.fixture(scope="module")
def pem(rsa: Signer, tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("keys") / "public.pem"
    file.write_text(rsa.pem)
    return str(file)


async def test_a_good_one() -> None:
    expires = int(time.time()) + 60
    content = claims(exp=expires, role="editor", iat=1, jti="x", nbf=1, iss="me", nonce="n")
    found = await who(Signer("HS256").token(content))
    assert found == Identity({"id": "ann", "role": "editor"}, expires + 10.0)


async def test_without_an_end() -> None:
    shown = Signer("HS256").token({"sub": "ann"})
    said = "the token would never expire, which auth.jwt.require_exp forbids: it has no claim exp"
    await refused(shown, said)
    assert await who(shown, require_exp=False) == Identity({"id": "ann"}, None)


@pytest.mark.parametrize("algorithm", ["RS256", "PS384", "ES256", "ES384", "ES512", "EdDSA"])
async def test_every_kind_of_key(algorithm: str, tmp_path: Path) -> None:
    signer = Signer(algorithm, "kid")
    (tmp_path / "pem").write_text(signer.pem)
    (tmp_path / "private").write_text(signer.private_pem)
    for jwt in ({"key": str(tmp_path / "pem")}, {"key": str(tmp_path / "pem"), "secrets": ()}):
        found = await who(signer.token(), **jwt)
        assert found is not None
    await refused(Signer(algorithm).token(), WRONG, key=str(tmp_path / "pem"))
    with pytest.raises(ConfigurationError, match=r"auth.jwt.key: is a private key"):
        authenticator(key=str(tmp_path / "private"))


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
async def test_secrets_old_and_new(algorithm: str) -> None:
    secrets = tuple(each * 2 for each in (SECRET, OLD))
    for secret in secrets:
        assert await who(Signer(algorithm, secret=secret).token(), secrets=secrets)
    await refused(Signer(algorithm, secret="x" * 70).token(), WRONG, secrets=secrets)


async def test_a_short_secret_is_not_for_long_hashes() -> None:
    await refused(Signer("HS512", secret=SECRET).token(), no_key("HS512"))


# Forged tokens


def _constant(signature: bytes, signed: bytes) -> bytes:
    return signature


async def test_none_is_no_algorithm(rsa: Signer, pem: str) -> None:
    for name in ("none", "None", "NONE", "nOnE", ""):
        for signature in (b"", b"x", b"x" * 256):
            shown = token({"alg": name}, claims(), partial(_constant, signature))
            await refused(shown, NO_KEY if signature else NONE, key=pem)


async def test_a_public_key_is_no_secret(rsa: Signer, pem: str) -> None:
    """Whoever knows the public key signs with it, as if it were a secret."""
    for text in (rsa.pem, rsa.pem.strip(), rsa.pem.replace("\n", "\r\n")):
        hmac = Signer("HS256", secret=text)
        await refused(hmac.token(), no_key("HS256"), key=pem, secrets=())
        await refused(hmac.token(), WRONG, key=pem)
        with pytest.raises(ConfigurationError, match="is a public key or a certificate"):
            authenticator(secrets=text)


async def test_the_algorithm_is_that_of_the_key(rsa: Signer, pem: str) -> None:
    assert await who(rsa.token(), key=pem)
    for name in ("PS256", "RS512", "HS256"):
        await refused(rsa.token(alg=name), WRONG, key=pem)
    for name in ("ES256", "EdDSA"):
        await refused(rsa.token(alg=name), no_key(name), key=pem)
    for name in ("RS1", "rs256", "dir"):
        await refused(rsa.token(alg=name), NO_KEY, key=pem)
    await refused(Signer("HS256").token(alg="HS384"), no_key("HS384"))
    await refused(rsa.token(), no_key("RS256"), key=pem, algorithms=("PS256", "HS256"))
    assert await who(rsa.token(), key=pem, algorithms=("RS256", "HS256"))


@pytest.mark.parametrize("value", [None, 7, ["HS256"], {"HS256": 1}, True])
async def test_an_algorithm_that_is_none(value: object) -> None:
    shown = token({"alg": value}, claims(), Signer("HS256").sign)
    await refused(shown, "the head of the token names no algorithm")


async def test_the_head_says_who_has_signed_and_nothing_else(rsa: Signer, pem: str) -> None:
    """Keys that a token brings along are not looked at."""
    other = Signer("RS256")
    for brought in ({"jwk": other.jwk()}, {"jku": "https://evil.example/k"}, {"x5u": "http://x"}):
        await refused(other.token(**brought), WRONG, key=pem)
    for name in ("crit", "b64"):
        shown = rsa.token(
            **{"b64": False, "crit": ["b64"], name: ["x"] if name == "crit" else False}
        )
        await refused(shown, "the head of the token asks for an extension", key=pem)
    for kid in (7, ["a"], "x" * 1001):
        await refused(rsa.token(kid=kid), "the head of the token names no key", key=pem)


async def test_what_was_changed_on_the_way() -> None:
    head, content, signature = Signer("HS256").token().split(".")
    other = base64url(json.dumps(claims(sub="root")).encode())
    await refused(f"{head}.{other}.{signature}", WRONG)
    await refused(f"{head}.{content}.{signature[:-3]}", WRONG)
    await refused(f"{head}.{content}.{signature}AAAA", WRONG)
    twin = signature[:-1] + chr(ord(signature[-1]) + 1)  # the same bytes, spelled otherwise
    await refused(f"{head}.{content}.{twin}", NONE)
    for shown in (f"{head}.{content}", f"{head}.{content}.", f"{head}.{content}.{signature}.x"):
        await refused(shown, NONE)
    for shown in (f"{head}.{content}.{signature}=", f" {head}.{content}.{signature}", "..", ""):
        await refused(shown, NONE)


async def test_garbage() -> None:
    for shown in ("x", "\0", "\x85\u2028", "é" * 100, "a.b.c", "." * 8192, "eyJ.eyJ.eyJ", "\ud800"):
        reason, _ = await refusal(shown)
        assert reason == "invalid"
    for head in (b"", b"{", b"[]", b"7", b"\xff\xfe{}", b'{"alg":"HS256","alg":"HS256"}'):
        shown = token(head, claims(), Signer("HS256").sign)
        assert (await refusal(shown))[0] == "invalid"
    await refused(
        token(b"[" * 3000, b"{}", Signer("HS256").sign), "the head of the token cannot be read"
    )
    for content in (b"{", b"[]", b'"x"', b"\xff", b'{"sub":"\\ud800"}', b'{"sub":"a","x":NaN}'):
        shown = token({"alg": "HS256"}, content, Signer("HS256").sign)
        assert (await refusal(shown))[1].startswith("the content of the token ")
    for content in (b"[" * 3000, b'{"a":' * 33 + b"1" + b"}" * 33, b'{"x":1e999}', b"9" * 5000):
        shown = token({"alg": "HS256"}, content, Signer("HS256").sign)
        assert (await refusal(shown))[1].startswith("the content of the token ")


async def test_long_ones_are_not_looked_at() -> None:
    said = "the token is longer than 8,192 bytes"
    await refused(Signer("HS256").token(claims(more="x" * 100_000)), said)
    await refused("x" * 8193, said)
    await refused("é" * 4097, said)
    await refused("x" * 8192, NONE)
    assert await who(Signer("HS256").token(claims(more="x" * 5_900)))


@pytest.mark.parametrize("name", ["sub", "exp", "aud", "role"])
async def test_claims_that_are_there_twice(name: str) -> None:
    text = json.dumps(claims(role="x"))
    content = text[:-1] + f', "{name}": 1}}'
    shown = token({"alg": "HS256"}, content.encode(), Signer("HS256").sign)
    await refused(shown, "the content of the token cannot be read")


# Claims


@pytest.mark.parametrize("name", ["exp", "nbf"])
@pytest.mark.parametrize("value", ["1700000000", None, True, [], {}, 1e18, 10**30, 253402300800])
async def test_times_that_are_none(name: str, value: object) -> None:
    shown = Signer("HS256").token(claims(**{name: value}))
    await refused(shown, f"the claim {name} of the token is no time in seconds")


@pytest.mark.parametrize("exp", [0, -1, -1e300, 1_000_000_000, 0.5])
async def test_what_has_expired(exp: float) -> None:
    await refused(Signer("HS256").token(claims(exp=exp)), "the token has expired", "expired")


async def test_the_leeway() -> None:
    now = [1000.0]
    config = AuthConfig(jwt=JwtConfig(secrets=(SECRET,)))
    asked = Authenticator(config, RepeatedErrors(), lambda: now[0])
    shown = AuthRequest(Signer("HS256").token(claims(nbf=2000, exp=3000.5)))
    for moment, reason in ((1989, "invalid"), (3010.5, "expired"), (9999, "expired")):
        now[0] = moment
        with pytest.raises(Unauthenticated) as caught:
            await asked.authenticate(shown)
        assert caught.value.reason == reason
    for moment in (1990, 2000, 3010.4):
        now[0] = moment
        found = await asked.authenticate(shown)
        assert found is not None
        assert found.expires == 3010.5


async def test_who_has_issued_it() -> None:
    said = "the token was issued by somebody else: its claim iss is none of auth.jwt.issuer"
    for value in ("https://evil.example", None, ["https://id.example.org"], ..., 7):
        await refused(
            Signer("HS256").token(claims(iss=value)), said, issuer="https://id.example.org"
        )
    shown = Signer("HS256").token(claims(iss="https://id.example.org"))
    assert await who(shown, issuer=("x", "https://id.example.org"))


async def test_for_whom_it_was_issued() -> None:
    said = "the token was issued for somebody else: its claim aud names none of auth.jwt.audience"
    for value in (
        "other",
        None,
        [],
        ["other"],
        ...,
        7,
        {"sharedstate": 1},
        "shared",
        [["sharedstate"]],
    ):
        await refused(Signer("HS256").token(claims(aud=value)), said, audience="sharedstate")
    for value in ("sharedstate", ["other", "sharedstate"]):
        assert await who(Signer("HS256").token(claims(aud=value)), audience="sharedstate")
        assert await who(Signer("HS256").token(claims(aud=value)), audience=("x", "sharedstate"))


async def test_the_claim_that_is_the_id() -> None:
    said = "the token names no user: its claim sub is missing, or no text"
    for value in ("", None, ["a"], True, 0.5, "x" * 256, ...):
        await refused(Signer("HS256").token(claims(sub=value)), said)
    await refused(Signer("HS256").token(claims()), said.replace("sub", "email"), user="email")
    found = await who(Signer("HS256").token(claims(email="a@b.c", id="root")), user="email")
    assert found is not None
    assert found.user == {"sub": "ann", "email": "a@b.c", "id": "a@b.c"}
    found = await who(Signer("HS256").token(claims(sub=42)))
    assert found is not None
    assert found.user == {"id": "42"}


# By chance

_times = st.one_of(st.integers(-10, 2_000), st.floats(), st.none(), st.just("5"), st.booleans())
_contents = st.fixed_dictionaries(
    {},
    optional={
        "sub": st.one_of(st.text(max_size=5), st.integers(), st.none()),
        "exp": _times,
        "nbf": _times,
        "iss": st.sampled_from(["me", "you", None, ["me"]]),
        "aud": st.sampled_from(["us", "them", None, ["us", "them"], [], {"us": 1}]),
        "x": st.recursive(st.none() | st.floats() | st.text(max_size=3), st.lists, max_leaves=3),
    },
)


@given(st.data())
def test_whatever_is_changed_is_refused(data: st.DataObject) -> None:
    """And nothing but `Unauthenticated` is ever raised."""
    shown = list(Signer("HS256").token(claims(exp=4_000_000_000)))
    before = "".join(shown)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(shown) - 1))
        shown[place : place + data.draw(st.integers(0, 2))] = data.draw(st.text(max_size=2))
        shown = shown or ["x"]
    after = "".join(shown)
    if after != before:
        reason, _ = anyio.run(partial(refusal, after))
        assert reason == "invalid"


@given(_contents, st.integers(0, 2_000))
def test_what_is_accepted_another_library_accepts(content: dict[str, Any], now: int) -> None:
    rules = JwtConfig(issuer=("me",), audience=("us",), leeway_seconds=7, require_exp=False)
    text = json.dumps(content).encode()
    try:
        found = identity_of(read_object(text, "the content"), rules, now)
    except Unauthenticated:
        return
    shown = token({"alg": "HS256"}, text, Signer("HS256").sign)
    options: Any = {"verify_exp": False, "verify_nbf": False, "verify_sub": False}
    decoded = pyjwt.decode(
        shown, SECRET, algorithms=["HS256"], audience="us", issuer="me", options=options
    )
    assert decoded == content
    assert found.user["id"] == str(content["sub"])
    assert content.get("nbf", 0) <= now + 7
    assert found.expires is None or found.expires > now
    assert msgspec.json.decode(msgspec.json.encode(found.user)) == found.user


# Files


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "holds no public key in PEM"),
        (b"\xff", "is no text"),
        (b"x" * 70_000, "is longer than 65,536 bytes"),
        (
            b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
            "holds no public key in PEM",
        ),
    ],
)
def test_files_of_keys(content: bytes | None, said: str, tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=f"auth.jwt.key: {said}"):
        authenticator(key=str(file))


async def test_a_file_of_a_secret(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"\n{SECRET}\n")
    assert await who(Signer("HS256").token(), secrets=(), secret_file=str(file))
    file.write_text("short")
    with pytest.raises(ConfigurationError, match="secret_file: has 5 characters; take at least 32"):
        authenticator(secret_file=str(file))


def test_a_key_of_which_nothing_is_allowed(pem: str) -> None:
    for jwt, place in (({"key": pem}, "key"), ({"secrets": SECRET}, "secret")):
        with pytest.raises(
            ConfigurationError, match=f"auth.jwt.{place}: is made for .*, none of which"
        ):
            authenticator(algorithms="ES256", **jwt)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("jwt", "jwt.algorithms", "jwt.exceptions"):
        monkeypatch.setitem(sys.modules, name, None)
    for module in ("jwt_tokens", "verification_keys"):
        monkeypatch.delitem(sys.modules, f"sharedstate_anyio.auth.{module}", raising=False)
    with pytest.raises(ConfigurationError) as caught:
        authenticator(secrets=SECRET)
    assert str(caught.value) == "auth.jwt: needs PyJWT: pip install 'sharedstate[jwt]'"
