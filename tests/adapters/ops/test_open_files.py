"""A low limit on open files: a start says so in one line, and names what to raise."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import pytest

from sharedstate_anyio.ops import open_files
from tests.support.services.command import INSTALLED, started, without_root
from tests.support.services.servers import document, write_config

PRLIMIT: Final = Path(shutil.which("prlimit") or "/usr/bin/prlimit")
CONNECTIONS: Final = 1000


def limited(files: int, *arguments: str) -> tuple[str, ...]:
    return (f"--nofile={files}:{files}", str(INSTALLED), *arguments)


def configured(folder: Path) -> None:
    write_config(folder, {**document(), "limits": {"connections": CONNECTIONS}})


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
@pytest.mark.parametrize("files", [12, open_files.LEAST - 1])
def test_too_few_to_start(files: int, loop: str, tmp_path: Path) -> None:
    configured(tmp_path)
    arguments = limited(files, "config.json", "--loop", loop)
    with started(*arguments, folder=tmp_path, program=PRLIMIT) as command:
        assert command.finish() == 1
    (line,) = command.errors.splitlines()
    assert line == (
        f"sharedstate-anyio: only {files} files may be open at a time, and the server needs at least "
        f"{open_files.LEAST}; raise the limit (LimitNOFILE= in the unit, or ulimit -n)"
    )


@pytest.mark.parametrize(
    ("files", "warns"), [(open_files.LEAST, True), (CONNECTIONS - 1, True), (CONNECTIONS, False)]
)
def test_too_few_for_the_connections(files: int, warns: bool, tmp_path: Path) -> None:
    configured(tmp_path)
    log = tmp_path / "log"
    with started(
        *limited(files, "config.json"), folder=tmp_path, program=PRLIMIT, log=log
    ) as command:
        command.says("Ctrl-C")
    told = without_root(log.read_text()).splitlines()
    assert len(told) == warns
    for line in told:
        assert f" WARNING only {files:,} files may be open at a time, " in line
        assert "limits.connections is 1,000" in line
