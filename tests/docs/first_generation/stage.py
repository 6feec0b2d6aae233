"""The example of the first generation, unchanged, with the server and the database where it says that they are.

`python -m tests.docs.first_generation.stage TEMPLATE BINARIES FOLDER`: a data folder of MariaDB, the programs of an
environment with the package, and an empty folder. The ports 9000 and 3306 must be free: see
`tests/support/services/alone.py`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.browser.test_browser import SECONDS, run_scenario
from tests.support.services.command import started
from tests.support.services.mariadb import MariaDb

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
CONFIG = "myconfig.json"
COLLECTION = "localhost:9000/myapp/items/mycollection"


def main(template: Path, binaries: Path, folder: Path) -> None:
    os.environ.pop("PYTHONPATH", None)  # what is installed, and nothing else
    shutil.copy(HERE / CONFIG, folder)
    # Clients that come from 127.0.0.1 are users of `localhost` only if the database looks for names.
    database = MariaDb(template, folder, "--skip-name-resolve=OFF")
    database.port = 3306
    try:
        database.start()
        database.sql("; ".join(users()))
        with started(CONFIG, folder=folder, program=binaries / "sharedstate") as server:
            assert server.port == 9000
            run_scenario("first_generation", "", folder, SECONDS, PAGE=str(HERE / "page.html"))
            server.send(signal.SIGINT)
            assert server.finish() == 0
        # The next server has it still.
        with started(CONFIG, folder=folder, program=binaries / "sharedstate") as server:
            assert server.port == 9000
            get = [str(binaries / "sharedstate"), "get", COLLECTION]
            found = subprocess.run(get, capture_output=True, check=True, timeout=SECONDS).stdout
            assert [json.loads(line) for line in found.splitlines()] == [
                {"id": "myid", "data": True}
            ]
        assert database.sql("SELECT COUNT(*) FROM items", "sharedstate") == [["1"]]
    finally:
        database.kill()


def users() -> Iterator[str]:
    """Prepare the database as the first generation's readers were told to, with the configuration's password."""
    config = json.loads((HERE / CONFIG).read_text())["services"][0]["config"]
    name, user, password = (config[key] for key in ("db_name", "db_user", "db_password"))
    yield f"create user if not exists {user}@localhost identified by '{password}'"
    yield f"create database if not exists {name}"
    yield f"grant all on {name}.* to {user}@localhost"
    yield "flush privileges"


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
