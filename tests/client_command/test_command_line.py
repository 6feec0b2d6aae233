"""What is wrong with a command line, or with the server that it names, is told in one line."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from sharedstate_anyio import parse_config, serve
from sharedstate_anyio.client_command.options import parser
from sharedstate_anyio.client_command.target import Target, parse_target
from sharedstate_anyio.server_command.options import CLIENT_COMMANDS
from tests.support.faults.relay import relay
from tests.support.services.command import started
from tests.support.services.servers import document, running
from tests.support.services.shell import PROGRAM, shell

if TYPE_CHECKING:
    from tests.support.secure import Authority

COMMANDS = ("get", "put", "watch", "load", "dump")


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("host/a/b/c", Target("host", "/a/b/c")),
        ("host:1//a/b//c/", Target("host:1", "/a/b/c")),
        ("wss://host/x/y/a/b/c", Target("wss://host/x/y/", "/a/b/c")),
        ("ws+unix:///run/s/a/b/c", Target("ws+unix:///run/s", "/a/b/c")),
        ("host/a/b/c?d#e%20", Target("host", "/a/b/c?d#e%20")),
        ("[::1]:9/a/b/c", Target("[::1]:9", "/a/b/c")),
    ],
)
def test_targets(text: str, target: Target) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize(
    ("text", "path"),
    [("host", "/"), ("ws://host/", "/"), ("host/clock", "/clock"), ("h/a/b", "/a/b")],
)
def test_partial_targets(text: str, path: str) -> None:
    assert parse_target(text, partial=True).path == path
    with pytest.raises(ValueError, match="expected URL/app/service/collection"):
        parse_target(text)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("127.0.0.1:1/app/items/c", "cannot connect to 127.0.0.1:1: connection refused"),
        (
            "no.such.host.invalid/app/items/c",
            "cannot connect to no.such.host.invalid:9000: no such host",
        ),
        ("ws+unix:///nowhere/app/items/c", "cannot connect to /nowhere: no such file or directory"),
    ],
)
async def test_no_server(command: str, url: str, problem: str) -> None:
    status, output, errors = await shell(command, url)
    assert (status, output) == (1, "")
    assert errors.startswith(f"sharedstate: {problem}")
    assert errors.count("\n") == 1


@pytest.mark.parametrize("command", COMMANDS)
async def test_an_unknown_service(command: str) -> None:
    async with running() as server:
        url = f"{server.url}app/nope/c"
        status, output, errors = await shell(command, url, given='{"id": "a"}')
    assert (status, output) == (1, "")
    assert "no service 'nope' here; there are: items" in errors
    assert errors.count("\n") == 1
    assert errors.endswith("; nothing is stored\n") is (command in {"put", "load"})


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nope"],
        ["get"],
        ["dump", "host/a/b"],
        ["get", "host/a/b/.."],
        ["get", "ftp://host/a/b/c"],
        ["get", "host:99999/a/b/c"],
        ["load", "host/a/b/c", "--batch", "0"],
        ["get", "host/a/b/c", "--timeout", "soon"],
        ["get", "host/a/b/c", "--header", "no colon"],
        ["get", "host/a/b/c", "--token"],
        ["get", "host/a/b/c", "--header", "Host: other"],
        ["get", "host/a/b/c", "--header", "Sec-WebSocket-Key: x"],
        ["get", "💩:9000/a/b/c"],
        ["get", "wss://host/a/b/c", "--ca", "/nowhere"],
        ["get", "wss://host/a/b/c", "--cert", "/nowhere"],
        ["get", "wss://host/a/b/c", "--key", "/nowhere"],
        ["get", "host/a/b/c", "--ca", __file__],
        ["watch", "host/a/b/c", "--nope"],
    ],
)
async def test_wrong_command_lines(arguments: list[str]) -> None:
    status, output, errors = await shell(*arguments)
    assert (status, output) == (2, "")
    assert errors.startswith("sharedstate")
    assert errors.count("\n") == 1


@pytest.mark.parametrize("command", [None, *COMMANDS])
async def test_help(command: str | None) -> None:
    status, output, errors = await shell(*filter(None, [command]), "--help")
    assert (status, errors) == (0, "")
    assert "usage: sharedstate" in output
    assert "exit status" in output or command is not None


async def test_tls(authority: Authority) -> None:
    context = authority.context("127.0.0.1")
    async with running() as server, relay(server.port, context=context) as wire:
        url = f"wss://127.0.0.1:{wire.port}/app/items/c"
        assert await shell("put", url, '{"id":"a"}', "--ca", authority.file) == (0, "", "")
        assert (await shell("get", url, "--ca", authority.file)).output == '{"id":"a"}\n'


async def test_the_certificate_of_a_client(authority: Authority) -> None:
    files = authority.write("client")
    listen = {"host": "127.0.0.1", "port": 0, "ssl": {**authority.write(), "ca": authority.file}}
    async with serve(parse_config({**document(), "service": listen})) as server:
        url = f"wss://127.0.0.1:{server.port}/app/items/c"
        trusting = ("get", url, "--ca", authority.file)
        shown = ("--cert", str(files["cert"]), "--key", str(files["key"]))
        assert await shell(*trusting, *shown) == (0, "", "")
        status, _, errors = await shell(*trusting)
        assert status == 1
        assert "the server asks for a client's certificate" in errors


async def test_closed_streams() -> None:
    async with running() as server:
        url = f"{server.url}app/items/c"
        for script, problem in (
            (f"put {url} <&-", "cannot read: bad file descriptor; nothing is stored"),
            (f"get {server.url} >&-", "cannot write: bad file descriptor"),
        ):
            run = await anyio.run_process(["sh", "-c", f"{PROGRAM} {script}"], check=False)
            assert run.returncode == 1
            assert run.stderr.decode().endswith(f"{problem}\n")


def test_a_configuration_file_starts_the_server(tmp_path: Path) -> None:
    """As the first generation's command of this name did."""
    (tmp_path / "config.json").write_text('{"service": {"port": 0}, "services": []}')
    broken = subprocess.run(
        [PROGRAM, "nowhere.json"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert broken.returncode == 2
    assert broken.stderr.startswith("sharedstate-anyio: ")
    document = (
        '{"service": {"port": 0}, "services": [{"name": "m", "module": "items_service",'
        ' "config": {"db_type": "sqlite"}}]}'
    )
    (tmp_path / "config.json").write_text(document)
    with started("config.json", folder=tmp_path, program=PROGRAM) as server:
        assert server.port > 0


def test_a_configuration_of_any_name_starts_the_server(tmp_path: Path) -> None:
    (tmp_path / "myconfig").write_text(json.dumps(document()))
    with started("--log-level", "error", "myconfig", folder=tmp_path, program=PROGRAM) as server:
        assert server.port > 0
    with started("check", "config.json", folder=tmp_path, program=PROGRAM) as check:
        assert check.finish() == 2
    assert check.errors == "sharedstate-anyio: config.json: there is no such file; check the path\n"


@pytest.mark.parametrize(
    ("word", "advice"),
    [
        ("gte", "did you mean get?"),
        ("localhost:9000/app/items/c", "put one of them before the URL, such as get"),
        ("myconfig", "there are get, put, patch, watch, load, dump, delete, kick"),
    ],
)
async def test_what_is_neither_a_command_nor_a_file(word: str, advice: str) -> None:
    status, output, errors = await shell(word)
    assert (status, output) == (2, "")
    problem = f"there is no command {word!r}, and no such file; {advice}"
    assert errors == f"sharedstate: {problem} (sharedstate --help tells more)\n"


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["chek", "c.json"], "there is no command 'chek', and no file; did you mean check?"),
        (["serve", "c.json"], "there is no command 'serve', and no file; sharedstate-anyio FILE"),
        (["get", "host/a/b/c"], "get is a command of the other program: sharedstate get"),
        (["c.json", "--nope"], "unrecognized arguments: --nope"),
    ],
)
def test_what_the_server_cannot_start_with(
    arguments: list[str], advice: str, tmp_path: Path
) -> None:
    with started(*arguments, folder=tmp_path) as command:
        assert command.finish() == 2
    assert advice in command.errors


def test_the_commands_are_those_that_are_named() -> None:
    (action,) = (each for each in parser()._actions if each.dest == "command")
    assert tuple(action.choices or ()) == CLIENT_COMMANDS


def test_a_socket_may_be_asked_for_less_than_a_collection() -> None:
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        place = f"{folder}/a/s"
        Path(place).parent.mkdir()
        listener.bind(place)
        url = f"ws+unix://{place}"
        assert parse_target(url, partial=True) == (url, "/")
        assert parse_target(f"{url}/app/items", partial=True) == (url, "/app/items")
        assert parse_target(f"{url}/app/items/c") == (url, "/app/items/c")
        with pytest.raises(ValueError, match="expected URL/app/service/collection"):
            parse_target(f"{url}/app/items")
    with pytest.raises(ValueError, match="no UNIX socket"):
        parse_target("ws+unix:///nowhere/a", partial=True)


@pytest.mark.parametrize(
    "line", [["--timeout", "3", "u/a/b/c", "1", "2"], ["u/a/b/c", "1", "--timeout", "3", "2"]]
)
def test_options_stand_anywhere(line: list[str]) -> None:
    options = parser().parse_args(["get", *line])
    assert (options.ids, options.timeout) == (["1", "2"], 3.0)


@pytest.mark.parametrize(
    ("run", "words", "without"),
    [
        ("command", "--help", {"anyio", "sharedstate_core"}),
        ("command", "put --help", {"anyio", "sharedstate_core"}),
        ("command", "--version", {"anyio", "sharedstate_core.client"}),
        ("command", "get 127.0.0.1:1/app/items/c", {"sharedstate_core.server"}),
        ("serve", "--help", {"anyio", "sharedstate_core"}),
    ],
)
def test_what_is_not_wanted_is_not_imported(run: str, words: str, without: set[str]) -> None:
    program = f"""
import atexit, sys
from sharedstate_anyio.entry import {run}
sys.argv = ["program", *{words.split()!r}]
atexit.register(lambda: print("imported:", *sys.modules))
{run}()
"""
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    imported = told.stdout.rpartition("imported:")[2].split()
    assert "sharedstate_anyio" in imported
    assert without.isdisjoint(imported)
