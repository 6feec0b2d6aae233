"""Ids and texts of every kind come back to the byte, whatever character set a database server likes best."""

from __future__ import annotations

import random
import sys
import unicodedata
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import anyio
import pytest

from sharedstate_backends.conformance.model import path, state_of, write_all
from sharedstate_backends.items_service import get_service
from sharedstate_core.storage import Cursor
from sharedstate_core.updates import Update
from tests.support.services.mariadb import started

from .opening import opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COUNT = 10_000

SERVERS = {
    "utf8mb4": ("utf8mb4", "utf8mb4_general_ci"),
    "latin1": ("latin1", "latin1_swedish_ci"),
    "utf32": ("utf32", "utf32_unicode_ci"),
}
"""Character set and collation of the server; under all of them `Key`, `key` and `key ` are the same text."""


@cache
def ids() -> list[str]:
    """Return 10,000 ids: families whose members look alike to some collation, then the whole of Unicode."""
    source = random.Random(2024)
    assigned = [
        chr(code)
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code)) not in {"Cn", "Cs", "Co"}
    ]
    found: dict[str, None] = {}
    while len(found) < COUNT // 2:
        word = "".join(source.choices("aeiounscßåøæijk", k=source.randint(1, 8)))
        accented = "".join(letter + source.choice(["", "\u0301", "\u0308"]) for letter in word)
        for member in (
            *(word, word.upper(), word.title(), word + " ", word + "  ", " " + word, word + "\t"),
            *(accented, unicodedata.normalize("NFC", accented), word + "\0", word + "\u200b"),
            *(word + "%", word + "_", word + "\\", word + "'", word + '"', word + ";--"),
            *(word + "🗝", word + "🗝️", "👩‍👩‍👧 " + word, "\U0001d4b3" + word, word + "\U0010ffff"),
        ):
            found[member] = None
    while len(found) < COUNT:
        found["".join(source.choices(assigned, k=source.randint(1, 60)))] = None
    return list(found)[:COUNT]


def item(id: str) -> bytes:
    return b'{"text":"' + id.encode().hex().encode() + "é🗝️\\u0000 '\\\\\" %s ? ;".encode() + b'"}'


@pytest.fixture
def anyio_backend() -> str:
    """One loop is enough: what the other does is the same, beyond the island."""
    return "asyncio"


@contextmanager
def server(kind: str, template: Path, folder: Path) -> Iterator[dict[str, object]]:
    """Yield a configuration in SQLite, or in a MariaDB of this character set."""
    if kind == "sqlite":
        yield {"db_type": "sqlite", "db_name": str(folder / "items.db")}
        return
    characters, collation = SERVERS[kind]
    options = (
        f"--character-set-server={characters}",
        f"--collation-server={collation}",
        "--init-connect=SET NAMES latin1",
        "--sql-mode=NO_BACKSLASH_ESCAPES,ANSI_QUOTES,PAD_CHAR_TO_FULL_LENGTH",
    )
    with started(template, folder, *options) as database:
        database.sql("CREATE DATABASE sharedstate")  # in the server's own character set
        yield database.config()


@pytest.mark.parametrize("kind", ["sqlite", *SERVERS])
async def test_ten_thousand_ids(kind: str, mariadb_template: Path, tmp_path: Path) -> None:
    every = ids()
    assert len(set(every)) == len(every) == COUNT
    wanted = {id: item(id) for id in every}
    with server(kind, mariadb_template, tmp_path) as config:
        async with opened(get_service(config)) as backend:
            for start in range(0, len(every), 1000):
                batch = every[start : start + 1000]
                await write_all(backend, path(), Update(insert={id: wanted[id] for id in batch}))
        async with opened(get_service(config)) as backend:
            loaded = await backend.load(path(), None)
            assert list(state_of(loaded).items()) == list(wanted.items())
            gone = tuple(every[::2])
            await write_all(backend, path(), Update(remove=gone))
            loaded = await backend.load(path(), Cursor(loaded.epoch, loaded.version))
            assert {row.id for row in loaded.rows} == set(gone)
            kept = state_of(await backend.load(path(), None))
            assert list(kept) == every[1::2]
            names = [id for id in every[:300] if id.isprintable() and len(id.encode()) <= 128]
            async with anyio.create_task_group() as tasks:
                for name in names:
                    update = Update(insert={"a": item(name)})
                    tasks.start_soon(write_all, backend, path(name), update)
            assert list(await backend.collections("app")) == sorted([*names, "collection"])
