"""The configuration's `auth`: what is accepted, and that no complaint shows a secret."""

from __future__ import annotations

from typing import Any

import pytest

from sharedstate_anyio import parse_config
from sharedstate_anyio.config.auth import AuthConfig, StaticKey
from sharedstate_anyio.config.jwt import JwtConfig
from sharedstate_anyio.config.listeners import Listen
from sharedstate_anyio.config.reload import compare
from sharedstate_backends import ConfigurationError
from tests.support.services.servers import document

SECRET = "correct horse battery staple, and so on"
HASH = "0123456789abcdef" * 4


def read(top: dict[str, Any] | None = None, /, **auth: object) -> AuthConfig:
    found = parse_config({**document(), "auth": auth, **(top or {})}).auth
    assert found is not None
    return found


def complaint(top: dict[str, Any] | None = None, /, **auth: object) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read(top, **auth)
    said = [str(each) for each in caught.value.each]
    assert all(line.isprintable() for line in said)
    return "\n".join(said)


def test_without_it_nobody_signs_in() -> None:
    assert parse_config(document()).auth is None


def test_a_secret_alone_is_enough() -> None:
    assert read(jwt={"secret": SECRET}) == AuthConfig(jwt=JwtConfig(secrets=(SECRET,)))


def test_all_of_it() -> None:
    found = read(
        required=True,
        deadline_seconds=5,
        grace_seconds=0,
        jwt={
            "secrets": [SECRET, "o" * 32],
            "key": "public.pem",
            "jwks": "https://id.example.org/jwks.json",
            "algorithms": ["ES256", "HS256", "ES256"],
            "issuer": ["https://id.example.org", "id.example.org"],
            "audience": "sharedstate",
            "user": "email",
            "leeway_seconds": 0,
            "require_exp": False,
        },
        keys=[{"sha256": HASH.upper(), "user": {"id": "importer", "role": "admin"}}],
        cookie="session",
        header="X-Remote-User",
        trusted=["127.0.0.1:0"],
        query=True,
        python="my.auth:authenticate",
    )
    assert found == AuthConfig(
        required=True,
        deadline_seconds=5.0,
        grace_seconds=0.0,
        jwt=JwtConfig(
            secrets=(SECRET, "o" * 32),
            key="public.pem",
            jwks="https://id.example.org/jwks.json",
            algorithms=("ES256", "HS256"),
            issuer=("https://id.example.org", "id.example.org"),
            audience=("sharedstate",),
            user="email",
            leeway_seconds=0.0,
            require_exp=False,
        ),
        keys=(StaticKey(HASH, {"id": "importer", "role": "admin"}),),
        cookie="session",
        header="x-remote-user",
        trusted=frozenset({"127.0.0.1:0"}),
        query="token",
        python="my.auth:authenticate",
    )
    assert SECRET not in repr(found)
    assert HASH not in repr(found)
    assert found.secrets == {"secrets": [SECRET, "o" * 32]}


@pytest.mark.parametrize(
    ("auth", "said"),
    [
        ({}, "auth: nobody could ever sign in"),
        ({"required": True, "cookie": "c"}, "auth: nobody could ever sign in"),
        ({"python": "f", "required": 1}, "auth.required: expected true or false, found 1"),
        ({"python": "f"}, 'auth.python: expected a function such as "myproject.auth:authenticate"'),
        ({"python": "m:f", "deadline_seconds": 0}, "expected seconds from 1 to 3,600, found 0"),
        ({"python": "m:f", "cookie": "a b"}, "auth.cookie: expected the name of a cookie"),
        ({"python": "m:f", "query": "a&b"}, "auth.query: expected true, false, or a name"),
        ({"python": "m:f", "xyz": 1}, "auth.xyz: unknown key; known here: cookie, "),
        ({"header": "X-User"}, 'auth.trusted: is missing, and "header" needs it'),
        ({"python": "m:f", "trusted": ["unix"]}, "auth.header: is missing"),
        ({"header": "X-User", "trusted": ["unix"]}, 'auth.trusted: there is no listener "unix"'),
        (
            {"header": "X-User", "trusted": ["lo"]},
            'auth.trusted[0]: expected "unix" or "host:port"',
        ),
        ({"header": "Cookie", "trusted": ["127.0.0.1:0"]}, "means something else"),
        ({"keys": []}, "auth.keys: expected a list of 1 to 100, found 0"),
        ({"keys": [{"sha256": HASH, "user": {}}]}, "auth.keys[0].user.id: expected a text"),
        (
            {"keys": [{"sha256": HASH, "user": {"id": "a"}}] * 2},
            "auth.keys[1].sha256: appears twice",
        ),
        ({"keys": [{"user": {"id": "a"}}]}, "auth.keys[0].sha256: is missing; add it"),
        ({"jwt": {}}, "auth.jwt: nothing says whose tokens are valid"),
        ({"jwt": {"secret": ""}}, "auth.jwt.secret: has 0 characters"),
        ({"jwt": {"secrets": [SECRET] * 11}}, "auth.jwt.secrets: expected a list of 1 to 10 texts"),
        ({"jwt": {"secret": SECRET, "secret_file": "f"}}, 'cannot be combined with "secret"'),
        ({"jwt": {"secrets": [SECRET], "secret_file": "f"}}, 'cannot be combined with "secrets"'),
        ({"jwt": {"jwks": "f"}}, 'auth.jwt.audience: is missing, and "jwks" needs it'),
        ({"jwt": {"jwks": "http://id.example.org/k", "audience": "s"}}, "write https://"),
        ({"jwt": {"jwks": "https://:0", "audience": "s"}}, "expected the name of a file, or an"),
        (
            {"jwt": {"jwks": "https://a.b:x/", "audience": "s"}},
            "expected the name of a file, or an",
        ),
        ({"jwt": {"jwks": "https://u:p@a.b/", "audience": "s"}}, "expected the name of a file"),
        ({"jwt": {"jwks": "ftp://a.b/", "audience": "s"}}, "expected the name of a file, or an"),
        ({"jwt": {"key": "-----BEGIN PUBLIC KEY-----"}}, "found what is in one"),
        (
            {"jwt": {"key": "f", "algorithms": ["none"]}},
            "auth.jwt.algorithms[0]: expected one of HS256",
        ),
        ({"jwt": {"key": "f", "audience": []}}, "auth.jwt.audience: expected a text, or a list"),
        ({"jwt": {"key": "f", "require_exp": 1}}, "auth.jwt.require_exp: expected true or false"),
        ({"jwt": {"key": "f", "leeway_seconds": 301}}, "expected seconds from 0 to 300, found 301"),
    ],
)
def test_complaints(auth: dict[str, object], said: str) -> None:
    assert said in complaint(**auth)


def test_keys_come_by_plain_http_from_this_machine_only() -> None:
    for address in ("http://127.0.0.1:8080/keys", "http://localhost/", "http://[::1]:1"):
        found = read(jwt={"jwks": address, "audience": "s"})
        assert found.jwt is not None
        assert found.jwt.jwks == address


@pytest.mark.parametrize("key", ["cookie", "header"])
@pytest.mark.parametrize("origins", ["*", ["null"], ["same-host", "*"]])
def test_not_every_page_may_connect_where_browsers_vouch(key: str, origins: object) -> None:
    more = {"trusted": ["127.0.0.1:0"]} if key == "header" else {}
    said = complaint({"origins": origins}, python="m:f", **{key: "X-Session"}, **more)
    assert said.startswith(f"auth.{key}: cannot be combined with ")
    assert 'in "origins": any page could act for its visitors' in said
    read({"origins": ["https://app.example.org"]}, python="m:f", **{key: "X-Session"}, **more)


@pytest.mark.parametrize("value", ["short, but secret", 12345678901234567890, ["inner secret"]])
def test_no_complaint_shows_a_secret(value: object) -> None:
    for auth in (
        {"jwt": {"secret": value}},
        {"jwt": {"secrets": [value]}},
        {"keys": [{"sha256": value, "user": {"id": "a"}}]},
    ):
        assert not {"secret", "1234567890"} & set(complaint(**auth).replace(".secret", "").split())


def test_which_listeners_are_trusted() -> None:
    listen = [
        {"host": "127.0.0.1", "port": 1},
        {"host": "::1", "port": 2},
        {"host": "LocalHost", "port": 3},
        {"unix": "socket"},
    ]
    names = ["127.0.0.1:1", "[::1]:2", "localhost:3", "unix"]
    for index, name in enumerate(names):
        service = {"service": {"listen": listen}}
        found = parse_config({**document(), **service, "auth": {"header": "u", "trusted": [name]}})
        assert found.auth is not None
        assert [found.auth.trusts(each) for each in found.listen] == [
            number == index for number in range(len(listen))
        ]
    assert not AuthConfig(header="u").trusts(Listen())


def test_another_auth_takes_effect_at_once() -> None:
    config = parse_config({**document(), "auth": {"jwt": {"secret": SECRET}}})
    outcome = compare(parse_config(document()), config)
    assert (outcome.changed, outcome.waiting) == (("auth",), ())
    assert outcome.config.auth == config.auth
