"""What the server says at a terminal, in a log, and to those who no longer listen; Ctrl-C while it starts."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sharedstate_anyio.config.services import ServiceConfig
from sharedstate_anyio.storage.plugins import whereabouts
from tests.support.peer import open_client
from tests.support.services.command import INSTALLED, SECONDS, started
from tests.support.services.servers import document, write_config

if TYPE_CHECKING:
    from collections.abc import Iterator

LOG_LINE = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (INFO|WARNING|ERROR) \S.*"
COMMANDS = (INSTALLED, INSTALLED.with_name("sharedstate"))


@pytest.fixture
def config(tmp_path: Path) -> str:
    return write_config(tmp_path, document())


@pytest.fixture
def deaf() -> Iterator[int]:
    """Return a pipe that nobody reads any more."""
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


def ended(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(SECONDS)
    finally:
        process.kill()


def test_every_line_of_a_log_has_a_time(config: str, tmp_path: Path) -> None:
    with started(config, folder=tmp_path) as command:
        assert command.port
        command.send(signal.SIGTERM)
        assert command.finish() == 0
    lines = command.output.splitlines()
    assert len(lines) == 5
    assert all(re.fullmatch(LOG_LINE, line) for line in lines), lines
    assert lines[1].endswith(" INFO service items: SQLite, in memory")
    assert lines[-1].endswith(" INFO stopped")


def test_at_a_terminal_lines_are_for_people(config: str, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen([INSTALLED, config], cwd=tmp_path, stdout=theirs) as process:
        os.close(theirs)
        output = b""
        while b"Ctrl-C stops the server.\r\n" not in output:
            output += os.read(ours, 1 << 16)
        process.send_signal(signal.SIGTERM)
        assert ended(process) == 0
    os.close(ours)
    assert output.startswith(b"SharedState ")
    assert b"\r\n  service items: SQLite, in memory\r\n" in output


def test_where_the_items_are() -> None:
    config: dict[str, object] = {"db_type": "mysql", "db_name": "shared", "db_password": "hunter2"}
    told = "MySQL or MariaDB, table items of shared at "
    assert whereabouts(ServiceConfig("a", "items_service", config)) == f"{told}localhost port 3306"
    config |= {"db_host": "db.example", "db_port": 3307, "db_user": "me"}
    assert whereabouts(ServiceConfig("a", "items_service", config)) == f"{told}db.example port 3307"
    config |= {"db_socket": "/run/db.sock"}
    assert whereabouts(ServiceConfig("a", "items_service", config)) == f"{told}/run/db.sock"
    sqlite = {"db_type": "sqlite", "db_name": "my.db"}
    assert whereabouts(ServiceConfig("a", "items_service", sqlite)) == (
        f"SQLite file {Path('my.db').absolute()}"
    )
    assert whereabouts(ServiceConfig("a", "mine", {"db_name": "x"})) == "module mine"


# Nobody reads


async def test_a_reader_that_leaves_does_not_end_it(config: str, tmp_path: Path) -> None:
    """As in `sharedstate-anyio config.json | tee log`, where Ctrl-C ends `tee` first."""
    with started(config, folder=tmp_path) as command:
        port = command.port
        assert command._process.stdout is not None
        command._process.stdout.close()
        async with open_client(port) as client:
            await client.put("/app/items/c", {"insert": [{"id": "a"}]})
        command.send(signal.SIGINT)
        assert await command.finished() == 0
    assert command.errors == ""


def test_it_starts_and_stops_though_nobody_ever_read(
    config: str, tmp_path: Path, deaf: int
) -> None:
    ready = (
        "import sys; from sharedstate_anyio.server_command import main as cli, serving; "
        f"serving.notify = {NOTIFY}; cli.main()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", ready, config], cwd=tmp_path, stdout=deaf, stderr=deaf
    ) as process:
        assert ended(process) == 0


NOTIFY = "lambda *_: __import__('os').kill(__import__('os').getpid(), 15)"
"""In place of telling systemd, which comes after the lines of the start: the server is to end."""


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["missing.json"], 2),
        (["restore", "missing.json", "from"], 2),
        (["backup", "missing.json", "to"], 2),
    ],
)
def test_complaints_that_nobody_reads(
    arguments: list[str], status: int, tmp_path: Path, deaf: int
) -> None:
    run = subprocess.run([INSTALLED, *arguments], cwd=tmp_path, stderr=deaf, check=False)
    assert run.returncode == status


@pytest.mark.parametrize("program", COMMANDS)
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_output_that_nobody_reads(program: Path, option: str, deaf: int) -> None:
    run = subprocess.run([program, option], stdout=deaf, stderr=subprocess.PIPE, check=False)
    assert run.stderr == b""
    assert run.returncode in {0, 141}  # argparse hides what became of its help, if that is long


def test_a_closed_stream_leaves_its_number_to_no_socket(config: str, tmp_path: Path) -> None:
    """Else lines of the log would go to a client."""
    script = f"exec {INSTALLED} {config} --unix socket >&- 2>&-"
    with subprocess.Popen(["sh", "-c", script], cwd=tmp_path) as process:
        try:
            while not (tmp_path / "socket").exists():
                assert process.poll() is None
            for number in (1, 2):
                assert str(Path(f"/proc/{process.pid}/fd/{number}").readlink()) == "/dev/null"
            process.terminate()
        except BaseException:
            process.kill()
            raise
        assert ended(process) == 0


# Ctrl-C


@pytest.mark.parametrize("program", COMMANDS)
@pytest.mark.parametrize("module", ["json", "msgspec", "anyio"])
def test_ctrl_c_while_it_imports(program: Path, module: str, tmp_path: Path) -> None:
    """A module that stands before the real one is interrupted while it is imported.

    `sharedstate` given a configuration is the server, which goes by its own name from then on.
    """
    (tmp_path / f"{module}.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)")
    run = subprocess.run(
        [program, "missing.json"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 130
    assert run.stderr in {f"{name}: interrupted\n" for name in (program.name, "sharedstate-anyio")}


def test_ctrl_c_while_it_reads_the_configuration(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.json")
    file = tmp_path / "config.json"
    with started("config.json", folder=tmp_path) as command, file.open("w"):  # once both are there
        command.send(signal.SIGINT)
        assert command.finish() == 130
    assert command.errors == "sharedstate-anyio: interrupted\n"


def test_it_is_a_module_that_runs(config: str, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m sharedstate_anyio "$@"\n')
    program.chmod(0o755)
    with started(config, folder=tmp_path, program=program) as command:
        assert command.port
        command.send(signal.SIGINT)
        assert command.finish() == 0
