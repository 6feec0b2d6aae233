"""The command `sharedstate-anyio migrate`, on real files."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.backends.legacy import older
from tests.support.faults import halting
from tests.support.faults.stage import ROOT
from tests.support.peer import open_client
from tests.support.services.command import one_line, started
from tests.support.services.servers import document, sqlite, write_config

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.services.mariadb import MariaDb


async def test_from_the_old_data_to_a_served_page(tmp_path: Path, anyio_backend_name: str) -> None:
    older.make(str(tmp_path / "sharedstate.db"), [older.record("app", "c", id) for id in "ba"])
    serving = ("--port", "0", "--loop", anyio_backend_name)
    with started(*serving, folder=tmp_path) as command:
        assert await command.finished() == 1
    assert one_line(command.errors).endswith("take it over with: sharedstate-anyio migrate")
    file = "my own.json"
    write_config(tmp_path, document(sqlite("items", "sharedstate.db")))
    (tmp_path / "config.json").rename(tmp_path / file)
    for arguments in ((file,), ("check", file)):
        with started(*arguments, folder=tmp_path) as command:
            assert await command.finished() == 1
        assert command.errors.endswith(
            "take it over with: sharedstate-anyio migrate 'my own.json'\n"
        )
    for said in ("items: 2 of 2 rows taken over, collections: 1", "items: nothing to migrate"):
        with started("migrate", folder=tmp_path) as command:
            assert await command.finished() == 0
        assert said in command.output
        assert "mitems: nothing to migrate" in command.output
        assert command.errors == ""
    with started(*serving, folder=tmp_path) as command:
        async with open_client(command.port) as client:
            assert await client.get("/app/items/c") == [{"id": "b"}, {"id": "a"}]
            client.peer.shut()


def test_rows_left_behind_show_in_the_exit_status(tmp_path: Path) -> None:
    bad = ("app", "c", "bad", "{")
    older.make(str(tmp_path / "my.db"), [older.record("app", "c", "a"), bad])
    file = write_config(tmp_path, document(sqlite("mine", "my.db")))
    with started("migrate", file, folder=tmp_path) as command:
        assert command.finish() == 3
    assert re.search(r'^mine: row \("app", "c", "bad"\): left behind', command.output, re.MULTILINE)
    assert "rows left behind, in items_before_migration only: 1\n" in command.output
    assert command.errors == ""


def test_faults(tmp_path: Path) -> None:
    with started("migrate", "missing.json", folder=tmp_path) as command:
        assert command.finish() == 2
    assert "missing.json" in one_line(command.errors)
    (tmp_path / "sharedstate.db").write_bytes(b"this is no database" * 1000)
    with started("migrate", folder=tmp_path) as command:
        assert command.finish() == 1
    assert "sharedstate.db: is not an SQLite database" in one_line(command.errors)
    with started("migrate", "--help", folder=tmp_path) as command:
        assert command.finish() == 0
    assert "_before_migration" in command.output


def test_a_service_of_ones_own_has_nothing_to_migrate(tmp_path: Path) -> None:
    service: dict[str, object] = {
        "name": "items",
        "module": "sharedstate_backends.items_service",
        "config": {"db_type": "sqlite"},
    }
    file = write_config(tmp_path, document(service))
    with started("migrate", file, folder=tmp_path) as command:
        assert command.finish() == 0
    assert command.output == "items: nothing to migrate\n"


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a way to migrate until something has been said, and to end it there by a signal."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)

    def kill(folder: Path, words: str, signum: signal.Signals, *arguments: str) -> None:
        command_line = ("-m", halting.MODULE, words, "migrate", *arguments)
        with started(*command_line, folder=folder, program=Path(sys.executable)) as command:
            command.says(words)
            command.halted()
            command.send(signum)
            command.send(signal.SIGCONT)
            assert command.finish() == -signum

    return kill


def test_killed_on_the_way_and_run_again(tmp_path: Path, killed: Callable[..., None]) -> None:
    """Tens of thousands of rows; killed at several moments, then the same result as without."""
    moments = {"10,000": signal.SIGINT, "30,000": signal.SIGKILL}
    file = str(tmp_path / "sharedstate.db")
    older.make(
        file,
        [older.record("app", f"c{each % 3}", f"é{each}", number=each) for each in range(30_000)],
    )
    for moment in moments:
        (tmp_path / moment).mkdir()
        shutil.copy(file, tmp_path / moment)
    before = older.content(file)
    with started("migrate", folder=tmp_path) as command:
        assert command.finish() == 0
    after = older.content(file)
    for moment, signum in moments.items():
        copy = tmp_path / moment / "sharedstate.db"
        killed(copy.parent, f"{moment} of", signum)
        assert older.content(str(copy)) in (before, after)
        with started("migrate", folder=copy.parent) as command:
            assert command.finish() == 0
        assert older.content(str(copy)) == after


def test_killed_on_the_way_in_mariadb(
    tmp_path: Path, shared_mariadb: MariaDb, killed: Callable[..., None]
) -> None:
    """As above; the server says what to do until it is done."""
    rows = (
        "SELECT 'app', CONCAT('c', seq MOD 3), CONCAT('é', seq), FROM_UNIXTIME(2000000000 - seq), "
        """CONCAT('{"id":"é', seq, '","number":', seq, '}') FROM seq_1_to_30000"""
    )
    older.make_in_mysql(shared_mariadb, "many", [])
    shared_mariadb.sql(f"SET NAMES utf8mb4; INSERT INTO many {rows}", "sharedstate")
    config = shared_mariadb.config(db_table="many")
    service: dict[str, object] = {"name": "items", "module": "items_service", "config": config}
    file = write_config(tmp_path, document(service))
    with started(file, folder=tmp_path) as command:
        assert command.finish() == 1
    assert one_line(command.errors).endswith(
        "take it over with: sharedstate-anyio migrate config.json"
    )
    killed(tmp_path, "10,000 of", signal.SIGKILL, file)
    assert shared_mariadb.sql("SELECT COUNT(ctime) FROM many", "sharedstate") == [["30000"]]
    with started("migrate", file, folder=tmp_path) as command:
        assert command.finish() == 0
    assert "30,000 of 30,000 rows taken over, collections: 3" in command.output
    assert command.errors == ""
    found = shared_mariadb.sql(
        "SELECT head.name, SUBSTR(id, 3), place, JSON_VALUE(data, '$.number'), JSON_VALUE(data, '$.id') = id "
        "FROM many AS item JOIN many_collections AS head ON item.collection = head.`key` "
        "WHERE app = 'app' AND item.version = 1 AND created = 1 ORDER BY head.name, place",
        "sharedstate",
    )
    expected = [
        [f"c{each}", str(number), str(place), str(number), "1"]
        for each in range(3)
        for place, number in enumerate(n for n in range(30_000, 0, -1) if n % 3 == each)
    ]
    assert found == expected
