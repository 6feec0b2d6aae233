"""docs/operating.md: its scripts for backup and restore, run as they stand there."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from sharedstate_anyio.client import connect
from sharedstate_anyio.server_command.backup_file import Backup
from tests.docs.test_operating_guide import SECONDS, TEXT, C, of_page, replaced
from tests.support.services.command import Command, started
from tests.support.services.servers import document, sqlite

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.services.mariadb import MariaDb
    from tests.support.services.servers import Service


def scripts() -> list[str]:
    """Return the page's scripts but for those of `sharedstate`, which test_examples.py runs."""
    found = [block.text for block in of_page("sh") if not block.text.startswith("sharedstate ")]
    words = [text.split()[:2] for text in found]
    backup, restore = (["sharedstate-anyio", word] for word in ("backup", "restore"))
    assert words == [backup, restore, ["cd", "/var/lib/sharedstate"]]
    return found


def run_script(text: str, folder: Path) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    subprocess.run(["sh", "-ec", text], cwd=folder, env=environment, timeout=SECONDS, check=True)


async def epoch_and_ids(port: int, *insert: str) -> tuple[str, list[str]]:
    """Insert items; return what is there then."""
    with anyio.fail_after(SECONDS):
        async with connect(f"ws://127.0.0.1:{port}") as client:
            ds = await client.acquire(C)
            await ds.update(insert=[{"id": id} for id in insert])
            assert ds.cursor is not None
            return ds.cursor.epoch, list(ds)


def ask(server: Command, *insert: str) -> tuple[str, list[str]]:
    return anyio.run(epoch_and_ids, server.port, *insert)


async def goes_back(port: int, restore: Callable[[], None]) -> tuple[str, list[str]]:
    """Restore under a client; return what it sees when it sees another epoch."""
    with anyio.fail_after(SECONDS):
        async with connect(f"ws://127.0.0.1:{port}") as client:
            ds = await client.acquire(C)
            changes, before = ds.changes(), ds.cursor
            await anyio.to_thread.run_sync(restore)
            await anext(changes)
            assert ds.cursor is not None
            assert before is not None
            assert ds.cursor.epoch != before.epoch
            return ds.cursor.epoch, list(ds)


def there_and_back(folder: Path, service: Service) -> None:
    """Save while the server runs, change, restore while it runs, and while it does not."""
    save, restore, _ = scripts()
    (folder / "config.json").write_text(json.dumps(document(service)))
    with started("config.json", folder=folder) as server:
        epoch, _ = ask(server, "b", "a")
        run_script(save, folder)
        assert ask(server, "c") == (epoch, ["b", "a", "c"])
        again, ids = anyio.run(goes_back, server.port, partial(run_script, restore, folder))
        assert ids == ["b", "a"]
        ask(server, "c")
        server.kill()  # so that the file of changes stays
    run_script(restore, folder)
    with started("config.json", folder=folder) as server:
        restored, ids = ask(server)
    assert ids == ["b", "a"]
    assert restored not in {epoch, again}


def test_backup_of_sqlite(tmp_path: Path) -> None:
    there_and_back(tmp_path, sqlite("items", "sharedstate.db"))


def test_backup_of_mariadb(tmp_path: Path, shared_mariadb: MariaDb) -> None:
    config = shared_mariadb.config(db_name="backed_up")
    there_and_back(tmp_path, {"name": "items", "module": "items_service", "config": config})


def test_backup_where_it_is_installed(tmp_path: Path) -> None:
    *_, script = scripts()
    (tmp_path / "config.json").write_text(json.dumps(document(sqlite("items", "items.db"))))
    with started("config.json", folder=tmp_path) as server:
        ask(server, "b", "a")
        places = {
            "/var/lib/sharedstate": str(tmp_path),
            "/opt/sharedstate/bin": str(Path(sys.executable).parent),
            "/etc/sharedstate": str(tmp_path),
            "/var/backups": str(tmp_path),
        }
        for _ in range(2):
            run_script(replaced(script, places), Path("/"))
    with (tmp_path / "sharedstate.gz").open("rb") as stream:
        assert Backup(stream, "it").services.keys() == {"items"}


def test_the_backup_on_the_page() -> None:
    (block,) = of_page("jsonl")
    backup = Backup(io.BytesIO(gzip.compress(block.text.encode())), "it")
    (portion,) = backup.portions("items")
    assert [(row.id, row.text) for row in portion.rows] == [
        ("bread", None),
        ("milk", b'{"id": "milk", "n": 1.10}'),
    ]


def test_from_one_storage_to_another(tmp_path: Path, shared_mariadb: MariaDb) -> None:
    """With the page's own commands."""
    save, restore = re.findall(r"`(sharedstate-anyio \w+ config.json moving.gz)`", TEXT)
    config = shared_mariadb.config(db_name="moved")
    after: Service = {"name": "items", "module": "items_service", "config": config}
    (tmp_path / "config.json").write_text(json.dumps(document(sqlite("items", "before.db"))))
    with started("config.json", folder=tmp_path) as server:
        epoch, _ = ask(server, "b", "a")
    run_script(save, tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(document(after)))
    run_script(restore, tmp_path)
    with started("config.json", folder=tmp_path) as server:
        moved, ids = ask(server)
    assert ids == ["b", "a"]
    assert moved != epoch


def test_back_to_an_older_file(tmp_path: Path) -> None:
    """With the page's own command, by way of a configuration that names the copy."""
    (command,) = re.findall(r"`(sharedstate-anyio backup copy.json [^`]*)`", TEXT)
    for name, file in (("config", "sharedstate.db"), ("copy", "copy.db")):
        (tmp_path / f"{name}.json").write_text(json.dumps(document(sqlite("items", file))))
    with started("config.json", folder=tmp_path) as server:
        ask(server, "b", "a")
        server.send(signal.SIGTERM)
        assert server.finish() == 0
    assert not list(tmp_path.glob("*-wal"))
    shutil.copy(tmp_path / "sharedstate.db", tmp_path / "copy.db")
    with started("config.json", folder=tmp_path) as server:
        epoch, _ = ask(server, "c")
    run_script(command, tmp_path)
    with started("config.json", folder=tmp_path) as server:
        restored, ids = ask(server)
    assert ids == ["b", "a"]
    assert restored != epoch
