"""docs/moving.md, in an environment with nothing in it: its three lines, on tables of the first generation, and the
example of that generation, unchanged.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.backends.legacy import older
from tests.docs.test_examples import blocks
from tests.support.faults.stage import ROOT
from tests.support.peer import open_client
from tests.support.services.alone import alone
from tests.support.services.command import started
from tests.support.services.servers import write_config

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.services.mariadb import MariaDb

PLACE = ("docs/moving.md", "sh")

INSTALLING = 300
"""Seconds in which the packages should be there."""
SHOWING = 600
"""Seconds after which what an example starts has given up by itself."""


@pytest.fixture(scope="module")
def binaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of programs of an environment in which only the first line was carried out."""
    assert lines()[0] == ["pip", "install", "."]
    folder = tmp_path_factory.mktemp("moving") / "environment"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    here = [str(folder / "bin/pip"), "install", "--quiet", "--no-input", str(ROOT)]
    subprocess.run(here, check=True, timeout=INSTALLING)
    return folder / "bin"


def lines() -> list[list[str]]:
    """Return the words of the page's three lines."""
    (block,) = (block for block in blocks() if (block.page, block.language) == PLACE)
    return [line.split() for line in block.text.splitlines()]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # the test's own loop: once is enough
async def test_the_shortest_way(binaries: Path, tmp_path: Path, shared_mariadb: MariaDb) -> None:
    _, migrate, serve = lines()
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


def test_the_example_of_the_first_generation(
    binaries: Path, tmp_path: Path, mariadb_template: Path
) -> None:
    """Its configuration, its page, its ports: `first_generation/`. Nothing of it is adapted."""
    apart = alone()
    if apart is None:
        pytest.skip("no network namespace, so no port 3306 and 9000 of the test's own")
    (tmp_path / "run").mkdir()
    command = [*apart, sys.executable, "-m", "tests.docs.first_generation.stage"]
    done = subprocess.run(
        [*command, mariadb_template, binaries, tmp_path / "run"],
        cwd=ROOT,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SHOWING,
    )
    assert done.returncode == 0, done.stdout
