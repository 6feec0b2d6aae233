"""A folder with a configuration, a store with something in it, and a backup of that; and the command in it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from tests.backends.carrying import fill

from .command import started
from .servers import document, sqlite, write_config

if TYPE_CHECKING:
    from pathlib import Path


def items(folder: Path) -> dict[str, Any]:
    """Return the `config` of the service `items` in a folder."""
    return {"db_type": "sqlite", "db_name": str(folder / "items.db")}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a configuration, a store with something in it, and a backup of that."""
    folder = tmp_path_factory.mktemp("saved")
    anyio.run(fill, items(folder))
    write_config(folder, document(sqlite("items", "items.db"), sqlite("mitems")))
    with started("backup", "config.json", "old.gz", folder=folder) as command:
        assert (command.finish(), command.errors) == (0, "")
    assert "mitems: in memory, not saved\n" in command.output
    assert "items: 10 collections, 1,264 items, 8 tombstones\n" in command.output
    assert command.output.endswith("bytes, read back and verified\n")
    return folder


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Path:
    """A copy of that."""
    return shutil.copytree(template, tmp_path / "copy")


async def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Run the command to its end; return its exit status, output and errors."""
    with started(*arguments, folder=folder) as command:
        status = await command.finished()
        return status, command.output, command.errors


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}
