"""`sharedstate-anyio check`: all that a start would stumble over, and nothing is started or disturbed."""

from __future__ import annotations

import os
import signal
import socket
from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_anyio import parse_config
from sharedstate_anyio.server_command import check as check_module
from tests.support.faults import faulty_service
from tests.support.peer import open_client
from tests.support.services import unopenable_service
from tests.support.services.command import one_line, started
from tests.support.services.servers import (
    MYSQL_WITHOUT_PORT,
    document,
    running,
    sqlite,
    write_config,
)
from tests.support.tokens import Signer, key_set

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.services.servers import Service

UNOPENABLE = unopenable_service.MODULE


def check(folder: Path, content: object) -> tuple[int, list[str], list[str]]:
    """Return the exit status, what is well and what is wrong."""
    with started("check", write_config(folder, content), folder=folder) as command:
        status = command.finish()
    assert "Traceback" not in command.errors
    wrong = [line.removeprefix("sharedstate-anyio: ") for line in command.errors.splitlines()]
    assert len(wrong) == command.errors.count("sharedstate-anyio: ")
    assert all(line.isprintable() for line in wrong)
    well = command.output.splitlines()
    assert all(line.startswith("ok: ") for line in well)
    return status, [line.removeprefix("ok: ") for line in well], wrong


def own(module: str, called: str = "own", /, **config: object) -> Service:
    return {"name": called, "module": module, "config": config}


def test_all_is_well(tmp_path: Path) -> None:
    found = check(tmp_path, document(sqlite("items", "my.db"), sqlite("mitems")))
    assert found == (
        0,
        [
            "service: 127.0.0.1 port 0",
            f"services[0]: items: SQLite file; {tmp_path}/my.db is not there yet: a start creates it",
            "services[1]: mitems: SQLite, in memory",
        ],
        [],
    )
    assert not list(tmp_path.glob("my.db*"))
    with started("config.json", folder=tmp_path) as command:
        command.says("Ctrl-C")
        command.send(signal.SIGTERM)
        assert command.finish() == 0
    _, well, _ = check(tmp_path, document(sqlite("items", "my.db")))
    assert well[1] == "services[0]: items: SQLite file"
    assert not list(tmp_path.glob("my.db-*")), "it was closed"


def test_who_is_there(tmp_path: Path) -> None:
    keys = [{"sha256": "0" * 64, "user": {"id": "a"}}]
    published = tmp_path / "keys.json"
    published.write_bytes(key_set(Signer("ES256", "a")))

    def said(**auth: object) -> tuple[list[str], list[str]]:
        """Return what is said of `auth`, well and wrong."""
        _, *lines = check(tmp_path, {**document(), "auth": auth})
        well, wrong = ([each for each in some if each.startswith("auth")] for some in lines)
        return well, [each for each in wrong if "not yet" not in each]

    jwks = {"jwks": str(published), "audience": "sharedstate"}
    assert said(jwt=jwks, keys=keys) == (["auth: jwt, keys"], [])
    published.write_text("{}")
    assert said(jwt=jwks) == ([], ["auth.jwt.jwks: it is no key set: it has no list of keys"])
    assert said(python="no_such:f")[1] == [
        "auth.python: importing no_such failed: ModuleNotFoundError: No module named 'no_such'"
    ]
    assert said(jwt={"key": "absent"})[1] == [
        "auth.jwt.key: cannot be read: No such file or directory; check 'absent'"
    ]
    assert said(jwt={"secret": "short"})[1][0].startswith("auth.jwt.secret: has 5 characters")


def test_without_a_file_it_is_the_default(tmp_path: Path) -> None:
    with started("check", folder=tmp_path) as command:
        assert command.finish() == 0
    assert "ok: service: 127.0.0.1 port 9000\n" in command.output


async def test_a_server_that_runs_is_not_disturbed(tmp_path: Path) -> None:
    service = sqlite("items", tmp_path / "my.db")
    async with running(service) as server, open_client(server.port) as client:
        before = await client.ask("PUT", "/app/items/c", {"insert": [{"id": "a"}]})
        with started(
            "check", write_config(tmp_path, document(service, port=server.port)), folder=tmp_path
        ) as command:
            assert await command.finished() == 0, command.errors
        after = await client.ask("PUT", "/app/items/c", {"insert": [{"id": "b"}]})
        assert (after["epoch"], after["version"]) == (before["epoch"], 2)


def test_everything_that_is_wrong_is_told(tmp_path: Path) -> None:
    (tmp_path / "no.db").write_bytes(b"this is no database" * 1000)
    (tmp_path / "key.pem").write_text("no key")
    config: dict[str, Any] = {
        "service": {
            "listen": [
                {"host": "127.0.0.1", "port": 1},
                {"host": "127.0.0.1", "ssl": {"cert": "cert.pem", "key": "key.pem"}},
                {"unix": "no/such/folder/socket"},
                {"host": "192.0.2.1"},
            ]
        },
        "services": [
            sqlite("fine"),
            sqlite("bad", "no.db"),
            own("no.such.module", "absent"),
            own("json", "nothing"),
            MYSQL_WITHOUT_PORT | {"name": "mysql"},
            own(UNOPENABLE, "raises", password="hunter2\x1b", on="open"),
            own(UNOPENABLE, "careless", password="hunter2\x1b", on="make"),
            own(UNOPENABLE, "leaky", password="hunter2\x1b", on="close"),
            own(UNOPENABLE, "refuses", password="hunter2\x1b", on="configuration"),
            own(faulty_service.MODULE, "plugin", name="it"),
        ],
    }
    status, well, wrong = check(tmp_path, config)
    assert status == 2
    assert well == [
        "service.listen[0]: 127.0.0.1 port 1",
        "services[0]: fine: SQLite, in memory",
        f"services[9]: plugin: module {faulty_service.MODULE}",
    ]
    expected = [
        "service.listen[1].ssl.cert: cannot be read: No such file",
        "service.listen[2].unix: there is no folder 'no/such/folder'",
        "service.listen[3].host: cannot listen on 192.0.2.1: Cannot assign requested address",
        "no.db: is not an SQLite database",
        "services[2].module: there is neither a service nor a module",
        'services[3].module: "json" has no function get_service',
        "services[4].config.db_port: expected a number",
        "services[5]: opening it failed: RuntimeError: no *** today",
        "services[6].module: making the service failed: RuntimeError: no *** today",
        "services[7]: opening it failed: RuntimeError: no *** today",
        "services[8].config.password: no *** today",
    ]
    assert len(wrong) == len(expected), wrong
    for line, part in zip(wrong, expected, strict=True):
        assert part in line
        assert "hunter2" not in line


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("{", "config.json, line 1, column 2"),
        ([], "expected an object"),
    ],
)
def test_a_document_that_breaks_the_format(content: object, part: str, tmp_path: Path) -> None:
    status, well, wrong = check(tmp_path, content)
    assert (status, well) == (2, [])
    (line,) = wrong
    assert part in line


MISTAKEN: dict[str, Any] = {
    "service": {"prot": 1, "host": 7, "mode": "9", "port": 70_000},
    "services": [
        {"nmae": "a", "module": 1, "poll_seconds": -1},
        own("items_service", "b", db_tabel="x", db_type=1, q=2),
        own("items_service", "c", db_type="sqlite", db_table="-", db_timeout=-1, db_name=""),
        own("items_service", "d", db_type="mysql", db_port=0),
        {"name": "d", "module": "no.such.module"},
    ],
    "limits": {"itemz": 1, "items": 0, "depth": 1, "loads": "many"},
    "origins": ["*", 1, "https://a/b"],
    "metrics": "all",
    "compression": -1,
    "port": 9000,
}
OF_THE_DOCUMENT = [
    "port: unknown key",
    "services[0].nmae: unknown key; did you mean",
    "services[0].module: expected a module",
    "services[0].poll_seconds: expected 0",
    "services[4].name: services[3] is called",
    "limits.itemz: unknown key",
    "limits.items: expected a whole number",
    "limits.depth: expected a whole number",
    "limits.loads: expected a whole number",
    "origins[1]: expected an origin",
    "origins[2]: expected an origin",
    "compression: expected",
    "service.prot: unknown key",
    "service.host: expected a host name",
    "service.port: expected a whole number",
    "service.mode: expected permissions",
    "service.mode: belongs to a UNIX socket",
    "metrics: expected one of",
]
OF_THE_SERVICES = [
    "services[1].config.db_tabel: unknown key",
    "services[1].config.db_type: expected a string",
    "services[1].config.q: unknown key",
    "services[2].config.db_table: '-' is not a usable name",
    "services[2].config.db_name: expected the path",
    "services[2].config.db_timeout: expected a number from",
    "services[3].config.db_name: is missing",
    "services[3].config.db_user: is missing",
    "services[3].config.db_port: expected a number from",
]


def assert_told(lines: list[str], expected: list[str]) -> None:
    assert len(lines) == len(expected), lines
    for line, part in zip(lines, expected, strict=True):
        assert line.startswith(part)


def test_every_mistake_has_a_line(tmp_path: Path) -> None:
    status, well, wrong = check(tmp_path, MISTAKEN)
    assert (status, well) == (2, [])
    assert_told(wrong, OF_THE_DOCUMENT + OF_THE_SERVICES)


def test_a_start_tells_every_mistake_too_and_before_that_a_port_is_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ssl = {"cert": "no.pem", "key": "no.pem"}
        listen = [{"host": "127.0.0.1", "port": port}, {"host": "127.0.0.1", "ssl": ssl}]
        services = [*MISTAKEN["services"][1:4], own("no.such.module", "absent")]
        base = {"service": {"listen": listen}, "services": [sqlite("a"), *services]}
        unusable = ["services[4].module: there is neither", "service.listen[1].ssl.cert: cannot be"]
        for content, expected in (
            (MISTAKEN, OF_THE_DOCUMENT),
            (base, [*OF_THE_SERVICES, *unusable]),
        ):
            with started(write_config(tmp_path, content), folder=tmp_path) as command:
                assert command.finish() == 2
            lines = command.errors.splitlines()
            assert_told([line.removeprefix("sharedstate-anyio: ") for line in lines], expected)


def test_long_names_are_cut(tmp_path: Path) -> None:
    content = document(sqlite(file="x" * 100_000))
    status, _, (line,) = check(tmp_path, content)
    assert status == 1
    with started("config.json", folder=tmp_path) as command:
        assert command.finish() == 1
    for told in (line, one_line(command.errors)):
        assert len(told) < 1100
        assert "xxx ... xxx" in told
        assert "cannot be opened" in told


def test_what_cannot_be_used_at_the_moment(tmp_path: Path) -> None:
    (tmp_path / "no.db").write_bytes(b"this is no database" * 1000)
    status, _, wrong = check(tmp_path, document(sqlite("bad", "no.db"), sqlite("fine")))
    assert status == 1
    assert len(wrong) == 1


def test_the_path_of_a_unix_socket(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("precious")
    (tmp_path / "locked").mkdir(mode=0o500)
    listen = [{"unix": "new"}, {"unix": "data"}, {"unix": "locked/new"}]
    base = {"service": {"listen": listen}, "services": [sqlite("fine")]}
    status, well, wrong = check(tmp_path, base)
    assert status == 1
    expected = [
        "service.listen[1].unix: data exists already and is not a socket; choose another path"
    ]
    if os.geteuid():  # no permission stops the superuser
        expected.append("service.listen[2].unix: this user may not write to the folder 'locked'")
    assert wrong == expected
    assert well[0] == "service.listen[0]: new"


async def test_a_service_that_never_opens(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check_module, "OPEN_SECONDS", 1.0)  # the other one needs a moment
    services = own(UNOPENABLE, "slow", on="hang"), sqlite("fine")
    assert await check_module.check_services(parse_config(document(*services))) == 1
    said = capsys.readouterr()
    assert said.err.endswith("services[0]: opening or closing it took longer than 1 s\n")
    assert said.out.endswith("ok: services[1]: fine: SQLite, in memory\n")


def test_wrong_commands(tmp_path: Path) -> None:
    for arguments in (("check", "a", "b"), ("check", "--port", "1"), ("schema", "config.json")):
        with started(*arguments, folder=tmp_path) as command:
            assert command.finish() == 2
        assert f"sharedstate-anyio {arguments[0]}: " in command.errors


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("--help",), ["check", "schema", "migrate", "/metrics", "/readyz", "SIGHUP", "--log-f"]),
        (("check", "--help"), ["exit status", "certificates"]),
        (("schema", "--help"), ['"$schema": "./config.schema.json"']),
        (("migrate", "--help"), ["_before_migration"]),
    ],
)
def test_help(arguments: tuple[str, ...], parts: list[str], tmp_path: Path) -> None:
    with started(*arguments, folder=tmp_path) as command:
        assert command.finish() == 0
    text = " ".join(command.output.split())
    assert all(part in text for part in parts), command.output
    assert max(map(len, command.output.splitlines())) <= 120
