"""Whether a store takes writes, how much room it takes, and whose its files are."""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sharedstate_backends import Island, StorageError
from sharedstate_backends.items_service import get_service
from sharedstate_backends.sqlite import ownership
from tests.support.faults.disk import NoDiskError, disk, fill

from .opening import opened, sqlite

if TYPE_CHECKING:
    from sharedstate_backends import Backend
    from tests.support.services.mariadb import MariaDb

OTHERS = 4321
"""A user and group that nobody here is."""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")


def island(backend: Backend) -> Island:
    assert isinstance(backend, Island)
    return backend


async def test_a_full_disk(tmp_path: Path) -> None:
    """Only the end of a transaction meets it."""
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(disk(tmp_path / "disk"))
        except NoDiskError as error:
            pytest.skip(str(error))
        async with opened(sqlite(str(folder / "items.db"))) as backend:
            await backend.probe()
            fill(folder / "filler")
            for _ in range(3):
                with pytest.raises(StorageError, match="the disk is full; make room") as caught:
                    await backend.probe()
                assert "may be stored" not in str(caught.value)
            (folder / "filler").unlink()
            await backend.probe()


async def test_sizes_in_sqlite(tmp_path: Path) -> None:
    file = tmp_path / "items.db"
    async with opened(sqlite(str(file))) as backend:
        await backend.probe()
        found = await backend.sizes()
        wal = Path(f"{file}-wal")
        assert found == {"database": file.stat().st_size, "wal": wal.stat().st_size}
        assert all(found.values())
    async with opened(sqlite()) as backend:
        await backend.probe()
        assert await backend.sizes() == {}


async def test_mariadb(own_mariadb: MariaDb) -> None:
    own_mariadb.sql("CREATE DATABASE IF NOT EXISTS sharedstate")
    own_mariadb.sql("CREATE USER IF NOT EXISTS prober IDENTIFIED BY 'prober'")
    own_mariadb.sql("GRANT ALL ON sharedstate.* TO prober")
    config = own_mariadb.config(db_table="probed", db_user="prober", db_password="prober")
    async with opened(island(get_service(config))) as backend:
        await backend.probe()
        assert (await backend.sizes())["database"] > 0
        own_mariadb.sql("SET GLOBAL read_only = 1")
        try:
            await backend.heads([])
            with pytest.raises(StorageError, match="the server is read-only"):
                await backend.probe()
        finally:
            own_mariadb.sql("SET GLOBAL read_only = 0")
        await backend.probe()


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
async def test_the_mode_of_files(umask: int, tmp_path: Path) -> None:
    file = tmp_path / "items.db"
    before = os.umask(umask)
    try:
        async with opened(sqlite(str(file))) as backend:
            await backend.probe()
            for suffix in ("", "-wal", "-shm"):
                mode = stat.S_IMODE(Path(f"{file}{suffix}").stat().st_mode)
                assert mode == 0o600
    finally:
        os.umask(before)


async def test_a_file_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "items.db"
    file.touch()
    file.chmod(0o660)
    async with opened(sqlite(str(file))):
        assert stat.S_IMODE(file.stat().st_mode) == 0o660


@needs_root
async def test_what_root_makes_belongs_to_the_owner_of_the_folder(tmp_path: Path) -> None:
    os.chown(tmp_path, OTHERS, OTHERS)
    file = tmp_path / "items.db"
    async with opened(sqlite(str(file))) as backend:
        await backend.probe()
        for suffix in ("", "-wal", "-shm"):
            found = Path(f"{file}{suffix}").stat()
            assert (found.st_uid, found.st_gid) == (OTHERS, OTHERS)
    assert ownership.foreign(str(file)) is None


@needs_root
def test_a_file_that_the_owner_of_its_folder_may_not_write(tmp_path: Path) -> None:
    file = tmp_path / "items.db"
    file.touch(0o640)
    assert ownership.foreign(str(file)) is None
    os.chown(tmp_path, OTHERS, OTHERS)
    said = (
        f"{file} belongs to user root, its folder to 4321, who may not write it: chown 4321 {file}"
    )
    assert ownership.foreign(str(file)) == said
    os.chown(file, 0, OTHERS)
    assert ownership.foreign(str(file)) == said
    file.chmod(0o660)
    assert ownership.foreign(str(file)) is None
    Path(f"{file}-wal").touch(0o600)
    assert "items.db-wal belongs to user root" in str(ownership.foreign(str(file)))
