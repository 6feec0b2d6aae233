"""Saving and restoring SQLite's files: who waits for whom, and to whom the files belong."""

from __future__ import annotations

import os
import stat
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from sharedstate_backends import OutcomeUnknownError, StorageError
from sharedstate_backends.conformance.model import path, put, write_all
from sharedstate_backends.items_service import get_service
from tests.backends.carrying import content, fill, held, loaded, saved, store
from tests.backends.opening import opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sharedstate_backends.portable import Portion

NOBODY = 12_345
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")


@pytest.fixture
def anyio_backend() -> str:
    """Return the loop of the commands that do this."""
    return "asyncio"


@pytest.fixture
def config(file: str) -> dict[str, Any]:
    return {"db_type": "sqlite", "db_name": file, "db_timeout": 0.1}


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that everybody may use."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder


async def test_who_reads_sees_the_old_until_the_end_and_who_writes_is_refused(
    config: dict[str, Any], tmp_path: Path
) -> None:
    """By another thread, as a server would while a process restores."""
    await fill(config)
    portions = await saved(config)
    other = {**config, "db_name": str(tmp_path / "other.db")}
    refused: list[str] = []
    async with opened(get_service(other)) as backend:
        await write_all(backend, path("todo"), put("old"))
        before = await backend.load(path("todo"), None)
        half, go_on = threading.Event(), threading.Event()

        def slowly() -> Iterator[Portion]:
            yield from portions[:-1]
            half.set()
            go_on.wait(30)
            yield portions[-1]

        restoring = threading.Thread(target=anyio.run, args=(store(other).restore, slowly()))
        restoring.start()
        try:
            await anyio.to_thread.run_sync(half.wait, 30)
            assert await backend.load(path("todo"), None) == before
            try:
                await write_all(backend, path("todo"), put("lost"))
            except StorageError as error:
                refused.append(str(error))
        finally:
            go_on.set()
            await anyio.to_thread.run_sync(restoring.join)
        after = await backend.load(path("todo"), None)
    assert "is locked by another program" in refused[0]
    assert after.epoch != before.epoch
    assert await held(other) == content(portions)


async def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    config = {"db_type": "sqlite", "db_name": str(tmp_path / "lost.db")}
    with pytest.raises(StorageError, match=r"there is no file .*lost.db; a relative db_name"):
        await saved(config)
    assert list(tmp_path.iterdir()) == []


@as_root
async def test_a_restored_file_belongs_to_the_owner_of_its_folder(
    config: dict[str, Any], tmp_path: Path
) -> None:
    await fill(config)
    folder = tmp_path / "data"
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    new = {**config, "db_name": str(folder / "items.db")}
    await store(new).restore(await saved(config))
    (file,) = folder.iterdir()
    about = file.stat()
    assert (about.st_uid, about.st_gid, stat.S_IMODE(about.st_mode)) == (NOBODY, NOBODY, 0o600)


@as_root
@pytest.mark.parametrize(("before", "after"), [(0o666, 0o640), (0o600, 0o600), (0o640, 0o640)])
async def test_a_file_stays_its_owners(config: dict[str, Any], before: int, after: int) -> None:
    """Those beside it, too, while there are any: the server's user must be able to use them."""
    await fill(config)
    file = Path(config["db_name"])
    os.chown(file, NOBODY, NOBODY)
    file.chmod(before)
    portions = await saved(config)
    modes: dict[str, tuple[int, int]] = {}

    def watched() -> Iterator[Portion]:
        yield from portions
        for each in file.parent.glob("items.db*"):
            modes[each.name] = each.stat().st_uid, stat.S_IMODE(each.stat().st_mode)

    await store(config).restore(watched())
    beside = ("items.db", "items.db-wal", "items.db-shm")
    assert modes == dict.fromkeys(beside, (NOBODY, after))


@as_root
async def test_who_may_only_read_leaves_nothing_behind(public_folder: Path) -> None:
    """With a server it works; without one it would take files that its user could not use."""
    file = public_folder / "items.db"
    config = {"db_type": "sqlite", "db_name": str(file)}
    await fill(config)
    file.chmod(0o644)
    before = await held(config)

    async def as_nobody() -> Any:
        os.seteuid(NOBODY)
        try:
            return await held(config)
        finally:
            os.seteuid(0)

    with pytest.raises(StorageError, match=r"this user may only read it.*run this as the server's"):
        await as_nobody()
    assert [each.name for each in file.parent.iterdir()] == ["items.db"]
    async with opened(get_service(config)) as backend:
        await write_all(backend, path("todo"), put("in the log"))
        for each in file.parent.iterdir():
            each.chmod(0o644)
        found = await as_nobody()
        assert "in the log" in found["app", "todo"][2]
        assert found.keys() == before.keys() | {("app", "todo")}
        await write_all(backend, path("todo"), put("more"))


async def test_a_damaged_file_is_not_made_good(config: dict[str, Any]) -> None:
    await fill(config)
    portions = await saved(config)
    Path(config["db_name"]).write_bytes(b"something else" * 1000)
    with pytest.raises(StorageError, match="move it away, with -wal and -shm"):
        await store(config).restore(portions)
    with pytest.raises(StorageError, match="is not an SQLite database"):
        await saved(config)
    assert Path(config["db_name"]).read_bytes() == b"something else" * 1000
    Path(config["db_name"]).unlink()
    await store(config).restore(portions)
    assert (await loaded(config, "todo", app="ä")).version == 5


async def test_a_link_that_leads_to_nothing_is_restored_to_what_it_names(
    config: dict[str, Any], tmp_path: Path
) -> None:
    await fill(config)
    portions = await saved(config)
    (link := tmp_path / "link.db").symlink_to(tmp_path / "real.db")
    await store({**config, "db_name": str(link)}).restore(portions)
    assert link.is_symlink()
    assert stat.S_IMODE((tmp_path / "real.db").stat().st_mode) == 0o600
    assert await saved({**config, "db_name": str(link)}) == portions


async def test_a_file_that_loses_its_name_while_it_is_restored_is_in_doubt(
    config: dict[str, Any], file: str
) -> None:
    """The content is complete, but nobody finds it."""
    await fill(config)
    portions = await saved(config)
    (kept := Path(f"{file}.kept")).write_bytes(Path(file).read_bytes())

    def taking_it_away() -> Iterator[Portion]:
        yield from portions
        Path(file).unlink()

    with pytest.raises(OutcomeUnknownError, match="was deleted or moved"):
        await store(config).restore(taking_it_away())
    kept.rename(file)
    await store(config).restore(portions)
    assert await saved(config) == portions


@pytest.mark.parametrize("name", ["items.db", "another.db"])
async def test_a_file_of_two_names_is_neither_saved_nor_restored(
    config: dict[str, Any], file: str, name: str, tmp_path: Path
) -> None:
    await fill(config)
    portions = await saved(config)
    (tmp_path / "another.db").hardlink_to(file)
    linked = {**config, "db_name": str(tmp_path / name)}
    with pytest.raises(StorageError, match=f"{name}: it has 2 names"):
        await saved(linked)
    with pytest.raises(StorageError, match=f"{name}: it has 2 names"):
        await store(linked).restore(portions)
    with pytest.raises(StorageError, match=f"{name}: it has 2 names"):
        async with opened(get_service(linked)):
            pass
    (tmp_path / "another.db").unlink()
    assert await saved(config) == portions
