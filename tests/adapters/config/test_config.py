"""Configuration: what is accepted, and that every complaint names its place and a remedy."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_anyio.config.config import Config, load_config, parse_config
from sharedstate_anyio.config.listeners import Listen
from sharedstate_anyio.config.services import ServiceConfig
from sharedstate_backends import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECRET = 'Tr0ub4dor"&3'

README_DOCUMENT: dict[str, Any] = {
    "service": {"host": "0.0.0.0", "port": 9000},
    "services": [
        {
            "name": "items",
            "module": "items_service",
            "config": {
                "db_type": "mysql",
                "db_name": "sharedstate",
                "db_table": "items",
                "db_host": "localhost",
                "db_user": "myuser",
                "db_password": SECRET,
                "ssl.enabled": False,
                "ssl.key": None,
                "ssl.ca": None,
                "ssl.cert": None,
            },
        },
        {
            "name": "mitems",
            "module": "items_service",
            "config": {"db_type": "sqlite", "db_name": ":memory:", "db_table": "items"},
        },
    ],
}

KNOWN = "host, listen, mode, port, ssl, ssl.ca, ssl.cert, ssl.enabled, ssl.key, unix"
EXPECTED = '"host", "port", "unix", "mode", "ssl", "ssl.enabled", "ssl.cert", "ssl.key", "ssl.ca", "listen"'


def one(module: str = "items_service", **config: object) -> dict[str, Any]:
    return {"services": [{"name": "s", "module": module, "config": config}]}


def complaint(document: object) -> str:
    with pytest.raises(ConfigurationError) as caught:
        parse_config(document)
    assert str(caught.value).isprintable()
    return str(caught.value)


def file_complaint(file: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_config(file)
    assert str(caught.value).isprintable()
    return str(caught.value).replace(str(file), "FILE")


# What is accepted


def test_the_readme_example_is_passed_through(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(README_DOCUMENT))
    config = load_config(file)
    assert load_config(str(file)) == config
    assert config.listen == (Listen("0.0.0.0", 9000),)
    assert [(s.name, s.module) for s in config.services] == [
        ("items", "items_service"),
        ("mitems", "items_service"),
    ]
    assert dict(config.services[0].config) == README_DOCUMENT["services"][0]["config"]
    assert [s.store for s in config.services] == ["MySQL or MariaDB", "SQLite, in memory"]
    assert [s.in_memory for s in config.services] == [False, True]


def test_without_a_file_there_are_a_stored_and_an_in_memory_service() -> None:
    config = load_config(None)
    assert config.listen == (Listen("127.0.0.1", 9000),)
    assert [(s.name, s.store) for s in config.services] == [
        ("items", "SQLite file"),
        ("mitems", "SQLite, in memory"),
    ]
    assert config.services[0].config["db_name"] == "sharedstate.db"


@pytest.mark.parametrize(
    ("service", "listen"),
    [
        ({}, Listen("127.0.0.1", 9000)),
        ({"port": 0}, Listen("127.0.0.1", 0)),
        ({"host": "::", "port": 65535}, Listen("::", 65535)),
        ({"host": "fe80::1%eth0"}, Listen("fe80::1%eth0", 9000)),
        ({"host": "state.example.org"}, Listen("state.example.org", 9000)),
    ],
)
def test_where_to_listen(service: dict[str, object], listen: Listen) -> None:
    assert parse_config({"service": service, **one()}).listen == (listen,)


def test_service_and_config_may_be_left_out() -> None:
    config = parse_config({"services": [{"name": "s", "module": "m.n"}]})
    assert config == Config((Listen(),), (ServiceConfig("s", "m.n", {}),))
    assert config.services[0].store == "module m.n"


@pytest.mark.parametrize("name", ["subs", "clock", "Åse & co", "a b", "x" * 128])
def test_any_segment_of_a_path_is_a_name(name: str) -> None:
    config = parse_config({"services": [{"name": name, "module": "m"}]})
    assert config.services[0].name == name


@pytest.mark.parametrize("metrics", ["local", "anyone", "off"])
def test_who_may_read_the_metrics(metrics: str) -> None:
    assert parse_config({**one(), "metrics": metrics}).metrics == metrics
    assert parse_config(one()).metrics == "local"


def test_the_schema_may_be_named() -> None:
    assert parse_config({"$schema": "./config.schema.json", **one()}) == parse_config(one())


def test_a_byte_order_mark_is_no_matter(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_bytes(b"\xef\xbb\xbf" + json.dumps(one()).encode())
    assert load_config(file).services[0].name == "s"


def test_a_parsed_configuration_does_not_follow_its_document() -> None:
    document = one(db_table="a")
    config = parse_config(document)
    document["services"][0]["config"]["db_table"] = "b"
    assert config.services[0].config["db_table"] == "a"


# Complaints about the document


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        (
            {"port": "9000x"},
            'service.port: expected a whole number from 0 to 65535, found "9000x"',
        ),
        ({"port": True}, "service.port: expected a whole number from 0 to 65535, found true"),
        ({"port": -1}, "service.port: expected a whole number from 0 to 65535, found -1"),
        ({"port": 65536}, "service.port: expected a whole number from 0 to 65535, found 65536"),
        ({"port": 80.0}, "service.port: expected a whole number from 0 to 65535, found 80.0"),
        ({"port": None}, "service.port: expected a whole number from 0 to 65535, found null"),
        ({"port": [1]}, "service.port: expected a whole number from 0 to 65535, found a list"),
        (
            {"port": 10**5000},
            "service.port: expected a whole number from 0 to 65535, found a number",
        ),
        ({"prot": 9000}, 'service.prot: unknown key; did you mean "port"?'),
        (
            {"port": 1, "x y\n": 0},
            'service["x y\\n"]: unknown key; known here: ' + KNOWN,
        ),
        ({"port": 1, "prot": 2}, "service.prot: unknown key; known here: " + KNOWN),
        (
            "0.0.0.0:9000",
            f"service: expected an object with {EXPECTED}, found a text",
        ),
    ],
)
def test_faults_in_service(service: object, expected: str) -> None:
    assert complaint({"service": service, **one()}) == expected


@pytest.mark.parametrize(
    "host", ["", 7, None, "127.0.0.1:9000", "http://a", "[::1]", "a b", "a\n", ":::", "x" * 1000]
)
def test_faults_in_host(host: object) -> None:
    found = complaint({"service": {"host": host}, **one()})
    assert found.startswith("service.host: expected a host name or an address and nothing else")
    assert len(found) < 200


@pytest.mark.parametrize("host", ["my..host", ".a", "a" * 64, "\ud800"])
def test_names_that_no_host_has(host: str) -> None:
    found = complaint({"service": {"host": host}, **one()})
    assert found.startswith("service.host: a part between dots is empty, too long or not text")


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            [],
            (
                'expected an object with "services", "service", "limits", "origins", "hosts", '
                '"compression", "metrics", "files", "auth", "rules", "$schema", found a list'
            ),
        ),
        ({}, "services: is missing; add it"),
        ({"services": []}, "services: is empty; describe at least one service"),
        ({"services": {"name": "a"}}, "services: expected a list, found an object"),
        ({"service": {}, "servces": []}, 'servces: unknown key; did you mean "services"?'),
        (
            {**one(), "port": 1},
            (
                "port: unknown key; known here: $schema, auth, compression, files, hosts, limits, metrics, origins, "
                "rules, service, services"
            ),
        ),
        (
            {**one(), "metrics": "all"},
            'metrics: expected one of "local", "anyone", "off", found "all"',
        ),
        (
            {**one(), "metrics": False},
            'metrics: expected one of "local", "anyone", "off", found false',
        ),
        (
            {**one(), "$schema": 1},
            "$schema: expected the address of a JSON Schema, found a number",
        ),
    ],
)
def test_faults_at_the_top(document: object, expected: str) -> None:
    assert complaint(document) == expected


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        (3, ': expected an object with "name", "module", "config", "poll_seconds", found a number'),
        ({"module": "m"}, ".name: is missing; add it"),
        ({"name": "n"}, ".module: is missing; add it"),
        ({"name": "n", "module": "m", "cfg": 1}, '.cfg: unknown key; did you mean "config"?'),
        ({"name": 3, "module": "m"}, ".name: expected a text, found 3"),
        (
            {"name": "", "module": "m"},
            '.name: expected one segment of a path, without "/", found ""',
        ),
        (
            {"name": "/a", "module": "m"},
            '.name: expected one segment of a path, without "/", found "/a"',
        ),
        (
            {"name": "a/b", "module": "m"},
            '.name: expected one segment of a path, without "/", found "a/b"',
        ),
        (
            {"name": "..", "module": "m"},
            ".name: is not valid in a path: a segment may not be '..'",
        ),
        (
            {"name": "a\0: b", "module": "m"},
            ".name: is not valid in a path: a segment holds a control character",
        ),
        (
            {"name": "\ud800", "module": "m"},
            ".name: is not valid in a path: a segment holds a lone surrogate",
        ),
        (
            {"name": "é" * 65, "module": "m"},
            ".name: is not valid in a path: a segment is longer than 128 bytes of UTF-8",
        ),
        (
            {"name": "n", "module": ""},
            '.module: expected a module such as "items_service", found ""',
        ),
        (
            {"name": "n", "module": "m", "config": SECRET},
            ".config: expected an object, found a text",
        ),
        (
            {"name": "other", "module": "m"},
            '.name: services[0] is called "other" too; rename one',
        ),
    ],
)
def test_faults_in_a_service(service: object, expected: str) -> None:
    document = {"services": [{"name": "other", "module": "m"}, service]}
    assert complaint(document) == f"services[1]{expected}"


# Complaints about the file


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "FILE, line 1, column 1: this is not JSON: Expecting value"),
        (
            '{\n  "a": 1,\n  b\n}',
            "FILE, line 3, column 3: this is not JSON: Expecting property name",
        ),
        ("{} {}", "FILE, line 1, column 4: this is not JSON: Extra data"),
        ('{"a": 1, "a": 1}', 'the key "a" appears twice; keep one'),
        (
            '{"services": [{}, {"config": {"db": 1, "db": 2}}]}',
            'services[1].config: the key "db" appears twice; keep one',
        ),
        ('{"service": {"port": NaN}}', "service.port: NaN is not JSON; write a number or null"),
        ("[" * 100_000, "FILE: is nested too deep for a configuration"),
        ("1" * 5000, "FILE: holds a number that is too long"),
        (
            '{"service": {"unix": "a\\udfff"}}',
            'service.unix: holds "\\udfff", half of a character; write the character itself',
        ),
        ('{"a": [{"\\ud800b": 1}]}', 'a[0]: holds "\\ud800", half of a character'),
    ],
)
def test_faults_in_the_text(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "config.json"
    file.write_text(text)
    assert file_complaint(file).startswith(expected)


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("", lambda keys: {**keys, **one()}),
        ("limits", lambda keys: {"limits": keys, **one()}),
        ("service", lambda keys: {"service": {"listen": [{}], **keys}, **one()}),
        ("services[0]", lambda keys: {"services": [{**one()["services"][0], **keys}]}),
    ],
)
def test_of_many_unknown_keys_some_are_told(
    place: str, found: Callable[[dict[str, object]], object]
) -> None:
    keys: dict[str, object] = {f"k{number}": 1 for number in range(40_000)}
    with pytest.raises(ConfigurationError) as caught:
        parse_config(found(keys))
    *told, rest = caught.value.each
    assert len(told) == 10
    assert rest.key == place
    assert rest.problem.startswith("39,990 more ")


def test_many_keys_are_read_soon(tmp_path: Path) -> None:
    """The last of them is there twice: comparing each with all others takes minutes."""
    file = tmp_path / "config.json"
    keys = [f'"k{number}": 1' for number in range(100_000)]
    file.write_text("{" + ", ".join([*keys, keys[-1]]) + "}")
    assert file_complaint(file) == 'the key "k99999" appears twice; keep one'


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert file_complaint(tmp_path / "no.json") == "FILE: there is no such file; check the path"
    assert file_complaint(tmp_path) == "FILE: is a directory; name the JSON file in it"
    file = tmp_path / "latin1.json"
    file.write_bytes('{"å": 1}'.encode("latin-1"))
    assert file_complaint(file) == "FILE: is not UTF-8 (byte 2); save it again as UTF-8"
    loop = tmp_path / "loop.json"
    loop.symlink_to(loop)
    assert file_complaint(loop).startswith("FILE: cannot be read: Too many levels")


def test_a_file_name_with_a_line_break_stays_on_one_line(tmp_path: Path) -> None:
    assert "\\n" in file_complaint(tmp_path / "a\nb.json")


def test_a_password_is_in_no_repr() -> None:
    assert SECRET not in repr(parse_config(README_DOCUMENT))
