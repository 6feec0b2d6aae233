"""The commands `sharedstate-anyio backup` and `restore`, as people run them, on real files."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import os
import re
import signal
import stat
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from tests.backends.carrying import fill, held
from tests.support.faults import halting_backup, halting_restore
from tests.support.faults.disk import NoDiskError, disk
from tests.support.faults.disk import fill as fill_disk
from tests.support.faults.stage import ROOT
from tests.support.services.command import INSTALLED, SECONDS, one_line, started
from tests.support.services.saved import folder, items, names, run, template
from tests.support.services.servers import Service, document, sqlite, write_config
from tests.support.terminal import answered

from .test_backup_file import spoiled

if TYPE_CHECKING:
    from tests.support.services.mariadb import MariaDb

__all__ = ["folder", "template"]

KINDS = ("sqlite", "mysql")
_tables = itertools.count()


@pytest.fixture
def anyio_backend() -> str:
    """Return one loop: the commands have their own."""
    return "asyncio"


@pytest.fixture
def mariadb_config(shared_mariadb: MariaDb) -> dict[str, Any]:
    return shared_mariadb.config(db_table=f"saved_{next(_tables)}")


# Backup


async def test_a_backup_is_readable_and_private(folder: Path) -> None:
    file = folder / "old.gz"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with gzip.open(file, "rt") as stream:
        first, service, *lines = map(json.loads, stream)
    assert first.keys() == {"line", "format", "made", "by"}
    assert service == {"line": "service", "name": "items"}
    collections = {tuple(line[:2]) for line in lines if isinstance(line, list) and len(line) == 4}
    assert collections == (await held(items(folder))).keys()
    texts = [line[4] for line in lines if isinstance(line, list) and len(line) == 5 and line[4]]
    assert {json.loads(text)["id"] for text in texts} >= {"strange", "é"}


async def test_nothing_is_overwritten_unless_asked_for(folder: Path) -> None:
    before = (folder / "old.gz").read_bytes()
    (folder / "old.gz").chmod(0o644)
    status, _, errors = await run(folder, "backup", "config.json", "old.gz")
    assert status == 2
    assert one_line(errors).endswith("/old.gz is there already; --force replaces it")
    assert (folder / "old.gz").read_bytes() == before
    (folder / "link.gz").symlink_to("old.gz")
    status, output, errors = await run(folder, "backup", "config.json", "link.gz", "--force", "-q")
    assert (status, output, errors) == (0, "", "")
    assert (folder / "link.gz").is_symlink()
    assert stat.S_IMODE((folder / "old.gz").stat().st_mode) == 0o640
    assert names(folder) == {"config.json", "items.db", "old.gz", "link.gz"}


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("backup", "config.json", "."), 2, "is not a file; give the name of one"),
        (("backup", "config.json", "nowhere/new.gz"), 1, "No such file or directory"),
        (("backup", "config.json", "new.gz", "--service", "Items"), 2, 'no service "Items"; the'),
        (
            ("backup", "config.json", "new.gz", "--service", "mitems"),
            2,
            "none of them can be saved",
        ),
        (("backup", "lost.json", "new.gz"), 2, "lost.json"),
        (("restore", "config.json", "lost.gz"), 1, "cannot read lost.gz: No such file"),
        (("restore", "config.json", "."), 1, "cannot read .: Is a directory"),
        (("restore", "config.json", "config.json"), 1, "this is not a backup of SharedState"),
        (("restore", "config.json", "items.db"), 1, "this is not a backup of SharedState"),
        (("restore", "config.json", "/dev/null"), 1, "this is not a backup of SharedState"),
        (
            ("restore", "config.json", "old.gz", "--service", "mitems"),
            2,
            "the backup has no service",
        ),
    ],
)
async def test_what_cannot_be_done(
    folder: Path, arguments: tuple[str, ...], status: int, words: str
) -> None:
    before = await held(items(folder))
    ended, _, errors = await run(folder, *arguments)
    assert ended == status
    assert words in one_line(errors)
    assert names(folder) == {"config.json", "items.db", "old.gz"}
    assert await held(items(folder)) == before


async def test_a_store_that_is_not_there(folder: Path) -> None:
    (folder / "items.db").unlink()
    status, _, errors = await run(folder, "backup", "config.json", "old.gz", "--force")
    assert status == 1
    assert f"there is no file {folder / 'items.db'}" in one_line(errors)
    assert names(folder) == {"config.json", "old.gz"}
    assert (await run(folder, "restore", "config.json", "old.gz"))[0] == 0


async def test_a_full_disk(folder: Path) -> None:
    """The old backup stays, and nothing else."""
    with ExitStack() as stack:
        try:
            place = stack.enter_context(disk(folder / "disk"))
        except NoDiskError as error:
            pytest.skip(str(error))
        saved = place / "saved.gz"
        saved.write_bytes((folder / "old.gz").read_bytes())
        fill_disk(place / "filler")
        status, _, errors = await run(folder, "backup", "config.json", str(saved), "--force")
        assert status == 1
        assert "No space left on device; what was there is there still" in one_line(errors)
        assert names(place) == {"saved.gz", "filler"}
        assert saved.read_bytes() == (folder / "old.gz").read_bytes()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
async def test_interrupted(folder: Path, signum: signal.Signals) -> None:
    before = (folder / "old.gz").read_bytes()
    words = ("backup", str(folder / "config.json"), str(folder / "old.gz"), "--force")
    write_config(folder, document(sqlite("items", folder / "items.db")))
    waiting = ("-m", halting_backup.MODULE, *words)
    with started(*waiting, folder=ROOT, program=Path(sys.executable)) as command:
        command.says("waiting")
        assert list(folder.glob(".old.gz.*"))
        command.send(signum)
        assert await command.finished() == 130
    assert one_line(command.errors) == "sharedstate-anyio: interrupted"
    assert names(folder) == {"config.json", "items.db", "old.gz"}
    assert (folder / "old.gz").read_bytes() == before


async def test_a_service_that_cannot_be_saved_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    module = "tests.backends.conformance.dictionary_backend"
    other: Service = {"name": "other", "module": module, "config": {}}
    write_config(folder, document(sqlite("items", "items.db"), other))
    status, output, errors = await run(folder, "backup", "config.json", "new.gz", "-q")
    assert (status, errors) == (3, "")
    assert output == f"other: NOT saved: module {module} has no dump and restore\n"
    status, _, errors = await run(folder, "restore", "config.json", "new.gz")
    assert (status, errors) == (0, "")


# Restore


async def test_only_some_services(tmp_path: Path) -> None:
    """Those of the backup are replaced, others stay; one that the configuration lacks has to be left out by name."""
    files = {name: {"db_type": "sqlite", "db_name": str(tmp_path / f"{name}.db")} for name in "abc"}
    for each in files.values():
        await fill(each)
    write_config(tmp_path, document(*(sqlite(name, f"{name}.db") for name in "abc")))
    saved = ("backup", "config.json", "ab.gz", "--service", "b", "--service", "a")
    assert (await run(tmp_path, *saved))[0] == 0
    full = await held(files["a"])
    for each in files.values():
        Path(each["db_name"]).unlink()
    write_config(tmp_path, document(*(sqlite(name, f"{name}.db") for name in "bc")))
    status, _, errors = await run(tmp_path, "restore", "config.json", "ab.gz")
    assert status == 2
    assert 'the backup has a service "a", the configuration does not' in one_line(errors)
    assert names(tmp_path) == {"config.json", "ab.gz"}
    status, output, _ = await run(tmp_path, "restore", "config.json", "ab.gz", "--service", "b")
    assert status == 0
    assert "c: left as it is\n" in output
    assert names(tmp_path) == {"config.json", "ab.gz", "b.db"}
    assert await held(files["b"]) == full


async def test_a_backup_moves_no_cursor(folder: Path) -> None:
    """What it says of itself is told to a terminal."""
    text = gzip.decompress((folder / "old.gz").read_bytes())
    *lines, _ = re.sub(rb'"made":"[^"]*"', rb'"made":"\\u001b[2Jnow"', text).splitlines(True)
    checksum = hashlib.sha256(b"".join(lines)).hexdigest()
    lines.append(b'{"line":"end","sha256":"%s"}\n' % checksum.encode())
    (folder / "odd.gz").write_bytes(gzip.compress(b"".join(lines)))
    status, output, errors = await run(folder, "restore", "config.json", "odd.gz")
    assert (status, errors) == (0, "")
    assert "\x1b" not in output
    assert r"of \x1b[2Jnow restored" in output


@pytest.mark.parametrize(("answer", "status"), [(b"n\n", 1), (b"\n", 1), (b"yes\n", 0)])
async def test_it_asks_at_a_terminal(folder: Path, answer: bytes, status: int) -> None:
    (folder / "items.db").unlink()

    words = [str(INSTALLED), "restore", "config.json", "old.gz"]
    ended, seen = await anyio.to_thread.run_sync(answered, words, answer, SECONDS, folder)
    assert "items: 10 collections, 1,264 items, 8 tombstones of 20" in seen
    assert ended == status
    assert (folder / "items.db").exists() == (status == 0)
    assert ("nothing was restored" in seen) == (status == 1)


@pytest.mark.parametrize("how", ["cut off at the end", "newer"])
async def test_a_spoiled_backup_is_refused_before_anything_is_touched(
    folder: Path, how: str
) -> None:
    (folder / "bad.gz").write_bytes(spoiled((folder / "old.gz").read_bytes())[how])
    before = (folder / "items.db").read_bytes()
    status, output, errors = await run(folder, "restore", "config.json", "bad.gz", "--yes")
    assert (status, output) == (1, "")
    assert "bad.gz: " in one_line(errors)
    assert (folder / "items.db").read_bytes() == before


@pytest.mark.parametrize("how", ["damaged", "another file"])
async def test_a_file_that_nothing_can_be_restored_into(folder: Path, how: str) -> None:
    before = await held(items(folder))
    file = folder / "items.db"
    content = file.read_bytes()
    damaged = content[:200] + b"\xa5" * (len(content) - 200)
    file.write_bytes(damaged if how == "damaged" else b"no database " * 10_000)
    bad = file.read_bytes()
    status, _, errors = await run(folder, "restore", "config.json", "old.gz")
    assert status == 1
    expected = "; move it away, with -wal and -shm beside it, and run this again"
    assert one_line(errors).endswith(expected)
    assert "items.db: nothing can be restored into it (" in errors
    assert file.read_bytes() == bad
    for each in list(folder.glob("items.db*")):
        each.rename(folder / each.name.replace("items", "away"))
    assert (await run(folder, "restore", "config.json", "old.gz"))[0] == 0
    assert await held(items(folder)) == before


async def test_a_log_without_its_database_is_replaced_too(folder: Path) -> None:
    before = await held(items(folder))
    (folder / "items.db").unlink()
    (folder / "items.db-wal").write_bytes(b"the log of another time" * 1000)
    status, _, errors = await run(folder, "restore", "config.json", "old.gz")
    assert (status, errors) == (0, "")
    assert names(folder) == {"config.json", "items.db", "old.gz"}
    assert await held(items(folder)) == before


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("portions", ["5", "100"])
async def test_killed_on_its_way(
    tmp_path: Path, kind: str, portions: str, mariadb_config: dict[str, Any]
) -> None:
    """It has done nothing; again, it does all."""
    config = items(tmp_path)
    config = config if kind == "sqlite" else mariadb_config
    service: Service = {"name": "items", "module": "items_service", "config": config}
    write_config(tmp_path, document(service))
    await fill(config)
    assert (await run(tmp_path, "backup", "config.json", "new.gz"))[0] == 0
    new = await held(config)
    await fill(config)
    old = await held(config)
    assert old != new
    halting = ("-m", halting_restore.MODULE, portions, "restore", str(tmp_path / "config.json"))
    python = Path(sys.executable)
    with started(*halting, str(tmp_path / "new.gz"), folder=ROOT, program=python) as command:
        command.halted()
        command.send(signal.SIGKILL)
        assert await command.finished() == -signal.SIGKILL
    assert await held(config) == old
    status, _, errors = await run(tmp_path, "restore", "config.json", "new.gz")
    assert (status, errors) == (0, "")
    assert await held(config) == new


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("portions", ["5", "100"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_restore_that_is_interrupted(
    tmp_path: Path,
    kind: str,
    portions: str,
    signum: signal.Signals,
    mariadb_config: dict[str, Any],
) -> None:
    """It says what it has done before; the service at hand is as it was."""
    first = items(tmp_path)
    second = {**first, "db_name": str(tmp_path / "b.db")} if kind == "sqlite" else mariadb_config
    services: list[Service] = [
        {"name": name, "module": "items_service", "config": config}
        for name, config in (("a", first), ("b", second))
    ]
    write_config(tmp_path, document(*services))
    for config in (first, second):
        await fill(config)
    assert (await run(tmp_path, "backup", "config.json", "new.gz"))[0] == 0
    new = await held(first)
    for config in (first, second):
        await fill(config)
    old = await held(second)
    halting = ("-m", halting_restore.MODULE, portions, "restore", str(tmp_path / "config.json"))
    python = Path(sys.executable)
    with started(*halting, str(tmp_path / "new.gz"), folder=ROOT, program=python) as command:
        command.halted()
        command.send(signal.SIGCONT)
        command.says("a: ")
        command.halted()
        command.send(signum)
        command.send(signal.SIGCONT)
        assert await command.finished() == 130
    assert one_line(command.errors) == "sharedstate-anyio: interrupted; restored before: a"
    assert await held(first) == new
    assert await held(second) == old


async def test_a_command_that_is_interrupted_prints_no_traceback(tmp_path: Path) -> None:
    program = (
        "from sharedstate_anyio.server_command import check, main as cli\n"
        "def interrupted(console, arguments): raise KeyboardInterrupt\n"
        "check.check_command = interrupted\ncli.main(['check'])"
    )
    with started("-c", program, folder=tmp_path, program=Path(sys.executable)) as command:
        assert await command.finished() == 130
    assert one_line(command.errors) == "sharedstate-anyio: interrupted"
