"""Tokens stay out of the log, wherever they come from."""

from __future__ import annotations

import json
import logging

import pytest

from sharedstate_anyio.logs.formatting import JsonFormatter, LineFormatter
from sharedstate_anyio.logs.redactor import Redactor
from tests.support.tokens import Signer, claims

OPAQUE = "q7-Zc.9_x~tok+en/secret"


def test_json_web_tokens_anywhere() -> None:
    token = Signer("HS256").token()
    head, content, _ = token.split(".")
    spread = Signer("HS256").token(json.dumps(claims(), indent=1).encode())
    for text in (token, spread, head, f"{head}.{content}", token[:25], f"{token}.x", f"..{token}"):
        for around in ("{}", "bad token: {}!", "['{}']", "/?x={}&y", '{{"token": "{}"}}', "\n{}\n"):
            said = Redactor()(around.format(text))
            assert head[:12] not in said
            assert content[:10] not in said
            assert "***" in said


@pytest.mark.parametrize(
    "text",
    [
        *(
            "eyelashes",
            "eyewitnesses.example.org is down",
            "e2e.tests",
            "grey",
            "https://eyes.example",
        ),
        *(
            "the cookie is absent",
            "auth.cookie: expected the name of a cookie, found 1",
        ),
        *("Authorization is missing", "there are two headers Authorization", "the bearer left"),
        *(
            "a token=1",
            "tokens?",
            "/app/items/token",
            "app.ey.x",
            "sharedstate_anyio.auth.jwt_tokens",
        ),
    ],
)
def test_what_is_no_token_is_shown(text: str) -> None:
    assert Redactor()(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"Authorization: Bearer {OPAQUE}\r\nHost: a", "Authorization: ***\r\nHost: a"),
        (f"authorization: {OPAQUE}, x", "authorization: ***, x"),
        (f"[(b'authorization', b'Bearer {OPAQUE}'), 1]", "[(b'authorization', b'***'), 1]"),
        (f'{{"Authorization": "Basic {OPAQUE}"}}', '{"Authorization": "***"}'),
        (f"Proxy-Authorization: Basic {OPAQUE}", "Proxy-Authorization: ***"),
        (f"sent Bearer {OPAQUE}==, and", "sent Bearer ***, and"),
        (f'Cookie: a="{OPAQUE}"; b={OPAQUE}\r\nHost: a', "Cookie: ***\r\nHost: a"),
        (f"(b'cookie', b'session={OPAQUE}; x=y')", "(b'cookie', b'***')"),
        (f"Set-Cookie: s={OPAQUE}; Path=/", "Set-Cookie: ***"),
        (f"GET /?a=1&token={OPAQUE}&b=2 HTTP/1.1", "GET /?a=1&token=***&b=2 HTTP/1.1"),
        (f"/app?access_token={OPAQUE}#x", "/app?access_token=***#x"),
    ],
)
def test_where_tokens_are_sent(text: str, shown: str) -> None:
    assert Redactor()(text) == shown


def test_cookies_and_members_that_the_configuration_names() -> None:
    redact = Redactor(members=["my.session", "t"])
    assert redact(f"my.session={OPAQUE}; theme=dark") == "my.session=***; theme=dark"
    assert redact(f"/x?t={OPAQUE}&set=1") == "/x?t=***&set=1"
    assert redact(f"myXsession={OPAQUE} at=1") == f"myXsession={OPAQUE} at=1"


def test_every_line_passes_by_it() -> None:
    token = Signer("HS256").token()
    try:
        raise ValueError(f"cannot read {token}")
    except ValueError as error:
        info = (type(error), error, error.__traceback__)
    text = "refused %s"
    record = logging.LogRecord("sharedstate", logging.ERROR, "", 0, text, (token,), info)
    record.fields = {"event": "x", "detail": f"Cookie: {token}"}
    for formatter in (LineFormatter(), JsonFormatter()):
        line = formatter.format(record)
        assert "refused ***" in line
        assert not any(part in line for part in token.split("."))
