"""A disk that fills up in the middle of a commit: nothing was stored, and that is certain."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from sharedstate_backends import OutcomeUnknownError, StorageError
from sharedstate_backends.conformance.model import path
from sharedstate_core.storage import Write
from sharedstate_core.updates import Update
from tests.backends.opening import opened, sqlite
from tests.support.faults.disk import NoDiskError, disk, fill

if TYPE_CHECKING:
    from pathlib import Path

    from sharedstate_backends import Backend

PAGES = 12
"""More than the log of one update takes, with what else it writes, in pages of the disk."""


def write(id: str, size: int) -> Write:
    text = f'{{"id": "{id}", "text": "{"x" * size}"}}'
    return Write(Update((), {id: text.encode()}))


async def is_refused(backend: Backend, write: Write) -> bool:
    """Return whether a commit is refused; its outcome is known in any case."""
    try:
        await backend.commit(path("a"), [write])
    except OutcomeUnknownError:
        raise
    except StorageError as error:
        return "the disk is full; make room" in str(error)
    return False


async def ids_after_a_crash(file: Path, folder: Path) -> set[str]:
    """Return what a process finds that recovers the log."""
    folder.mkdir()
    for suffix in ("", "-wal"):
        shutil.copy(f"{file}{suffix}", folder)
    async with opened(sqlite(str(folder / file.name))) as backend:
        return {row.id for row in (await backend.load(path("a"), None)).rows}


@pytest.mark.parametrize("synchronous", ["FULL", "NORMAL"])
async def test_nothing_of_it_is_stored(synchronous: str, tmp_path: Path) -> None:
    """Wherever in the log the disk ends; neither in this process nor for one that recovers the log after a crash."""
    expected = {"first"}
    refused = set()
    try:
        with disk(tmp_path / "disk") as folder:
            file, filler = folder / "items.db", folder / "filler"
            async with opened(sqlite(str(file), synchronous=synchronous)) as backend:
                await backend.commit(path("a"), [write("first", 1)])
                for free in range(PAGES):
                    fill(filler)
                    os.truncate(filler, filler.stat().st_size - 4096 * free)
                    if await is_refused(backend, write(f"{free}", 20_000)):
                        refused.add(f"{free}")
                    else:
                        expected.add(f"{free}")
                    crashed = tmp_path / f"crashed-{free}"
                    assert await ids_after_a_crash(file, crashed) == expected
                    filler.unlink()
                    await backend.commit(path("a"), [write(f"after {free}", 1)])
                    expected.add(f"after {free}")
                content = await backend.load(path("a"), None)
                assert {row.id for row in content.rows} == expected
    except NoDiskError as error:
        pytest.skip(str(error))
    assert {"0", "1"} <= refused, "there was room"
    assert len(refused) < PAGES, "it never went well: the disk is filled too much"
