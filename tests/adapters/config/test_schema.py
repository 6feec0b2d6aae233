"""The JSON Schema of the configuration and the parser: whoever says yes, the other does too."""

from __future__ import annotations

import copy
import json
import random
import re
from typing import TYPE_CHECKING, Any, Final

import pytest
from jsonschema import Draft202012Validator

from sharedstate_anyio.config import schema as schema_module
from sharedstate_anyio.config.config import DEFAULT_DOCUMENT, parse_config
from sharedstate_anyio.config.limits import RANGES
from sharedstate_backends import ConfigurationError
from sharedstate_backends.items_service import KINDS, get_service
from tests.docs.test_examples import blocks
from tests.support.nightly import IS_WHOLE, by_day
from tests.support.services.command import started

from .test_config import README_DOCUMENT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA: Final = json.loads(json.dumps(schema_module.schema()))
VALIDATOR: Final = Draft202012Validator(SCHEMA)

SQLITE: Final = {
    "db_type": "sqlite",
    "db_name": "a.db",
    "db_table": "t",
    "db_synchronous": "NORMAL",
    "db_collections": 1,
    "db_timeout": 0,
}
MYSQL: Final = {
    **README_DOCUMENT["services"][0]["config"],
    "db_port": 3306,
    "db_pool_size": 3,
    "db_collections": 1_000_000_000,
    "db_timeout": 2.5,
    "db_socket": None,
    "ssl.check_hostname": False,
}
TLS: Final = {"cert": "c.pem", "key": "k.pem", "ca": None}


def service(**config: object) -> dict[str, Any]:
    return {"name": "s", "module": "items_service", "config": config}


DOCUMENTS: Final[list[dict[str, Any]]] = [
    json.loads(json.dumps(dict(DEFAULT_DOCUMENT))),
    README_DOCUMENT,
    {
        "$schema": "./config.schema.json",
        "service": {"host": "::", "port": 0, "ssl": TLS},
        "services": [
            {**service(**SQLITE), "poll_seconds": 0.5},
            {"name": "other", "module": "some.plugin", "config": {"any": ["thing"]}},
        ],
        "origins": ["https://App.example.org:8443", "same-host", "null", "http://[::1]"],
        "hosts": ["state.example.org", "Nas."],
        "metrics": "anyone",
        "compression": 512,
        "files": {"/": "public", "/docs/v1": "/srv/docs"},
        "auth": {
            "required": True,
            "jwt": {
                "secret": "s" * 32,
                "key": "public.pem",
                "jwks": "https://id.example.org/jwks.json",
                "algorithms": ["ES256", "HS256"],
                "issuer": "https://id.example.org",
                "audience": ["sharedstate"],
                "user": "sub",
                "leeway_seconds": 0.5,
                "require_exp": False,
            },
            "keys": [{"sha256": "aB" * 32, "user": {"id": "importer", "roles": [None]}}],
            "query": "access_token",
            "python": "my.auth:sign.in_",
        },
    },
    {
        "service": {"unix": "/run/s", "mode": "0660", "ssl": None},
        "services": [service(**MYSQL)],
        "limits": {key: least for key, (least, _, _) in RANGES.items()},
        "origins": ["same-host"],
        "hosts": "*",
        "auth": {
            "jwt": {"secrets": ["s" * 32, "t" * 64], "jwks": "keys.json", "audience": "x"},
            "deadline_seconds": 1,
            "grace_seconds": 86_400,
            "cookie": "session",
            "header": "X-Remote-User",
            "trusted": ["unix"],
            "query": True,
        },
    },
    {
        "service": {
            "listen": [
                {"host": "localhost", "port": 1, "ssl.enabled": True}
                | {f"ssl.{key}": file for key, file in TLS.items()},
                {"host": "localhost", "ssl.enabled": False, "ssl.cert": None},
                {"unix": "relative"},
            ]
        },
        "services": [{"name": "s", "module": "m"}],
        "limits": {key: maximum for key, (_, maximum, _) in RANGES.items()},
        "origins": "*",
        "auth": {"jwt": {"secret_file": "secret"}, "query": False},
        "rules": [
            {
                "path": "/a/items/{x}",
                "let": {"mine": "item.by == user.id"},
                "read": "user != null",
                "insert": True,
                "update": "mine && new.by == item.by",
                "remove": "mine",
                "list": False,
                "admin": "user.id == x",
                "stamp": {"by": "user.id"},
            },
            {"path": "/a/*/*", "write": False},
        ],
    },
]
"""Every key of the configuration is in one of them."""

JUNK: Final[list[Any]] = [
    *(None, True, False, 0, 1, -1, 2, 0.5, 5000, 70_000, 10**18, 1e300),
    *("", "x", "a/b", "a b", "..", ".", "660", "999", "x" * 300, "x\0y", "\x85"),
    *(
        "sqlite",
        "mysql",
        "FULL",
        "sqlite_x",
        "a-b",
        "9t",
        "*",
        "null",
        "local",
        "off",
        "::1",
        "a:1",
    ),
    *("https://a.b", "https://a.b/", "http://", "ftp://x:99999", "HTTP://A:80", "items_service"),
    *([], ["*"], [1], [[]], [{}], {}, {"x": 1}, {"listen": []}, {"listen": [{}]}, {"cert": "a"}),
    {"cert": "a", "key": "b"},
    {"cert": "a", "key": "b", "ca": ""},
    *("s" * 32, ["s" * 32], ["none"], ["RS256"], "http://127.0.0.1:1/k", "http://a.b/k", "m:f"),
    *("-----BEGIN", "unix", ["unix"], ["a:1"], {"id": "x"}, {"id": ""}, {"id": 1}, "0" * 64),
    *({"secret": "s" * 40}, {"jwks": "f"}, {"key": "a", "user": ""}, ["", "x"], ["a", "b"]),
]
KEYS: Final = sorted(
    {"unknown", "listen", "unix", "mode", "host", "port", "ssl", "ssl.enabled", "ssl.cert", "ca"}
    | {"/libs", "/libs/", "/libs/mine"}
    | {"auth", "jwt", "secret", "secrets", "secret_file", "jwks", "audience", "issuer", "key"}
    | {"keys", "cookie", "header", "trusted", "query", "python", "required", "sha256", "user"}
    | {"poll_seconds", "config", "metrics", "origins", "hosts", "limits", "service", *KINDS}
)

BEYOND: Final = (
    *("is called", "a part between dots", "there is no listener", "appears twice"),
    *('in "origins": any page could', "means something else"),
    *("rules[", "rules:"),  # expressions have a grammar
)
"""What only the server complains of."""


def refused(document: object) -> str | None:
    """Return why the server refuses a document, None if it does not."""
    try:
        config = parse_config(document)
        for each in config.services:
            if each.module == "items_service":
                get_service(each.config)
    except ConfigurationError as error:
        return str(error)
    return None


def is_beyond_a_schema(complaint: str | None) -> bool:
    """Return whether the server's complaint is one that a schema cannot make."""
    return complaint is not None and all(
        any(words in line for words in BEYOND) for line in complaint.splitlines()
    )


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every value in a document."""
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


def changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return a copy with another value at the end of the way; `...` removes it."""
    if not path:
        return value
    document = copy.deepcopy(document)
    parent = document
    for key in path[:-1]:
        parent = parent[key]
    if value is ...:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return document


def agree(document: Any) -> bool | None:
    """Hold the two against each other; return their verdict, None if a schema cannot have one."""
    complaint = refused(document)
    if is_beyond_a_schema(complaint):
        return None
    if (complaint is None) != VALIDATOR.is_valid(document):
        errors = [error.message for error in VALIDATOR.iter_errors(document)]
        raise AssertionError((document, complaint, errors))
    return complaint is None


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents_that_both_accept(document: dict[str, Any]) -> None:
    assert agree(document)


def test_the_documents_hold_every_key() -> None:
    text = json.dumps(DOCUMENTS)
    definitions = SCHEMA["$defs"]
    for owner in (SCHEMA, *definitions.values(), SCHEMA["properties"]["limits"]):
        for key in owner["properties"]:
            assert f'"{key}": ' in text


@pytest.mark.parametrize("number", range(len(DOCUMENTS)))
def test_one_wrong_value_anywhere(number: int) -> None:
    document = DOCUMENTS[number]
    verdicts = [
        agree(changed(document, path, value))
        for index, path in enumerate(places(document))
        for value in by_day((*JUNK, *([...] if path else []))[index % 7 :], 7)
    ]
    assert verdicts.count(True) > 3
    assert verdicts.count(False) > 30


@pytest.mark.parametrize("number", range(len(DOCUMENTS)))
def test_one_more_key_anywhere(number: int) -> None:
    document = DOCUMENTS[number]
    for path in places(document):
        parent = document
        for key in path:
            parent = parent[key]
        if isinstance(parent, dict):
            for key in by_day(KEYS[len(path) % 5 :], 5):
                for value in (None, True, "x", 1, {"cert": "a", "key": "b"}):
                    agree(changed(document, (*path, key), value))


def test_several_changes_at_once() -> None:
    """By chance, the same each time: one change may hide what another one shows."""
    chance = random.Random(7)
    for _ in range(3000 if IS_WHOLE else 500):
        document: Any = chance.choice(DOCUMENTS)
        for _ in range(chance.randint(2, 4)):
            ways = [path for path in places(document) if path]
            if not ways:
                break
            document = changed(document, chance.choice(ways), chance.choice([*JUNK, ...]))
        agree(document)


def test_every_key_is_explained() -> None:
    limits = SCHEMA["properties"]["limits"]["properties"]
    assert set(limits) == set(RANGES)
    assert set(SCHEMA["$defs"]["items_service"]["properties"]) == set(KINDS)
    explained = [SCHEMA, *SCHEMA["$defs"].values(), SCHEMA["properties"]["limits"]]
    for owner in explained:
        for key, schema in owner["properties"].items():
            assert len(schema["description"]) > 10, key
            if "default" in schema:
                assert not list(VALIDATOR.evolve(schema=schema).iter_errors(schema["default"])), key


def test_the_command(tmp_path: Path) -> None:
    with started("schema", folder=tmp_path) as command:
        assert command.finish() == 0
    assert json.loads(command.output) == SCHEMA
    assert command.errors == ""


def test_the_configurations_of_the_readme() -> None:
    found = [block.text for block in blocks() if block.language == "json"]
    found = [text for text in found if '"services"' in text]
    assert len(found) >= 2
    for text in found:
        assert not list(VALIDATOR.iter_errors(json.loads(text)))


async def test_the_configuration_in_the_help(tmp_path: Path) -> None:
    with started("--help", folder=tmp_path) as command:
        assert command.finish() == 0
    (text,) = re.findall(r"^  \{\n.*?^  \}\n", command.output, re.MULTILINE | re.DOTALL)
    assert agree(json.loads(text))


@pytest.mark.parametrize(
    ("document", "properties"),
    [
        ({"?": 1}, SCHEMA["properties"]),
        (
            {"services": DOCUMENTS[0]["services"], "auth": {"?": 1}},
            SCHEMA["$defs"]["auth"]["properties"],
        ),
        (
            {"services": DOCUMENTS[0]["services"], "auth": {"jwt": {"?": 1}}},
            SCHEMA["$defs"]["jwt"]["properties"],
        ),
        ({"services": [{"?": 1}]}, SCHEMA["$defs"]["service"]["properties"]),
        ({**DOCUMENTS[0], "limits": {"?": 1}}, SCHEMA["properties"]["limits"]["properties"]),
        (
            {**DOCUMENTS[0], "service": {"?": 1}},
            {"listen": {}, **SCHEMA["$defs"]["listener"]["properties"]},
        ),
    ],
)
def test_the_keys_are_those_that_the_parser_knows(document: object, properties: object) -> None:
    complaint = refused(document) or ""
    assert isinstance(properties, dict)
    assert complaint.splitlines()[0].partition("known here: ")[2].split(", ") == sorted(properties)
