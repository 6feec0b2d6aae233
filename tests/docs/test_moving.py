"""docs/moving.md: its three lines, in an environment with nothing in it, on tables of the first generation."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.backends import older
from tests.docs.test_examples import blocks
from tests.support.command import started
from tests.support.peer import open_client
from tests.support.servers import write_config
from tests.support.stage import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.mariadb import MariaDb

PLACE = ("docs/moving.md", "sh")

INSTALLING = 300
"""Seconds in which the packages should be there."""


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # the test's own loop: once is enough
async def test_the_shortest_way(tmp_path: Path, shared_mariadb: MariaDb) -> None:
    (block,) = (block for block in blocks() if (block.page, block.language) == PLACE)
    install, migrate, serve = map(str.split, block.text.splitlines())
    assert install == ["pip", "install", "."]
    binaries = tmp_path / "environment/bin"
    subprocess.run([sys.executable, "-m", "venv", binaries.parent], check=True)
    here = [str(binaries / "pip"), "install", "--quiet", "--no-input", str(ROOT)]
    subprocess.run(here, check=True, timeout=INSTALLING)

    old = shared_mariadb.config(db_table="moving")
    records = [older.record("app", "c", id) for id in "ba"]
    older.make_in_mysql(shared_mariadb, "moving", records)
    config = {
        "service": {"host": "127.0.0.1", "port": 0},
        "services": [{"name": "items", "module": "items_service", "config": old}],
    }
    file = write_config(tmp_path, config)
    (tmp_path / file).rename(tmp_path / "myconfig.json")
    program, *arguments = migrate
    with started(*arguments, folder=tmp_path, program=binaries / program) as command:
        assert await command.finished() == 0
    program, *arguments = serve
    with started(*arguments, folder=tmp_path, program=binaries / program) as command:
        async with open_client(command.port) as client:
            assert await client.get("/app/items/c") == [{"id": "b"}, {"id": "a"}]
            client.peer.shut()
        command.send(signal.SIGTERM)
        assert await command.finished() == 0
