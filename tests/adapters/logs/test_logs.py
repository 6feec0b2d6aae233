"""What the server says: one line for each event, without secrets, and no flood of faults."""

from __future__ import annotations

import ast
import itertools
import json
import logging
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import pytest

import sharedstate_anyio
from sharedstate_anyio.logs import repeated_errors
from sharedstate_anyio.logs.formatting import JsonFormatter, LineFormatter, printable
from sharedstate_anyio.logs.redactor import Redactor
from sharedstate_anyio.logs.repeated_errors import LONGEST_SECONDS, MAX_KINDS, RepeatedErrors
from sharedstate_backends import StorageError
from sharedstate_backends.perform import failure_event
from sharedstate_core import (
    CollectionPath,
    Commit,
    Cursor,
    Doubt,
    ListApps,
    ListCollections,
    Load,
)
from tests.support.faults import faulty_service
from tests.support.peer import open_client
from tests.support.services import babbling_service, unopenable_service
from tests.support.services.command import started, without_root
from tests.support.services.servers import document, running, sqlite, until, write_config

if TYPE_CHECKING:
    from tests.support.services.servers import Service

PACKAGE: Final = Path(sharedstate_anyio.__file__).parent

CLIENTS: Final = {"client", "client_command"}
"""Folders whose lines are not a server's."""

C = "/app/items/c"
PATH: Final = CollectionPath("app", "items", "c")

OPERATIONS: Final = (
    Commit(1, PATH, []),
    Load(2, PATH, None),
    ListCollections(3, "items", "app", "", 10),
    ListApps(4, "items", "", 10),
    Doubt(PATH, Cursor("e", 1)),
)
"""One of each kind of storage operation."""

PASSWORD = 'hunter2"ü\n'
ESCAPE = "\x1b[31m\r\nERROR a lie\u202e\x9b2J"


def record(message: str, error: Exception | None = None, **fields: object) -> logging.LogRecord:
    if error is not None:
        try:
            raise error
        except Exception:
            exc_info: Any = sys.exc_info()
    else:
        exc_info = None
    made = logging.LogRecord("sharedstate", logging.ERROR, "", 0, "%s", (message,), exc_info)
    made.fields = fields
    return made


# Events


def event_of(node: ast.AST) -> str | None:
    """Return the event that code names: `about`, `console.say`, `console.fail`, `cautions.warn`, `{"event": ...}`."""
    name: ast.expr | None = None
    match node:
        case ast.Call(func=ast.Name(id="about"), args=[name, *_]):
            pass
        case ast.Call(func=ast.Attribute(value=ast.Name(id="console"), attr="say"), args=[_, name]):
            pass
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id="cautions"), attr="warn"), args=[name, *_]
        ):
            pass
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id="console"), attr="fail"), args=[_, _, name]
        ):
            pass
        case ast.Dict(keys=[ast.Constant(value="event"), *_], values=[name, *_]):
            pass
        case _:
            pass
    return name.value if isinstance(name, ast.Constant) and isinstance(name.value, str) else None


def test_every_line_has_an_event_and_the_guide_tells_them() -> None:
    named, without = set(), []
    stores = PACKAGE.parents[1] / "backends/sharedstate_backends"
    for file in sorted([*PACKAGE.rglob("*.py"), *stores.rglob("*.py")]):
        of_a_client = any(PACKAGE / each in file.parents for each in CLIENTS)
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if (event := event_of(node)) and not of_a_client:
                named.add(event)
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="log"), attr=level)):
                    if level != "setLevel" and "extra" not in {k.arg for k in node.keywords}:
                        without.append(f"{file.name}:{node.lineno}")
                case _:
                    pass
    assert not without
    named |= {failure_event(operation) for operation in OPERATIONS}
    guide = (PACKAGE.parents[1] / "docs/operating.md").read_text("utf-8")
    rows = guide.partition("| `event` |")[2].partition("\n\n")[0].splitlines()[2:]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])} == named


# One line


@pytest.mark.parametrize("error", [None, ValueError(ESCAPE)])
def test_a_line_of_text_is_one_printable_line(error: Exception | None) -> None:
    line = LineFormatter().format(record(f"commit {ESCAPE} å", error))
    assert line.isprintable()
    assert " ERROR commit \\x1b[31m\\r\\nERROR a lie\\u202e\\x9b2J å" in line
    if error is not None:
        assert "ValueError: \\x1b[31m" in line
        assert "test_logs.py" in line


def test_a_line_of_json() -> None:
    made = record(f"commit {ESCAPE}", ValueError("no"), event="commit_failed", repeated=3)
    made.created = 1.5
    line = JsonFormatter().format(made)
    assert line.isascii()
    assert line.isprintable()
    found = json.loads(line)
    trace = found.pop("traceback")
    assert "test_logs.py" in trace
    assert trace.endswith("ValueError: no\n")
    assert found == {
        "time": "1970-01-01T00:00:01.500Z",
        "level": "error",
        "message": f"commit {ESCAPE}",
        "event": "commit_failed",
        "repeated": 3,
        "error": "ValueError: no",
    }


def test_what_is_printable_stays() -> None:
    assert printable("Åse & 日本 \\n") == "Åse & 日本 \\n"


# No secrets


@pytest.mark.parametrize("style", [LineFormatter, JsonFormatter])
def test_secrets_are_left_out_in_every_spelling(
    style: type[LineFormatter] | type[JsonFormatter],
) -> None:
    formatter = style()
    formatter.redactor = Redactor([{"db_password": PASSWORD, "deep": [{"token": "t0ken", "n": 1}]}])
    text = f"{PASSWORD} {PASSWORD!r} {json.dumps(PASSWORD)} t0ken"
    line = formatter.format(record(text, ValueError(text), where=text))
    assert "hunter2" not in line
    assert "t0ken" not in line
    assert "***" in line


def test_what_is_no_secret_is_not_hidden() -> None:
    config = {"db_name": "items", "db_password": "", "db_secret": None, "tokens": True}
    assert Redactor([config])("items of 1 None True") == "items of 1 None True"
    assert Redactor([{"db_password": "it"}])("items, it") == "items, ***"


@pytest.mark.parametrize("style", ["text", "json"])
@pytest.mark.parametrize("fault", [False, True])
async def test_the_command_says_nothing_in_secret_and_everything_in_lines(
    style: str, tmp_path: Path, anyio_backend_name: str, *, fault: bool
) -> None:
    service: Service = {
        "name": "items",
        "module": babbling_service.MODULE,
        "config": {"complaint": f"as {PASSWORD}{ESCAPE}", "password": PASSWORD, "fault": fault},
    }
    write_config(tmp_path, document(service))
    options = ("config.json", "--loop", anyio_backend_name, "--log-format", style)
    log = tmp_path / "log"
    with started(*options, folder=tmp_path, log=log) as command:
        if style == "text":
            port = command.port
        else:
            await until(lambda: '"ready"' in log.read_text())
            lines = [json.loads(line) for line in without_root(log.read_text()).splitlines()]
            (port,) = (line["port"] for line in lines if line.get("event") == "listening")
        async with open_client(port) as client:
            for _ in range(50):
                reply = await client.ask("PUT", C, {"insert": [{"id": "a"}]})
                assert reply["error"]["code"] == "unavailable"
            client.peer.shut()
        command.send(signal.SIGTERM)
        assert await command.finished() == 0
    lines = without_root(log.read_text()).splitlines()
    assert all(line.isprintable() for line in lines)
    assert "hunter2" not in log.read_text()
    if style == "text":
        first, last = lines
        assert f" ERROR commit to {C} failed" in first
        assert " ERROR … and 49 more in " in last
    else:
        assert command.output == ""
        said = [json.loads(line) for line in lines]
        events = [line["event"] for line in said]
        assert events[:3] == ["listening", "service", "ready"]
        assert sorted(events[3:]) == ["commit_failed", "commit_failed", "stopped", "stopping"]
        failed = [line for line in said if line["event"] == "commit_failed"]
        assert [line.get("repeated") for line in failed] == [None, 49]
        assert {line["service"] for line in failed} == {"items"}
        assert ("traceback" in failed[0]) == fault


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(("missing.json", "--log-format", "json"), 2), (("--log-format", "xml"), 2)],
)
def test_what_is_wrong_at_the_start(
    arguments: tuple[str, ...], status: int, tmp_path: Path
) -> None:
    with started(*arguments, folder=tmp_path) as command:
        assert command.finish() == status
    if "json" in arguments:
        line = json.loads(command.errors)
        assert line["level"] == "critical"
        assert "missing.json: there is no such file" in line["message"]
    else:
        assert "invalid choice: 'xml'" in command.errors


def test_the_level(tmp_path: Path) -> None:
    (tmp_path / "sharedstate.db").write_bytes(b"this is no database" * 1000)
    options = ("--port", "0", "--log-format", "json", "--log-level", "error")
    with started(*options, folder=tmp_path) as command:
        assert command.finish() == 1
    (line,) = command.errors.splitlines()
    assert json.loads(line)["level"] == "critical"


@pytest.mark.parametrize("style", ["text", "json"])
def test_a_storage_that_cannot_be_opened_tells_no_secret(style: str, tmp_path: Path) -> None:
    service: Service = {
        "name": "items",
        "module": unopenable_service.MODULE,
        "config": {"on": "storage", "password": PASSWORD},
    }
    write_config(tmp_path, document(service))
    with started("config.json", "--log-format", style, folder=tmp_path) as command:
        assert command.finish() == 1
    (line,) = command.errors.splitlines()
    assert "no *** today" in line
    assert "hunter2" not in line


# No flood


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    messages = [each.getMessage() for each in caplog.records]
    caplog.clear()
    return messages


async def test_a_fault_that_repeats_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    errors = RepeatedErrors(clock)
    for number in range(241):
        errors.report("commit", f"commit {number} failed")
    errors.report("load", "load failed")
    assert told(caplog) == ["commit 0 failed", "load failed"]
    clock.now = 9.9
    errors.tell()
    assert told(caplog) == []
    clock.now = 10.0
    errors.tell()
    assert told(caplog) == ["… and 240 more in 10 s, the last: commit 240 failed"]
    errors.report("load", "load failed")
    assert told(caplog) == ["load failed"], "it had been quiet about this one"
    errors.report("commit", "again")
    clock.now = 29.9
    errors.tell()
    clock.now = 30.0
    assert told(caplog) == []
    errors.tell()
    assert told(caplog) == ["… and 1 more in 20 s, the last: again"]
    clock.now = 70.0
    errors.tell()
    errors.report("commit", "a new one")
    assert told(caplog) == ["a new one"]


async def test_a_fault_that_lasts_is_told_at_least_every_ten_minutes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    errors = RepeatedErrors(clock)
    lines = []
    for second in range(24 * 3600):
        clock.now = float(second)
        errors.report("commit", "failed")
        errors.tell()
        lines += [(second, line) for line in told(caplog)]
    pauses = [b[0] - a[0] for a, b in itertools.pairwise(lines)]
    assert max(pauses) == LONGEST_SECONDS
    assert len(lines) < 160


async def test_kinds_without_number_are_one_kind(caplog: pytest.LogCaptureFixture) -> None:
    errors = RepeatedErrors(Clock())
    for number in range(10 * MAX_KINDS):
        errors.report(number, f"fault {number}")
    assert len(told(caplog)) == MAX_KINDS + 1
    errors.tell(everything=True)
    (line,) = told(caplog)
    assert line.startswith(f"… and {9 * MAX_KINDS - 1} more in 0 s")


async def test_a_storage_that_is_away_under_load(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A line at once, the number of the others when a while has passed, and what is left at the end."""
    monkeypatch.setattr(repeated_errors, "FIRST_SECONDS", 0.05)
    service: Service = {
        "name": "items",
        "module": faulty_service.MODULE,
        "config": {"name": "away"},
    }
    async with running(service, sqlite("others")) as server, open_client(server.port) as client:
        store = faulty_service.stores["away"]
        store.refuse = StorageError("the disk is full")
        for number in range(300):
            await client.ask("PUT", f"/app/items/{number}", {"insert": [{"id": "a"}]})
        await until(lambda: len(caplog.records) >= 2)
        await client.ask("PUT", C, {"insert": [{"id": "a"}]})
        await anyio.lowlevel.checkpoint()
        client.peer.shut()
    messages = told(caplog)
    assert messages[0] == "commit to /app/items/0 failed: the disk is full"
    assert len(messages) < 30
    counted = [int(text.split()[2]) for text in messages if text.startswith("… and ")]
    assert len(messages) - len(counted) + sum(counted) == 301
    assert all(text.endswith(" failed: the disk is full") for text in messages)
