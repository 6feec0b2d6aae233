"""What a connection shows: which of several places counts."""

from __future__ import annotations

from typing import Any

import pytest

from sharedstate_anyio.auth import Authenticator, AuthRequest, Unauthenticated, credentials
from sharedstate_anyio.config.auth import AuthConfig
from sharedstate_anyio.logs.repeated_errors import RepeatedErrors

ALL = AuthConfig(cookie="session", header="x-remote-user", query="token", python="m:f")
NONE = AuthConfig(python="m:f")

BEARER = (b"authorization", b"Bearer of-the-header")
COOKIE = (b"cookie", b'theme=dark; session="of-the-cookie"; session=second; odd')
PROXY = (b"x-remote-user", b"ann")
TARGET = "/?a=1&token=of-the-query&b=2"


def shown(*headers: tuple[bytes, bytes], auth: AuthConfig = ALL, **more: Any) -> AuthRequest:
    return credentials(auth, headers, **{"target": TARGET, "trusted": True, **more})


def names(request: AuthRequest) -> tuple[str | None, str | None]:
    return request.token, request.user


def test_the_first_that_is_there_counts() -> None:
    for request in (shown(BEARER, COOKIE), shown(PROXY), shown(BEARER, BEARER)):
        later = request.with_token("of-the-message")
        assert names(later) == ("of-the-message", None)
        assert later.fault is None
        assert later.headers == request.headers
    assert names(shown(BEARER, COOKIE, PROXY)) == ("of-the-header", None)
    assert names(shown(COOKIE, PROXY)) == ("of-the-cookie", None)
    assert names(shown(PROXY)) == (None, "ann")
    assert names(shown()) == ("of-the-query", None)
    assert names(shown(target="/")) == (None, None)


def test_what_the_configuration_does_not_name_does_not_count() -> None:
    assert names(shown(COOKIE, PROXY, auth=NONE)) == (None, None)
    assert names(shown(BEARER, COOKIE, PROXY, auth=NONE)) == ("of-the-header", None)


def test_an_empty_token_of_a_message_is_one() -> None:
    """Else the handshake would say who is there, against what the client has said."""
    assert names(shown(BEARER).with_token("")) == ("", None)


def test_at_other_listeners_anybody_can_send_the_header() -> None:
    request = shown(PROXY, trusted=False, target="/")
    assert names(request) == (None, None)
    assert "x-remote-user" not in request.headers, "a function must not believe it either"
    assert shown(PROXY).headers["x-remote-user"] == "ann"


@pytest.mark.parametrize(
    ("headers", "target", "said"),
    [
        ((PROXY, (b"x-remote-user", b"root")), "/", "there are two headers that name a user"),
        (((b"x-remote-user", b"x" * 256),), "/", "the id of a user has at most 255 characters"),
        ((BEARER, BEARER), "/", "there are two headers Authorization"),
        ((), "/?token=a&token=b", "there are two tokens in the query"),
        ((), "/?" + "a=b&" * 101, "the query has too many members"),
    ],
)
async def test_what_is_said_twice_is_refused(
    headers: tuple[tuple[bytes, bytes], ...], target: str, said: str
) -> None:
    request = shown(*headers, target=target)
    assert names(request) == (None, None)
    config = AuthConfig(header="x-remote-user", trusted=frozenset({"unix"}))
    with pytest.raises(Unauthenticated, match=said) as caught:
        await Authenticator(config, RepeatedErrors()).authenticate(request)
    assert caught.value.reason == "invalid"


@pytest.mark.parametrize("value", [b"Basic YW5uOnB3", b"Bearer", b"Bearer ", b"", b"of-the-header"])
def test_other_schemes_are_a_proxy_s_business(value: bytes) -> None:
    assert names(shown((b"authorization", value), COOKIE)) == ("of-the-cookie", None)


def test_the_scheme_in_any_case() -> None:
    assert shown((b"authorization", b"bearer  x.y ")).token == "x.y"


@pytest.mark.parametrize(
    ("sent", "user"), [("Åse".encode(), "Åse"), (b"\xc5se", "Åse"), (b"", None)]
)
def test_names_of_users(sent: bytes, user: str | None) -> None:
    assert shown((b"x-remote-user", sent), target="/").user == user


def test_all_that_a_function_may_see() -> None:
    headers = [
        *((b"origin", b"https://a.b"), (b"x-many", b"1"), (b"x-many", b"2")),
        *((b"cookie", b"a=1"), (b"cookie", b"b=2=3; ; =4; c")),
    ]
    request = shown(*headers, peer="::1", auth=NONE)
    assert (request.peer, request.origin) == ("::1", "https://a.b")
    assert request.headers["x-many"] == "1, 2"
    assert request.cookies == {"a": "1", "b": "2=3"}


def test_headers_are_for_a_function_only() -> None:
    """Each connection keeps what it shows."""
    config = AuthConfig(cookie="session", keys=())
    request = shown(COOKIE, (b"origin", b"https://a.b"), auth=config)
    assert request == AuthRequest("of-the-cookie", {}, {}, "", "https://a.b")


def test_it_does_not_show_what_is_secret() -> None:
    text = repr(shown(BEARER, COOKIE))
    assert "of-the" not in text
    assert "AuthRequest(peer=" in text
