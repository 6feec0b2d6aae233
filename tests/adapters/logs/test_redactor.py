"""What of a service's `config` may stand in the log: only what is known to be harmless."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from types import MappingProxyType

import pytest

from sharedstate_anyio.logs.formatting import JsonFormatter, LineFormatter
from sharedstate_anyio.logs.redactor import HARMLESS, Redactor

SECRET = "s3same-open"


@pytest.mark.parametrize(
    "key",
    [
        *("password", "passwd", "pass", "pwd", "passphrase", "pin", "secret", "token"),
        *("api_key", "apiKey", "access_key", "private_key", "encryption_key", "key", "auth"),
        *("authorization", "bearer", "credential", "credentials", "dsn", "url", "uri"),
        *("connection_string", "conn", "salt", "cookie", "signature", "license", "webhook"),
        *("sas", "jwt", "otp", "whatever"),
    ],
)
def test_the_name_of_a_key_does_not_matter(key: str) -> None:
    for value in (SECRET, [SECRET], {"inner": [{"more": SECRET}]}):
        assert Redactor([{key: value}])(f"cannot use {SECRET}!") == "cannot use ***!"


def test_what_is_known_to_be_harmless_is_shown() -> None:
    config = {
        "db_type": "mysql",
        "db_name": "sharedstate",
        "db_table": "items",
        "db_host": "db.example.org",
        "db_port": 33060,
        "db_socket": "/run/mysqld.sock",
        "db_user": "somebody",
        "db_password": SECRET,
        "db_pool_size": 1000,
        "db_synchronous": "NORMAL",
        "db_collections": 1_000_000,
        "ssl.enabled": True,
        "ssl.key": "/etc/ssl/key.pem",
        "ssl.ca": None,
        "Host": "state.example.org",
        "path": "/srv/state",
    }
    redact = Redactor([config])
    for value in config.values():
        assert redact(f"there is {value} here") == (
            f"there is {'***' if value == SECRET else value} here"
        )


def test_the_guide_lists_what_is_shown() -> None:
    page = (Path(__file__).parents[3] / "docs/own-service.md").read_text("utf-8")
    listed = re.search(r"the values of the keys (.*?), also with `db_`", page, re.DOTALL)
    assert listed is not None
    of_items_service = {key for key in HARMLESS if key.startswith("ssl.")}
    of_items_service |= {"pool_size", "synchronous", "collections"}
    assert set(re.findall(r"`(\w+)`", listed[1])) == HARMLESS - of_items_service


def test_a_harmless_name_does_not_cover_everything() -> None:
    """A place with a password in it, a key in the place of its file, and what is under the name of a secret."""
    for config, text in (
        ({"host": f"redis://me:{SECRET}@db"}, f"redis://me:{SECRET}@db"),
        ({"ssl.key": f"-----BEGIN-----\n{SECRET}"}, f"-----BEGIN-----\n{SECRET}"),
        ({"credentials": {"name": SECRET}}, SECRET),
    ):
        assert Redactor([config])(text) == "***"


@pytest.mark.parametrize(
    "value",
    [
        f"postgres://somebody:{SECRET}@db.example.org:5432/app",
        f"host=db user=somebody password={SECRET}",
        f"Server=db;Pwd={SECRET};Encrypt=yes",
        f"https://db.example.org/app?sig={SECRET}&x=1",
    ],
)
def test_a_secret_within_a_value_is_left_out_alone(value: str) -> None:
    """A driver takes it apart, and complains of a piece."""
    assert Redactor([{"dsn": value}])(f"refused: {SECRET}") == "refused: ***"
    assert Redactor([{"dsn": value}])(f"refused: {value}") == "refused: ***"


def test_a_quoted_secret_of_a_url_is_left_out_as_it_is_meant() -> None:
    redact = Redactor([{"url": "amqp://me:s3same%2Fopen@mq/"}])
    assert redact("refused: s3same/open, s3same%2Fopen") == "refused: ***, ***"


def test_a_line_of_a_secret_is_left_out() -> None:
    redact = Redactor([{"pem": "-----BEGIN KEY-----\nMIIEvQIBADANBg\r\nkqhkiG9w0BAQEF\n"}])
    assert redact("bad base64: kqhkiG9w0BAQEF, MIIEvQIBADANBg.") == "bad base64: ***, ***."


def test_what_a_program_may_hand_in() -> None:
    """Its configuration need not come from JSON."""
    config = {"a": ("first-one", {"second-one"}), "b": MappingProxyType({"c": b"third-one"})}
    assert Redactor([config])("first-one second-one third-one") == "*** *** ***"


def test_numbers_and_words_that_are_no_secrets() -> None:
    config = {
        "retries": 25,
        "fast": True,
        "share": 0.25,
        "none": None,
        "empty": "",
        "gap": " ",
        "mode": "list",
    }
    text = "25 of 1 True 0.25 None: it listens"
    assert Redactor([config])(text) == text
    assert Redactor([{"pin": 4711}])("4711, 47112") == "***, 47112"
    assert Redactor([{"retries": "3"}])("3 of 30") == "*** of 30"
    assert Redactor([{"api_key": 25}])("25 of 250") == "*** of 250"


def test_what_stands_elsewhere_openly_is_shown() -> None:
    """Else the log could not name a service."""
    configs = [{"bucket": "items", "scheme": "state"}, {"db_table": "state"}]
    assert Redactor(configs, public=["items"])("items of state") == "items of state"
    assert Redactor([{"password": "items"}], public=["items"])("items") == "***"


def test_a_value_cannot_hide_when_and_what() -> None:
    """Time, level and event are not the configuration's."""
    redactor = Redactor([{"a": "INFO", "b": "1970", "c": "ready", "d": 1970, "e": "info"}])
    record = logging.LogRecord("sharedstate", logging.INFO, "", 0, "ready 1970 INFO", None, None)
    record.created, record.msecs = 1.5, 500
    record.fields = {"event": "ready", "url": "ready"}
    text, lines = LineFormatter(), JsonFormatter()
    text.redactor = lines.redactor = redactor
    assert text.format(record) == "1970-01-01T00:00:01.500Z INFO *** *** ***"
    assert json.loads(lines.format(record)) == {
        "time": "1970-01-01T00:00:01.500Z",
        "level": "info",
        "message": "*** *** ***",
        "event": "ready",
        "url": "***",
    }
